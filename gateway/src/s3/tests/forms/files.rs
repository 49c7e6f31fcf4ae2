//! The bytes of forms: whole, cut off, in pieces, and made to be misread.

use super::*;
use crate::front::tests::wire;
use tokio::io::AsyncWriteExt as _;

/// Bytes that hold the beginnings of delimiters.
fn near_delimiters(len: usize) -> Vec<u8> {
    let pattern = b"\r\n--bndr\r\n-\r\r\n--\n--bndry--\r\n --bndry";
    (0..len).map(|at| if at % 4096 < 2048 { pattern[at % pattern.len()] } else { (at / 7 % 256) as u8 }).collect()
}

#[tokio::test]
async fn a_file_of_several_megabytes_is_kept_byte_for_byte() {
    let server = S3Server::new().await;
    let file = near_delimiters(5_000_017);
    let form = server.form("k").file(&file);
    assert_eq!(server.post(&form).await.status, 204);
    assert!(server.get("k").await.body == file);
    for sizes in [&[40_000, 1, 17, 65_536][..], &[4096, 31]] {
        assert_eq!(server.send(&server.ask("DELETE", "/bkt/k")).await.status, 204);
        assert_eq!(server.send_raw(&form.in_chunks(sizes)).await.status, 204);
        assert!(server.get("k").await.body == file, "{sizes:?}");
    }
    let small = server.form("k").file(near_delimiters(700));
    assert_eq!(server.send_raw(&small.in_chunks(&[1])).await.status, 204);
    assert_eq!(server.get("k").await.body, near_delimiters(700));
    assert_eq!(server.post(&server.form("k").file("")).await.status, 204);
    assert_eq!(server.get("k").await.body, b"");
}

#[tokio::test]
async fn a_form_over_http2_is_the_same() {
    let server = S3Server::over_http2().await;
    assert_eq!(server.send(&server.ask("PUT", "/bkt")).await.status, 200);
    let file = near_delimiters(1_000_003);
    let form = server.form("k").file(&file);
    for with_length in [true, false] {
        let ask = server.ask("POST", "/bkt").header("content-type", "multipart/form-data; boundary=bndry");
        let mut ask = ask.body(form.body()).how(Place::Header, PayloadMode::Unsigned, Defect::Anonymous);
        ask.with_length = with_length;
        assert_eq!(server.send(&ask).await.status, 204);
        assert!(server.get("k").await.body == file);
        assert_eq!(server.send(&server.ask("DELETE", "/bkt/k")).await.status, 204);
    }
}

#[tokio::test]
async fn a_form_that_is_cut_off_leaves_nothing() {
    let server = S3Server::new().await;
    let before = server.changes();
    for len in [10, 3_000_000] {
        let form = server.form("k").file(near_delimiters(len));
        let wire = form.wire();
        let end = form.end.len();
        // Within the fields, within the file, before its delimiter, and within that.
        for cut in [500, wire.len() - end - len / 2, wire.len() - end, wire.len() - 3] {
            let mut connection = wire::open(server.listener.address, &wire[..cut]).await;
            connection.shutdown().await.unwrap();
            let answer = wire::read(&mut connection).await;
            assert_eq!((answer.status, answer.code()), (400, "IncompleteBody"), "{cut}: {answer:?}");
        }
    }
    assert_eq!(server.changes(), before, "something was committed");
    assert_eq!(server.get("k").await.code(), "NoSuchKey");
}

/// HTTP's body is whole, and the form in it is not.
#[tokio::test]
async fn a_form_that_does_not_end_is_refused() {
    let server = S3Server::new().await;
    for end in ["", "\r\n", "\r\n--bndry", "\r\n--bndry\r\n", "\r\n--bndry-", "\n--bndry--", "\r\n--BNDRY--"] {
        for len in [10, 300_000] {
            let mut form = server.form("k").file(vec![b'x'; len]);
            form.end = end.to_owned();
            server.refuses(&form, 400, "MalformedPOSTRequest").await;
        }
    }
}

#[tokio::test]
async fn the_file_is_the_last_field() {
    let server = S3Server::new().await;
    let after =
        |head: &str| format!("\r\n--bndry\r\nContent-Disposition: form-data; {head}\r\n\r\nvalue\r\n--bndry--\r\n");
    let mut form = server.form("k");
    form.end = after("name=\"x-amz-meta-late\"");
    assert_eq!(server.post(&form).await.status, 204);
    let kept = server.get("k").await;
    assert_eq!((kept.text(), kept.header("x-amz-meta-late")), ("meow", None));
    form.end = after("name=\"file\"; filename=\"other\"");
    server.refuses(&form, 400, "MalformedPOSTRequest").await;
    // Nothing that stands after the file signs it.
    let mut unsigned = server.form("k").sign(Signing::None);
    unsigned.end = String::from_utf8(server.form("k").body()).unwrap();
    unsigned.end.insert_str(0, "\r\n");
    server.refuses(&unsigned, 403, "AccessDenied").await;
}

#[tokio::test]
async fn what_stands_before_the_file_is_bounded() {
    let server = S3Server::new().await;
    let long = server.form("k").field("x-ignore-a", &"v".repeat(21 << 10));
    server.refuses(&long, 400, "MaxPostPreDataLengthExceededError").await;
    let many = (0..201).fold(server.form("k"), |form, number| form.field(&format!("x-ignore-{number}"), ""));
    server.refuses(&many, 400, "MaxPostPreDataLengthExceededError").await;
    let padding = server.form("k");
    let body = ["padding\r\n".repeat(20_000).into_bytes(), padding.body()].concat();
    let wire = [padding.head(&format!("content-length: {}", body.len())), body].concat();
    let answer = server.send_raw(&wire).await;
    assert_eq!(answer.code(), "MaxPostPreDataLengthExceededError", "{answer:?}");
    let fits = server.form("k").field("x-ignore-a", &"v".repeat(15 << 10));
    assert_eq!(server.post(&fits).await.status, 204);
}

#[tokio::test]
async fn a_form_that_can_be_read_in_two_ways_is_refused() {
    let server = S3Server::new().await;
    server.refuses(&server.form("k").field("KEY", "other"), 400, "InvalidArgument").await;
    server
        .refuses(&server.form("k").field("x-amz-meta-a", "1\r\nx-amz-acl: public-read"), 400, "InvalidArgument")
        .await;
    server.refuses(&server.form("k").field("x-amz-copy-source", "/bkt/secret"), 400, "InvalidArgument").await;
    server.refuses(&server.form("k").field("a\"; name=\"b", "1"), 400, "MalformedPOSTRequest").await;
    let mut no_parts = server.form("k");
    no_parts.boundary = "other".to_owned();
    let body = server.form("k").body();
    let wire = [no_parts.head(&format!("content-length: {}", body.len())), body].concat();
    assert_eq!(server.send_raw(&wire).await.code(), "IncompleteBody");
    let mut no_file = server.form("k");
    no_file.file_name = "\"; name=\"other".to_owned();
    server.refuses(&no_file, 400, "MalformedPOSTRequest").await;
}
