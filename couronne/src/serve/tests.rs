//! A server's parts under a clock that leaps, and the admin API over them.

use std::sync::Arc;
use std::time::Duration;

use couronne_admin::endpoints as at;
use couronne_base::testing;
use couronne_cluster::Role;
use couronne_protocol::net::Tls;
use tokio::sync::watch;

use super::*;
use crate::admin::commands::find_server;
use crate::cli::ServerArguments;
use crate::folder::Member;

/// Starts the node once the last of the one before has let go of its files.
async fn start_again(folder: &Arc<DataFolder>, settings: &Settings, env: &Env) -> Lone {
    for _ in 0..100 {
        match Lone::start(Arc::clone(folder), settings, env).await {
            Ok(lone) => return lone,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    panic!("the drives are never let go of");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_confirms_the_clock_after_a_leap() {
    let folder = tempfile::tempdir().unwrap();
    let (env, clock) = testing::env(1);
    let mut settings = Settings::default();
    settings.data.folders = vec![folder.path().to_owned()];
    let data = Arc::new(DataFolder::open(&settings.data).unwrap());
    let Lone { node, is_new, .. } = Lone::start(Arc::clone(&data), &settings, &env).await.unwrap();
    assert!(is_new);
    // Notes the time.
    node.confirm_clock().await;
    node.shutdown().await;
    drop(node);
    clock.leap_ms(8 * 86_400_000);

    let Lone { node, secrets, is_new, .. } = start_again(&data, &settings, &env).await;
    assert!(!is_new);
    let gateway = gateway_of(&node, &secrets, &settings, &env).unwrap();
    let (listener, address) = listen("127.0.0.1:0".parse().unwrap(), "a test").await.unwrap();
    let own = Arc::new(StatusSource::new(Arc::clone(&node), env, address));
    let actions = Arc::new(AdminActions { node: Arc::clone(&node), folders: Vec::new() });
    let api = api(&secrets, &gateway, own, actions);
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(couronne_admin::server::serve(listener, api, stopped));

    let client = |token: &str| {
        let (admin_address, admin_token) = (Some(address), Some(token.parse().unwrap()));
        find_server(&ServerArguments { data: None, admin_address, admin_token }).unwrap()
    };
    let stranger = client("wrong").call(at::ConfirmClock {}).await;
    assert!(stranger.is_err(), "not without the token");
    let client = client(&secrets.admin_token);
    let status = client.call(at::GetStatus {}).await.unwrap();
    let why = status.halted.unwrap();
    assert!(why.contains("8 days ahead"), "{why}");
    let confirmed = client.call(at::ConfirmClock {}).await.unwrap();
    assert_eq!(confirmed.halted, Some(why));
    let status = client.call(at::GetStatus {}).await.unwrap();
    assert_eq!((status.halted, status.background["halted"]), (None, 0));
    let again = client.call(at::ConfirmClock {}).await.unwrap();
    assert_eq!(again.halted, None);
    stop.send_replace(true);
    serving.await.unwrap();
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_server_renews_a_certificate_that_has_run_out() {
    let home = tempfile::tempdir().unwrap();
    let (env, clock) = testing::env(2);
    let mut settings = Settings::default();
    settings.data.folders = vec![home.path().to_owned()];
    let folder = Arc::new(DataFolder::open(&settings.data).unwrap());
    let lone = Lone::start(Arc::clone(&folder), &settings, &env).await.unwrap();
    let first = folder.member(Role::StorageNode).unwrap();
    assert_eq!((lone.node.id(), lone.node.map().cluster), (first.node, first.membership.cluster));
    lone.node.shutdown().await;
    drop(lone);
    let serves = |member: &Member| {
        let (authority, certificate) = (&member.membership.authority, &member.membership.certificate);
        Tls::new(Arc::clone(&env.clock), authority, certificate, &member.key).is_ok()
    };
    assert!(serves(&first));
    clock.leap_ms(100 * 86_400_000);
    assert!(!serves(&first));
    let lone = start_again(&folder, &settings, &env).await;
    let second = folder.member(Role::StorageNode).unwrap();
    assert!(serves(&second) && second.node == first.node);
    lone.node.shutdown().await;
}
