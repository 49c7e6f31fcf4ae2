//! Whose a request is, which face it is for, and which operation it means.

use super::*;
use crate::identity::{NewSession, SessionOf};

#[tokio::test]
async fn a_signed_form_is_answered_and_a_defective_one_is_not() {
    let server = IamServer::new().await;
    let account = server.account().await;
    let ask = server.ask("sts", "GetCallerIdentity").with("Version", "2011-06-15");
    let good = server.send(&ask).await;
    assert_eq!(good.status, 200, "{good:?}");
    assert_eq!(good.between("<Arn>", "</Arn>"), account.arn("user", "/", "user"));
    assert!(good.text().contains("<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"));
    assert_eq!(good.between("<RequestId>", "</RequestId>"), good.header("x-amzn-requestid").unwrap());
    let by_get = server.send(&QueryAsk { method: "GET", ..ask.clone() }).await;
    assert_eq!(by_get.status, 200, "{by_get:?}");

    let secret = Keys { secret: "another".into(), ..ask.keys.clone() };
    let unknown = Keys { access_key: "NOBODY".into(), ..ask.keys.clone() };
    let of_token = |token: &str| QueryAsk { token: Some(token.to_owned()), ..ask.clone() };
    for (defective, expected) in [
        (ask.clone().of(&secret), (403, "SignatureDoesNotMatch")),
        (ask.clone().of(&unknown), (403, "InvalidClientTokenId")),
        (of_token("x"), (403, "InvalidClientTokenId")),
        (QueryAsk { at_s: ask.at_s - 1_000, ..ask.clone() }, (403, "SignatureDoesNotMatch")),
        (QueryAsk { at_s: ask.at_s + 1_000, ..ask.clone() }, (403, "SignatureDoesNotMatch")),
    ] {
        let answer = server.send(&defective).await;
        assert_eq!(answer.error(), expected, "{answer:?}");
    }
    let wire = String::from_utf8(ask.wire()).unwrap();
    for (from, to, expected) in [
        ("2011-06-15", "2011-06-16", "SignatureDoesNotMatch"),
        ("\r\n\r\n", "\r\nx-amz-meta-unsigned: x\r\n\r\n", "IncompleteSignature"),
        ("SignedHeaders=content-type;host;", "SignedHeaders=content-type;", "IncompleteSignature"),
        ("Signature=", "Nothing=", "IncompleteSignature"),
    ] {
        assert!(wire.contains(from), "{from} in {wire}");
        let answer = wire::exchange(server.listener.address, wire.replace(from, to).as_bytes()).await;
        assert_eq!(answer.between("<Code>", "</Code>"), expected, "{to}: {answer:?}");
    }
}

#[tokio::test]
async fn requests_go_to_the_face_of_their_signature() {
    let server = IamServer::new().await;
    let head = |method: &str, target: &str, name: &str, value: &str| {
        http::Request::builder().method(method).uri(target).header(name, value).body(()).unwrap().into_parts().0
    };
    let signed = |service: &str| {
        format!(
            "AWS4-HMAC-SHA256 Credential=A/20130524/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
        )
    };
    for (head, expected) in [
        (head("POST", "/", "authorization", &signed("iam")), true),
        (head("GET", "/?Action=GetCallerIdentity", "authorization", &signed("sts")), true),
        (head("GET", "/", "authorization", &signed("s3")), false),
        (head("POST", "/", "authorization", "AWS A:sig"), false),
        (head("POST", "/bucket", "authorization", &signed("iam")), false),
        (head("GET", "/?X-Amz-Credential=A%2F20130524%2Fx%2Fsts%2Faws4_request", "x", "y"), true),
        (head("GET", "/?X-Amz-Credential=A%2F20130524%2Fx%2Fs3%2Faws4_request", "x", "y"), false),
        (head("POST", "/", "content-type", "application/x-www-form-urlencoded; charset=utf-8"), true),
        (head("POST", "/", "content-type", "multipart/form-data; boundary=x"), false),
        (head("GET", "/?Action=AssumeRoleWithWebIdentity", "x", "y"), true),
        (head("GET", "/", "x", "y"), false),
    ] {
        assert_eq!(is_meant(&head), expected, "{head:?}");
    }
    let listed = wire::exchange(server.listener.address, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(listed.header("x-amz-request-id").is_some(), "S3 answers: {listed:?}");
}

#[tokio::test]
async fn an_unknown_action_is_told_from_one_that_is_not_served() {
    let server = IamServer::new().await;
    let mut nothing = server.ask("iam", "");
    nothing.form.clear();
    for (ask, expected) in [
        (server.ask("iam", "NoSuchThing"), (400, "InvalidAction")),
        (server.ask("iam", "GetCallerIdentity"), (400, "InvalidAction")),
        (server.ask("sts", "ListUsers"), (400, "InvalidAction")),
        (server.ask("iam", "ListUsers").with("Version", "2011-06-15"), (400, "InvalidAction")),
        (server.ask("iam", "CreateLoginProfile"), (501, "NotImplemented")),
        (server.ask("sts", "AssumeRoleWithSAML"), (501, "NotImplemented")),
        (nothing, (400, "MissingAction")),
        (server.ask("iam", "ListUsers").with("Action", "ListUsers"), (400, "MalformedQueryString")),
        (server.ask("iam", "ListUsers").with("MaxItems", "0"), (400, "ValidationError")),
        (server.ask("iam", "CreateUser"), (400, "ValidationError")),
        (server.ask("iam", "CreateUser").with("UserName", &"x".repeat(200_000)), (413, "RequestEntityTooLarge")),
    ] {
        let answer = server.send(&ask).await;
        assert_eq!(answer.error(), expected, "{:?}: {answer:?}", ask.form.first());
        let of = format!("https://{}.amazonaws.com/doc/", ask.service);
        assert!(expected.0 == 413 || ask.form.len() > 1 || answer.text().contains(&of), "{answer:?}");
    }
    let unsigned = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    for (form, expected) in [
        ("Action=ListUsers", (403, "MissingAuthenticationToken")),
        ("Action=GetCallerIdentity", (403, "MissingAuthenticationToken")),
        ("Action=AssumeRoleWithWebIdentity", (501, "NotImplemented")),
    ] {
        let wire = format!("{unsigned}content-length: {}\r\n\r\n{form}", form.len());
        let answer = wire::exchange(server.listener.address, wire.as_bytes()).await;
        assert_eq!(answer.error(), expected, "{form}: {answer:?}");
    }
}

#[tokio::test]
async fn a_session_signs_for_both_faces_and_not_for_iam_if_it_is_a_users() {
    let server = IamServer::new().await;
    let credential = server.world.identity.credential(&server.world.owner.access_key).await.unwrap().unwrap();
    let new = NewSession { of: SessionOf::Own, policies: None, tags: Vec::new(), lifetime_s: 900 };
    let session = server.world.identity.issue_session(&credential, new).ok().unwrap();
    let secret = String::from_utf8(session.key.secret.expose().to_vec()).unwrap();
    let keys = Keys { access_key: session.key.access_key.to_string(), secret };
    let with_token = |ask: QueryAsk| QueryAsk { token: Some(session.token.to_string()), ..ask.of(&keys) };
    let who = server.send(&with_token(server.ask("sts", "GetCallerIdentity"))).await;
    assert_eq!(who.between("<Arn>", "</Arn>"), server.account().await.arn("user", "/", "user"), "{who:?}");
    for (service, action, expected) in [
        ("iam", "ListUsers", (403, "InvalidClientTokenId")),
        ("sts", "GetSessionToken", (403, "AccessDenied")),
        ("sts", "GetFederationToken", (403, "AccessDenied")),
    ] {
        let answer = server.send(&with_token(server.ask(service, action))).await;
        assert_eq!(answer.error(), expected, "{action}: {answer:?}");
    }
    let without = server.send(&server.ask("sts", "GetCallerIdentity").of(&keys)).await;
    assert_eq!(without.error(), (403, "InvalidClientTokenId"));
}
