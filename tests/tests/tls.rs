//! The built binary over TLS: real clients, a certificate of its own.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::server::{Server, ServerShape, shown_secret};

#[test]
fn aws_cli_and_boto3_over_tls() {
    let mut server = Server::start_tls(ServerShape::SixDrives);
    {
        let clients = Clients::of(&server);
        assert!(server.endpoint().starts_with("https://"));
        let (source, back) = (server.scratch().join("source"), server.scratch().join("back"));
        bytes_of::tree(&source, 60);
        // Above the multipart threshold of aws-cli.
        bytes_of::write(&source.join("large.bin"), &bytes_of::random(61, (20 << 20) + 17));
        clients.run("aws", &["s3", "mb", "s3://tls"]);
        clients.run("aws", &["s3", "sync", "--quiet", "source", "s3://tls/tree"]);
        clients.run("aws", &["s3", "sync", "--quiet", "s3://tls/tree", "back"]);
        bytes_of::assert_same(&source, &back);
        let link = clients.run("aws", &["s3", "presign", "s3://tls/tree/large.bin"]);
        assert!(link.starts_with("https://"), "{link}");
        // With HTTP/2, which curl and the server agree upon, and without.
        for version in ["--http2", "--http1.1"] {
            clients.run("curl", &["--silent", "--fail", version, "--output", "presigned", link.trim()]);
            let presigned = std::fs::read(server.scratch().join("presigned")).unwrap();
            assert!(presigned == std::fs::read(source.join("large.bin")).unwrap(), "{version}");
        }
        clients.run_script("boto3_tour.py", &[]);

        // Neither a client that does not know the certificate nor one without TLS gets anything.
        let untrusting = clients.command("curl").env_remove("CURL_CA_BUNDLE").args(["--silent", link.trim()]).output();
        assert!(!untrusting.unwrap().status.success());
        let plain = clients.refused("curl", &["--silent", "--show-error", &link.trim().replace("https://", "http://")]);
        assert!(!plain.contains("200 OK"), "{plain}");
    }
    server.stop();
    server.restart();
    let clients = Clients::of(&server);
    clients.run("aws", &["s3", "cp", "--quiet", "s3://tls/tree/large.bin", "again"]);
    assert!(std::fs::read(server.scratch().join("again")).unwrap() == bytes_of::random(61, (20 << 20) + 17));
}

#[test]
fn the_admin_listener_over_tls() {
    let (server, certificate) = Server::start_admin_tls(ServerShape::SixDrives);
    // A command that reads the data folder knows the certificate; others believe the authorities that they name.
    assert!(server.couronne(&["status"]).status.success());
    let token_file = server.scratch().join("token");
    std::fs::write(&token_file, shown_secret(&server.data(), "admin-token").unwrap()).unwrap();
    let token = format!("@{}", token_file.display());
    let told = |address: &str, flags: &[&str]| {
        let mut command = std::process::Command::new(couronne_tests::server::binary());
        command.args(["status", "--admin-address", address, "--admin-token", &token]).args(flags);
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let port = server.admin().port();
    let authorities = certificate.display().to_string();
    let with_authorities = ["--admin-ca", authorities.as_str()];
    for host in ["127.0.0.1", "localhost"] {
        let (is_served, why) = told(&format!("https://{host}:{port}"), &with_authorities);
        assert!(is_served, "{host}: {why}");
    }
    let (is_served, why) = told(&format!("https://127.0.0.1:{port}"), &[]);
    assert!(!is_served && why.contains("certificate"), "the system believes nobody of that name: {why}");
    assert!(!told(&format!("127.0.0.1:{port}"), &[]).0, "without TLS");
    // Clients that speak no TLS, or nothing at all, keep nobody out.
    let silent: Vec<_> = (0..80).map(|_| std::net::TcpStream::connect(server.admin()).unwrap()).collect();
    assert!(server.couronne(&["status"]).status.success());
    drop(silent);
    let orders = server.couronne(&["scrub", "start"]);
    assert!(orders.status.success(), "{}", String::from_utf8_lossy(&orders.stderr));
    // Lines are written a little later.
    let is_logged = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        server.log().contains("the admin token at 127.0.0.1")
    });
    assert!(is_logged, "an order is logged with its actor");
}
