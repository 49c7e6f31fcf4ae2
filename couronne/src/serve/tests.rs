//! A server's parts under a clock that leaps, and the admin API over them.

use std::sync::Arc;
use std::time::Duration;

use couronne_admin::endpoints as at;
use couronne_base::testing;
use tokio::sync::watch;

use super::*;
use crate::admin::commands::find_server;
use crate::cli::ServerArguments;

/// Starts the node once the last of the one before has let go of its files.
async fn start_again(data: &DataFolder, settings: &Settings, env: &Env) -> Arc<LocalNode> {
    for _ in 0..100 {
        match parts::node(&data.cluster, settings, env).await {
            Ok(node) => return node,
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
    let data = DataFolder::open(&settings.data, &env).unwrap();
    let node = parts::node(&data.cluster, &settings, &env).await.unwrap();
    // Notes the time.
    node.confirm_clock().await;
    node.shutdown().await;
    drop(node);
    clock.leap_ms(8 * 86_400_000);

    let node = start_again(&data, &settings, &env).await;
    let gateway = lone_gateway(&data, &settings, &node, &env).unwrap();
    let (listener, address) = listen("127.0.0.1:0".parse().unwrap(), "a test").await.unwrap();
    let api = lone_api(&data, &gateway, &node, env, address);
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(couronne_admin::server::serve(listener, api, stopped));

    let client = |token: &str| {
        let (admin_address, admin_token) = (Some(address), Some(token.to_owned()));
        find_server(&ServerArguments { data: None, admin_address, admin_token }).unwrap()
    };
    let stranger = client("wrong").call(at::ConfirmClock {}).await;
    assert!(stranger.is_err(), "not without the token");
    let client = client(&data.admin_token);
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
