//! Users of an identity provider, whose tokens are all that they have, take a role.

use std::sync::Arc;

use super::*;
use crate::identity::oidc::tests::CLAIMS;
use crate::identity::oidc::tests::provider::{Fixture, ISSUER, PAIRS};

/// AssumeRoleWithWebIdentity, which nobody signs.
async fn take_role(server: &IamServer, role: &str, token: &str) -> Answer {
    let ask = server
        .ask("sts", "AssumeRoleWithWebIdentity")
        .with("RoleArn", role)
        .with("RoleSessionName", "web")
        .with("WebIdentityToken", token);
    let body = ask.encoded();
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    let wire = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    wire::exchange(server.listener.address, wire.as_bytes()).await
}

/// A trust policy for users of the provider with this `sub`.
fn trust(number: &str, subject: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity",
        "Principal":{{"Federated":"arn:aws:iam::{number}:oidc-provider/idp.example"}},
        "Condition":{{"StringEquals":{{"idp.example:sub":"{subject}","idp.example:aud":"client-1"}}}}}}]}}"#
    )
}

#[tokio::test]
async fn a_user_of_a_provider_takes_the_role_that_trusts_it() {
    let Fixture { verifier, web, .. } = Fixture::new();
    let mut world = World::new().await;
    world.identity = world.identity.with_verifier(Arc::new(verifier));
    let server = IamServer::of(world).await;
    let number = server.account().await.number;
    let role = |name: &str| format!("arn:aws:iam::{number}:role/{name}");
    let token = PAIRS.token("RS256", CLAIMS);
    // Nobody trusts the provider yet.
    assert_eq!(take_role(&server, &role("mine"), &token).await.error(), (400, "InvalidIdentityToken"));

    let provider = server.ask("iam", "CreateOpenIDConnectProvider").with("Url", ISSUER);
    assert_eq!(server.send(&provider.with("ClientIDList.member.1", "client-1")).await.status, 200);
    for (name, subject) in [("mine", "user-1"), ("others", "user-2")] {
        let made = server.ask("iam", "CreateRole").with("RoleName", name);
        let made = made.with("AssumeRolePolicyDocument", &trust(&number, subject));
        assert_eq!(server.send(&made).await.status, 200);
    }
    let taken = take_role(&server, &role("mine"), &token).await;
    assert_eq!(taken.status, 200, "{taken:?}");
    assert_eq!(taken.between("<SubjectFromWebIdentityToken>", "</"), "user-1");
    assert_eq!(taken.between("<Audience>", "</"), "client-1");
    let keys = Keys {
        access_key: taken.between("<AccessKeyId>", "</").to_owned(),
        secret: taken.between("<SecretAccessKey>", "</").to_owned(),
    };
    let mut who = server.ask("sts", "GetCallerIdentity").of(&keys);
    who.token = Some(taken.between("<SessionToken>", "</").to_owned());
    let who = server.send(&who).await;
    assert_eq!(who.between("<Arn>", "</"), format!("arn:aws:sts::{number}:assumed-role/mine/web"), "{who:?}");

    assert_eq!(take_role(&server, &role("others"), &token).await.error(), (403, "AccessDenied"));
    assert_eq!(take_role(&server, &role("nowhere"), &token).await.error(), (403, "AccessDenied"));
    for (claims, expected) in [
        (CLAIMS.replace("client-1", "client-9"), (400, "InvalidIdentityToken")),
        (CLAIMS.replace("1800000600", "1700000600"), (400, "ExpiredTokenException")),
        (CLAIMS.replace("https://idp.example", "https://idp.example.org"), (400, "InvalidIdentityToken")),
    ] {
        let answer = take_role(&server, &role("mine"), &PAIRS.token("RS256", &claims)).await;
        assert_eq!(answer.error(), expected, "{claims}");
    }
    // Names that are the provider's but for slashes have nobody ask it.
    let asked = web.fetches();
    for slashes in 2..5 {
        let claims = CLAIMS.replace(ISSUER, &format!("{ISSUER}{}", "/".repeat(slashes)));
        let answer = take_role(&server, &role("mine"), &PAIRS.token("RS256", &claims)).await;
        assert_eq!(answer.error(), (400, "InvalidIdentityToken"), "{claims}");
    }
    assert_eq!(web.fetches(), asked);
    let mut forged = token.into_bytes();
    let at = forged.len() - 9;
    forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
    let forged = take_role(&server, &role("mine"), std::str::from_utf8(&forged).unwrap()).await;
    assert_eq!(forged.error(), (400, "InvalidIdentityToken"));
}

/// A denial names a provider as its ARN does, however its address is written.
#[tokio::test]
async fn a_denied_provider_is_denied_with_a_slash_at_its_end() {
    let server = IamServer::new().await;
    let (account, keys) = (server.account().await, server.user("ann").await);
    let denied = account.arn("oidc-provider", "/", "idp.example");
    let document = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"iam:*","Resource":"*"}},
        {{"Effect":"Deny","Action":"iam:CreateOpenIDConnectProvider","Resource":"{denied}"}}]}}"#
    );
    let identity = &server.world.identity;
    identity.put_inline_policy(&account, PolicyTarget::User("ann"), "own", document.into()).await.unwrap();
    for (url, expected) in [
        ("https://idp.example", (403, "AccessDenied")),
        ("https://idp.example/", (403, "AccessDenied")),
        ("https://idp.example//", (400, "ValidationError")),
        ("https://other.example/", (200, "")),
    ] {
        let made = server.ask("iam", "CreateOpenIDConnectProvider").with("Url", url).of(&keys);
        assert_eq!(server.send(&made).await.error(), expected, "{url}");
    }
}
