//! A server's parts under a clock that leaps, and the admin API over them; starts on folders that lost something, or that
//! are refused.

#![allow(clippy::disallowed_methods, reason = "the tests look at the files, and take some away")]

mod damage;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use std::sync::Arc;
use std::time::Duration;

use couronne_admin::endpoints as at;
use couronne_admin::server::reading_token;
use couronne_admin::types::{ApiError, ErrorCode};
use couronne_base::testing;
use couronne_cluster::Role;
use couronne_protocol::net::Tls;
use couronne_storage_node::disk::Disk;
use couronne_storage_node::disk::files::FileDisk;
use couronne_storage_node::drives::Identity;
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::*;
use crate::admin::commands::find_server;
use crate::admin::messages::{GivenOrder, Order};
use crate::cli::ServerArguments;
use crate::cluster::founding::{Plan, found};
use crate::folder::credentials::Credentials;
use crate::folder::operator_secrets_of;
use crate::folder::secrets::Secrets;
use crate::folder::{Member, MemberFile};

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
    settings.data = settings.data.with_test_key();
    let data = Arc::new(DataFolder::open(&settings.data).unwrap());
    let Lone { node, is_new, .. } = Lone::start(Arc::clone(&data), &settings, &env).await.unwrap();
    assert!(is_new);
    // Notes the time.
    node.confirm_clock().await.unwrap();
    node.shutdown().await;
    drop(node);
    clock.leap_ms(8 * 86_400_000);

    let Lone { node, secrets, is_new, .. } = start_again(&data, &settings, &env).await;
    assert!(!is_new);
    let (gateway, _audit) = gateway_of(&node, &secrets.shared(), &settings, &env).unwrap();
    let (listener, address) = listen("127.0.0.1:0".parse().unwrap(), "a test").await.unwrap();
    let operators = Operators::new(&node, &data, Vec::new(), StatusSource::new(Arc::clone(&node), env, address));
    let api = operators.open(&data, &secrets, &gateway).unwrap();
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(couronne_admin::server::serve(listener, api, None, stopped));

    let client = |token: &str| {
        let (admin_address, admin_token) = (Some(address.to_string().parse().unwrap()), Some(token.parse().unwrap()));
        find_server(&ServerArguments { admin_address, admin_token, ..ServerArguments::default() }).unwrap()
    };
    let refused = client("wrong").call(at::ConfirmClock {}).await;
    assert!(refused.is_err(), "not without the token");
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

/// Whichever process passes an order on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_order_is_carried_out_without_the_operators_token() {
    let folder = tempfile::tempdir().unwrap();
    let env = env::system();
    let mut settings = Settings::default();
    settings.data.folders = vec![folder.path().to_owned()];
    settings.data = settings.data.with_test_key();
    let data = Arc::new(DataFolder::open(&settings.data).unwrap());
    let Lone { node, secrets, .. } = Lone::start(Arc::clone(&data), &settings, &env).await.unwrap();
    let (gateway, _audit) = gateway_of(&node, &secrets.shared(), &settings, &env).unwrap();
    let status = StatusSource::new(Arc::clone(&node), env, settings.s3.listen);
    let operators = Operators::new(&node, &data, Vec::new(), status);
    let given = async |order: &Order, token: &str| {
        let (order, actor) = (order.clone(), "the admin token at 127.0.0.1:1".to_owned());
        operators.actions.carry_out(GivenOrder { order, actor, token: Zeroizing::new(token.to_owned()) }).await
    };
    let (admin, reading) = (secrets.admin_token.clone(), reading_token(&secrets.admin_token));
    let digest = secrets.shared().admin_token_digest;
    let forbidden = |outcome: Result<String, ApiError>| outcome.err().map(|error| error.code);
    assert_eq!(forbidden(given(&Order::StartScrub, &admin).await), Some(ErrorCode::Forbidden), "none is known yet");
    let _api = operators.open(&data, &secrets, &gateway).unwrap();
    let wipe = Order::ReplaceDrive { drive: "0".repeat(32), force: true };
    for order in [Order::StartScrub, wipe, Order::ExpelNode { node: "0".repeat(32), force: true }] {
        for token in ["", "guess", &reading, &digest] {
            assert_eq!(forbidden(given(&order, token).await), Some(ErrorCode::Forbidden), "{order:?}");
        }
        assert_ne!(forbidden(given(&order, &admin).await), Some(ErrorCode::Forbidden), "{order:?}");
    }
    assert_eq!(given(&Order::ListTokens, &reading).await, Ok("[]".to_owned()), "it changes nothing");
    assert_eq!(forbidden(given(&Order::ListTokens, "guess").await), Some(ErrorCode::Forbidden));
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_server_renews_a_certificate_that_has_run_out() {
    let home = tempfile::tempdir().unwrap();
    let (env, clock) = testing::env(2);
    let mut settings = Settings::default();
    settings.data.folders = vec![home.path().to_owned()];
    settings.data = settings.data.with_test_key();
    let folder = Arc::new(DataFolder::open(&settings.data).unwrap());
    let lone = Lone::start(Arc::clone(&folder), &settings, &env).await.unwrap();
    let first = folder.member(Role::StorageNode).unwrap();
    assert_eq!((lone.node.id(), lone.node.map().cluster), (first.node, first.membership.cluster));
    lone.node.shutdown().await;
    drop(lone);
    let serves = |member: &Member| {
        let (authority, certificate) = (&member.membership.authority, &member.membership.certificate);
        let tls = Tls::new(Arc::clone(&env.clock), authority, certificate, &member.key);
        tls.is_ok_and(|tls| tls.serves_at(env.clock.wall_ms()))
    };
    assert!(serves(&first));
    clock.leap_ms(100 * 86_400_000);
    assert!(!serves(&first));
    let lone = start_again(&folder, &settings, &env).await;
    let second = folder.member(Role::StorageNode).unwrap();
    assert!(serves(&second) && second.node == first.node);
    lone.node.shutdown().await;
}

/// It may become a cluster's first node, and then shows its certificate to others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_server_changes_its_certificate_authority() {
    let home = tempfile::tempdir().unwrap();
    let (env, settings) = (env::system(), settings_of(&[home.path()], None));
    let lone = start(&settings, &env).await.unwrap();
    let first = lone.folder.member(Role::StorageNode).unwrap();
    let map = || lone.node.map();
    assert!(map().authorities.trusted[&1] == first.membership.authority);
    lone.node.rotate_authority().await.unwrap();
    for _ in 0..200 {
        if !map().authorities.is_rotating() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let second = lone.folder.member(Role::StorageNode).unwrap();
    let MemberFile { authority, certificate, .. } = &second.membership;
    assert!(*authority != first.membership.authority && second.key.as_pkcs8() == first.key.as_pkcs8());
    assert!(map().authorities.signing_certificate().is_some_and(|signing| signing == authority));
    assert_eq!((map().authorities.signing, map().authorities.trusted.len()), (2, 1));
    Tls::new(Arc::clone(&env.clock), authority, certificate, &second.key).unwrap();
    lone.node.shutdown().await;
}

/// The settings of a server on these data folders.
fn settings_of(folders: &[&Path], drives: Option<u16>) -> Settings {
    let mut settings = Settings::default();
    settings.data.folders = folders.iter().map(|folder| folder.to_path_buf()).collect();
    settings.data.drives = drives;
    settings.data = settings.data.with_test_key();
    settings
}

/// One run of a process: with its end all that it had under way ends, and the data folders are let go of.
fn in_a_process<T>(process: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(process)
}

/// Opens the data folders and starts on them, as often as the drives are still held by the server that had them.
async fn start(settings: &Settings, env: &Env) -> Result<Lone, ServeError> {
    let folder = Arc::new(DataFolder::open(&settings.data)?);
    for _ in 0..100 {
        let held = |error: &ServeError| error.to_string().contains("in use by another process");
        let held_too = |error: &ServeError| error.to_string().contains("lock hold by current process");
        match Lone::start(Arc::clone(&folder), settings, env).await {
            Err(error) if held(&error) || held_too(&error) => tokio::time::sleep(Duration::from_millis(50)).await,
            started => return started,
        }
    }
    panic!("the drives are never let go of");
}

/// Starts on data folders, and stops; the server as it was.
fn run_once(settings: &Settings, env: &Env) -> (Member, Secrets, bool) {
    in_a_process(async {
        let lone = start(settings, env).await.unwrap();
        let member = lone.folder.member(Role::StorageNode).unwrap();
        lone.node.shutdown().await;
        (member, lone.secrets, lone.is_new)
    })
}

/// Why a start on data folders is refused.
fn refused(settings: &Settings, env: &Env) -> String {
    in_a_process(async { start(settings, env).await.err().unwrap().to_string() })
}

/// Everything below a folder: paths, and the bytes of control files. Locks count for nothing.
fn everything(folder: &Path) -> BTreeSet<(PathBuf, Vec<u8>)> {
    let (mut found, mut left) = (BTreeSet::new(), vec![folder.to_owned()]);
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let is_control = path.extension().is_some_and(|extension| extension == "toml" || extension == "token");
            let bytes = if is_control { std::fs::read(&path).unwrap_or_default() } else { Vec::new() };
            if path.is_dir() {
                left.push(path.clone());
            }
            if !path.ends_with("lock") && !path.components().any(|part| part.as_os_str() == "stores") {
                found.insert((path, bytes));
            }
        }
    }
    found
}

#[test]
fn a_lone_server_without_its_identity_is_made_again_from_its_drives() {
    let (one, two, three) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let env = env::system();
    for (folders, drives) in [([one.path()].as_slice(), Some(3)), (&[two.path(), three.path()], None)] {
        let (first, secrets, _) = run_once(&settings_of(folders, drives), &env);
        // What a start that was refused may have left: an identity and a founding of nobody.
        for left in [false, true] {
            for folder in folders {
                std::fs::remove_file(folder.join("identity.toml")).unwrap();
            }
            if left {
                let folder = DataFolder::open(&settings_of(folders, None).data).unwrap();
                folder.keep_identity(&folder.identity_or_new().unwrap()).unwrap();
                folder.keep_founding(&folder.founding_or_new(&env).unwrap()).unwrap();
            }
            // How many drives there are is what the drives say.
            let (again, kept, is_new) = run_once(&settings_of(folders, None), &env);
            assert!(!is_new && kept.text() == secrets.text());
            assert!(!folders.iter().any(|folder| folder.join("founding.toml").exists()));
            assert_eq!(again.node, first.node);
            assert_ne!(again.key.as_pkcs8(), first.key.as_pkcs8());
            let (then, now) = (&first.membership, &again.membership);
            assert_eq!((then.cluster, then.drives, then.data_folders), (now.cluster, now.drives, now.data_folders));
            assert!(then.authority == now.authority && then.certificate != now.certificate);
            Tls::new(Arc::clone(&env.clock), &now.authority, &now.certificate, &again.key).unwrap();
        }
    }
}

#[test]
fn a_start_that_is_refused_makes_and_writes_nothing() {
    let env = env::system();
    let (alone, one, two, new) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    run_once(&settings_of(&[alone.path()], Some(2)), &env);
    run_once(&settings_of(&[one.path(), two.path()], None), &env);
    std::fs::write(new.path().join("drive-02"), "no folder").unwrap();
    let check = |folders: &[&Path], drives: Option<u16>, why: &str| {
        let before: Vec<_> = folders.iter().map(|folder| everything(folder)).collect();
        let error = refused(&settings_of(folders, drives), &env);
        assert!(error.contains(why) && !error.contains("empty"), "{error}");
        let after: Vec<_> = folders.iter().map(|folder| everything(folder)).collect();
        assert_eq!(before, after, "{error}");
    };
    check(&[one.path()], None, "2 data folders");
    check(&[one.path()], Some(2), "2 data folders");
    check(&[alone.path(), new.path()], None, "1 data folders");
    check(&[new.path()], Some(3), "no folder");

    // Without their identities the drives say whose they are.
    for folder in [alone.path(), one.path(), two.path()] {
        std::fs::remove_file(folder.join("identity.toml")).unwrap();
    }
    check(&[one.path()], None, "--data");
    check(&[one.path()], Some(2), "--data");
    check(&[alone.path()], Some(5), "2 drives");
    check(&[alone.path(), two.path()], None, "different clusters");

    // All drives of a lone server are gone: its disks may not be mounted, and nobody has the map.
    let lost = tempfile::tempdir().unwrap();
    run_once(&settings_of(&[lost.path()], None), &env);
    std::fs::remove_dir_all(lost.path().join("drive-01")).unwrap();
    let before = everything(lost.path());
    let error = refused(&settings_of(&[lost.path()], None), &env);
    assert!(error.contains("are its drives mounted"), "{error}");
    assert_eq!(before, everything(lost.path()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_of_a_cluster_without_its_identity_is_told_to_put_it_back() {
    let home = tempfile::tempdir().unwrap();
    let env = env::system();
    let settings = settings_of(&[home.path()], Some(2));
    let folder = DataFolder::open(&settings.data).unwrap();
    let place = settings.place("127.0.0.1:1".to_owned());
    let plan = Plan { redundancy: "replicated:2".parse().unwrap(), nodes: 2, place };
    drop(found(&folder, &settings, plan, &env).await.unwrap());
    drop(folder);
    // The drives were started once.
    for number in [1, 2] {
        let path = home.path().join(format!("drive-0{number}/drive"));
        let disk: Arc<dyn Disk> = Arc::new(FileDisk::open(path.parent().unwrap()).await.unwrap());
        let cluster = Identity::read(&disk).await.unwrap().cluster;
        Identity::boot(&disk, cluster).await.unwrap();
    }
    std::fs::remove_file(home.path().join("identity.toml")).unwrap();
    let before = everything(home.path());
    let lone = start(&settings, &env).await.err().unwrap().to_string();
    let node = run_storage_node_once(&settings).await;
    let plan = Plan { redundancy: "single".parse().unwrap(), nodes: 1, place: settings.place(String::new()) };
    let folder = DataFolder::open(&settings.data).unwrap();
    let founding = found(&folder, &settings, plan, &env).await.err().unwrap().to_string();
    for said in [lone, node, founding] {
        let (back, emptied) =
            (said.find("put the identity.toml of that node back").unwrap(), said.find("empty").unwrap());
        assert!(back < emptied && said.contains("join as a new member"), "{said}");
    }
    assert_eq!(before, everything(home.path()));
}

/// What a storage node says that is refused.
async fn run_storage_node_once(settings: &Settings) -> String {
    storage_node::serve(settings.clone()).await.err().unwrap().to_string()
}

#[test]
fn only_the_environment_changes_the_root_credentials() {
    let home = tempfile::tempdir().unwrap();
    let (env, settings) = (env::system(), settings_of(&[home.path()], None));
    let (_, first, _) = run_once(&settings, &env);
    let shown = || operator_secrets_of(&settings.data).unwrap().root;
    std::fs::remove_file(home.path().join("operator.toml")).unwrap();
    in_a_process(async {
        let lone = start(&settings, &env).await.unwrap();
        assert!(lone.secrets.text() == first.text());
        assert!(shown() == Some(first.root()), "the file says what counts");
        let member = lone.folder.member(Role::StorageNode).unwrap();
        let preset = Credentials::chosen(Some("CHOSEN".to_owned()), Some("chosen-by-the-operator".to_owned())).unwrap();
        let changed = secrets::of_lone(&lone.folder, &member, &lone.node, preset).await.unwrap();
        assert_eq!((changed.access_key.as_str(), changed.sealing_secret), ("CHOSEN", first.sealing_secret));
        let later = secrets::of_lone(&lone.folder, &member, &lone.node, None).await.unwrap();
        assert_eq!(later.access_key, "CHOSEN", "it stays without the environment");
        assert_eq!(shown().unwrap().access_key, "CHOSEN");
        lone.node.shutdown().await;
    });
}
