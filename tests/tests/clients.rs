//! The real clients against the built binary, with one drive and with `ec:4+2` on six: bytes compared.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "test code")]

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::server::{Server, ServerShape};

#[test]
fn aws_cli_on_one_drive() {
    aws_cli(ServerShape::OneDrive);
}

#[test]
fn aws_cli_on_six_drives() {
    aws_cli(ServerShape::SixDrives);
}

fn aws_cli(shape: ServerShape) {
    let server = Server::start(shape);
    let clients = Clients::of(&server);
    let scratch = server.scratch();
    let (source, back) = (scratch.join("source"), scratch.join("back"));
    bytes_of::tree(&source, 1);
    // Above the multipart threshold of aws-cli, so that an upload in parts is among them.
    bytes_of::write(&source.join("large.bin"), &bytes_of::random(2, (20 << 20) + 17));
    clients.run("aws", &["s3", "mb", "s3://aws-bucket"]);
    clients.run("aws", &["s3", "cp", "--quiet", "source/large.bin", "s3://aws-bucket/one"]);
    clients.run("aws", &["s3", "cp", "--quiet", "s3://aws-bucket/one", "one"]);
    assert!(std::fs::read(scratch.join("one")).unwrap() == std::fs::read(source.join("large.bin")).unwrap());
    clients.run("aws", &["s3", "sync", "--quiet", "source", "s3://aws-bucket/tree"]);
    clients.run("aws", &["s3", "sync", "--quiet", "s3://aws-bucket/tree", "back"]);
    bytes_of::assert_same(&source, &back);
    let again = clients.run("aws", &["s3", "sync", "source", "s3://aws-bucket/tree"]);
    assert_eq!(again.trim(), "", "a second sync finds nothing to do");
    clients.run("aws", &["s3", "cp", "--quiet", "s3://aws-bucket/one", "s3://aws-bucket/copied"]);
    let link = clients.run("aws", &["s3", "presign", "s3://aws-bucket/copied"]);
    clients.run("curl", &["--silent", "--fail", "--output", "presigned", link.trim()]);
    assert!(std::fs::read(scratch.join("presigned")).unwrap() == std::fs::read(source.join("large.bin")).unwrap());
    let forged = link.trim().replace("X-Amz-Expires=3600", "X-Amz-Expires=3601");
    clients.refused("curl", &["--silent", "--fail", &forged]);
    clients.run("aws", &["s3", "rb", "--force", "s3://aws-bucket"]);
    assert_eq!(clients.run("aws", &["s3", "ls"]).trim(), "");
}

#[test]
fn boto3_on_one_drive() {
    boto3(ServerShape::OneDrive);
}

#[test]
fn boto3_on_six_drives() {
    boto3(ServerShape::SixDrives);
}

fn boto3(shape: ServerShape) {
    let server = Server::start(shape);
    Clients::of(&server).run_script("boto3_tour.py", &[]);
}

#[test]
fn forms_on_one_drive() {
    let server = Server::start(ServerShape::OneDrive);
    Clients::of(&server).run_script("forms_tour.py", &[]);
}

#[test]
fn forms_on_six_drives() {
    let server = Server::start(ServerShape::SixDrives);
    Clients::of(&server).run_script("forms_tour.py", &[]);
}

#[test]
fn s3_control_on_one_drive() {
    let server = Server::start(ServerShape::OneDrive);
    Clients::of(&server).run_script("control_tour.py", &[]);
}

#[test]
fn restic_on_one_drive() {
    restic(ServerShape::OneDrive);
}

#[test]
fn restic_on_six_drives() {
    restic(ServerShape::SixDrives);
}

fn restic(shape: ServerShape) {
    let server = Server::start(shape);
    let clients = Clients::of(&server);
    let source = server.scratch().join("source");
    bytes_of::tree(&source, 3);
    clients.run("restic", &["init"]);
    clients.run("restic", &["backup", "source"]);
    bytes_of::write(&source.join("later.bin"), &bytes_of::random(4, 3 << 20));
    clients.run("restic", &["backup", "source"]);
    clients.run("restic", &["check", "--read-data"]);
    clients.run("restic", &["restore", "latest", "--target", "back"]);
    bytes_of::assert_same(&source, &server.scratch().join("back/source"));
    clients.run("restic", &["forget", "--keep-last", "1", "--prune"]);
    clients.run("restic", &["check", "--read-data"]);
}

#[test]
fn rclone_on_one_drive() {
    rclone(ServerShape::OneDrive);
}

#[test]
fn rclone_on_six_drives() {
    rclone(ServerShape::SixDrives);
}

fn rclone(shape: ServerShape) {
    let server = Server::start(shape);
    let clients = Clients::of(&server);
    let source = server.scratch().join("source");
    bytes_of::tree(&source, 5);
    clients.run("rclone", &["mkdir", "test:rclone-bucket"]);
    clients.run("rclone", &["sync", "source", "test:rclone-bucket/tree"]);
    clients.run("rclone", &["check", "--download", "source", "test:rclone-bucket/tree"]);
    std::fs::remove_dir_all(source.join("many")).unwrap();
    clients.run("rclone", &["sync", "source", "test:rclone-bucket/tree"]);
    clients.run("rclone", &["check", "source", "test:rclone-bucket/tree"]);
    clients.run("rclone", &["sync", "test:rclone-bucket/tree", "back"]);
    bytes_of::assert_same(&source, &server.scratch().join("back"));
    clients.run("rclone", &["purge", "test:rclone-bucket"]);
}

#[test]
fn s3cmd_on_one_drive() {
    s3cmd(ServerShape::OneDrive);
}

#[test]
fn s3cmd_on_six_drives() {
    s3cmd(ServerShape::SixDrives);
}

fn s3cmd(shape: ServerShape) {
    let server = Server::start(shape);
    let clients = Clients::of(&server);
    let bytes = bytes_of::random(6, (16 << 20) + 1);
    bytes_of::write(&server.scratch().join("file"), &bytes);
    clients.s3cmd(&["mb", "s3://s3cmd-bucket"]);
    clients.s3cmd(&["put", "--no-progress", "file", "s3://s3cmd-bucket/a folder/file"]);
    let listed = clients.s3cmd(&["ls", "s3://s3cmd-bucket/a folder/"]);
    assert!(listed.contains("16777217") && listed.contains("s3://s3cmd-bucket/a folder/file"), "{listed}");
    clients.s3cmd(&["get", "--no-progress", "s3://s3cmd-bucket/a folder/file", "back"]);
    assert!(std::fs::read(server.scratch().join("back")).unwrap() == bytes);
    clients.s3cmd(&["del", "s3://s3cmd-bucket/a folder/file"]);
    assert_eq!(clients.s3cmd(&["ls", "s3://s3cmd-bucket"]).trim(), "");
    clients.s3cmd(&["rb", "s3://s3cmd-bucket"]);
}
