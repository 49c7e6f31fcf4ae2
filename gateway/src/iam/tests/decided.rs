//! Every operation is decided by its action on its resource, whether that is there or not.

use super::*;
use crate::iam::operation::Operation;
use crate::iam::target::On;

/// A call of an operation with all parameters that any has; names end so.
fn full(server: &IamServer, number: &str, operation: Operation, name: &str) -> QueryAsk {
    let named = |kind: &str| format!("arn:aws:iam::{number}:{kind}/{name}");
    let mut ask = server.ask(operation.service().name(), operation.name());
    let document = if operation.name().contains("AssumeRole") { TRUST_ALL } else { ALLOW_ALL };
    for (parameter, value) in [
        ("UserName", name),
        ("GroupName", name),
        ("RoleName", name),
        ("PolicyName", name),
        ("PolicyArn", &*named("policy")),
        ("PolicyDocument", document),
        ("AssumeRolePolicyDocument", TRUST_ALL),
        ("AccessKeyId", "AKIANOTHING"),
        ("Status", "Active"),
        ("VersionId", "v1"),
        ("PermissionsBoundary", ADMINISTRATOR_ACCESS),
        ("OpenIDConnectProviderArn", &*named("oidc-provider")),
        ("Url", &*format!("https://{name}")),
        ("ClientID", "x"),
        ("Description", "x"),
        ("NewPath", "/new/"),
    ] {
        ask = ask.with(parameter, value);
    }
    ask
}

#[tokio::test]
async fn nobody_does_anything_that_no_policy_allows() {
    let server = IamServer::new().await;
    let account = server.account().await;
    let keys = server.user("there").await;
    let identity = &server.world.identity;
    identity.create_group(&account, "there", "/").await.unwrap();
    let arn = account.arn("user", "/", "there");
    let decided = Operation::ALL.iter().filter(|operation| operation.on() != On::Itself);
    for operation in decided {
        for name in ["there", "nowhere"] {
            let answer = server.send(&full(&server, &account.number, *operation, name).of(&keys)).await;
            assert_eq!(answer.error(), (403, "AccessDenied"), "{operation:?} {name}: {answer:?}");
            let message = answer.between("<Message>", "</Message>");
            let sentence = format!("User: {arn} is not authorized to perform: {} on resource: ", operation.action());
            let rest = message.strip_prefix(&sentence).unwrap_or_else(|| panic!("{operation:?}: {message}"));
            assert!(rest == "*" || rest.starts_with(&format!("arn:aws:iam::{}:", account.number)), "{message}");
        }
    }
    let users = identity.list_users(&account, "/", "", 10).await.unwrap().entries;
    assert_eq!(users.iter().map(|user| &*user.row.name).collect::<Vec<_>>(), ["there", "user"], "nothing was done");
}

#[tokio::test]
async fn each_operation_is_allowed_by_its_own_action_on_its_resource() {
    let server = IamServer::new().await;
    let account = server.account().await;
    let keys = server.user("caller").await;
    let identity = &server.world.identity;
    let of_caller = PolicyTarget::User("caller");
    for operation in Operation::ALL.iter().filter(|operation| operation.on() != On::Itself) {
        let resource = match operation.on() {
            On::Account | On::Key => "*".to_owned(),
            On::User | On::NewUser => account.arn("user", "/", "nowhere"),
            On::Users => account.arn("user", "/", ""),
            On::Group | On::NewGroup => account.arn("group", "/", "nowhere"),
            On::Groups => account.arn("group", "/", ""),
            On::Role | On::NewRole => account.arn("role", "/", "nowhere"),
            On::Roles => account.arn("role", "/", ""),
            On::Policy | On::NewPolicy => account.arn("policy", "/", "nowhere"),
            On::Policies => account.arn("policy", "/", ""),
            On::Provider | On::NewProvider => account.arn("oidc-provider", "/", "nowhere"),
            On::Providers => account.arn("oidc-provider", "/", ""),
            On::Itself => continue,
        };
        let allow = |action: &str, resource: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}]}}"#
            )
        };
        let ask = full(&server, &account.number, *operation, "nowhere").of(&keys);
        if resource != "*" {
            let elsewhere = allow(operation.action(), &format!("{resource}x"));
            identity.put_inline_policy(&account, of_caller, "p", elsewhere.into()).await.unwrap();
            assert_eq!(server.send(&ask).await.error(), (403, "AccessDenied"), "{operation:?}");
        }
        let here = allow(operation.action(), &resource);
        identity.put_inline_policy(&account, of_caller, "p", here.into()).await.unwrap();
        let answer = server.send(&ask).await;
        assert_ne!(answer.error().0, 403, "{operation:?}: {answer:?}");
        if answer.status == 200 {
            undo(&server, &account, operation.on()).await;
        }
    }
}

/// Takes away what a call made, so that the next finds nothing.
async fn undo(server: &IamServer, account: &Account, on: On) {
    use crate::identity::Deletion;
    let identity = &server.world.identity;
    match on {
        On::NewUser => identity.delete_user(account, "nowhere", Deletion::WithAll).await.unwrap(),
        On::NewGroup => identity.delete_group(account, "nowhere", Deletion::WithAll).await.unwrap(),
        On::NewRole => identity.delete_role(account, "nowhere", Deletion::WithAll).await.unwrap(),
        On::NewPolicy => {
            identity.delete_policy(account, &account.arn("policy", "/", "nowhere"), Deletion::WithAll).await.unwrap();
        }
        On::NewProvider => identity.delete_oidc_provider(account, "nowhere").await.unwrap(),
        _ => {}
    }
}

#[tokio::test]
async fn a_policy_counts_on_the_path_tags_and_boundary_of_what_it_is_on() {
    let server = IamServer::new().await;
    let account = server.account().await;
    let keys = server.user("caller").await;
    let identity = &server.world.identity;
    let mut new = NewUser::of_name("ada");
    (new.path, new.tags) = ("/staff/".into(), vec![crate::identity::Tag { key: "team".into(), value: "blue".into() }]);
    identity.create_user(&account, new).await.unwrap();
    let get = server.ask("iam", "GetUser").with("UserName", "ada").of(&keys);
    let shouted = server.ask("iam", "GetUser").with("UserName", "ADA").of(&keys);
    let attach =
        server.ask("iam", "AttachUserPolicy").with("UserName", "ada").with("PolicyArn", ADMINISTRATOR_ACCESS).of(&keys);
    for (ask, statement, expected) in [
        (&get, r#""Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/staff/*""#, 200),
        (&get, r#""Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/ada""#, 403),
        // Found in any case, it is the user of its own name.
        (&shouted, r#""Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/staff/ada""#, 200),
        (&shouted, r#""Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/*ADA""#, 403),
        (&get, r#""Action":"iam:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"blue"}}"#, 200),
        (&get, r#""Action":"iam:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"red"}}"#, 403),
        (
            &attach,
            r#""Action":"iam:*","Resource":"*","Condition":{"ArnEquals":{"iam:PolicyARN":"arn:aws:iam::aws:policy/ReadOnlyAccess"}}"#,
            403,
        ),
        (
            &attach,
            r#""Action":"iam:*","Resource":"*","Condition":{"ArnEquals":{"iam:PolicyARN":"arn:aws:iam::aws:policy/AdministratorAccess"}}"#,
            200,
        ),
    ] {
        let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow",{statement}}}]}}"#);
        identity.put_inline_policy(&account, PolicyTarget::User("caller"), "p", policy.into()).await.unwrap();
        let answer = server.send(ask).await;
        assert_eq!(answer.status, expected, "{statement}: {answer:?}");
    }
    // Another account's user of the name is out of reach, whatever policies say.
    let other = server.send(&server.ask("iam", "GetUser").with("UserName", "ada").of(&server.world.other)).await;
    assert_eq!(other.error(), (404, "NoSuchEntity"));
}
