//! Two gateways change the same at once: one of them wins, or both do.

use couronne_gateway::engine::Settings;
use couronne_gateway::identity::{EntityKind, IdentityError, NewUser, PolicyTarget};
use futures_util::future::join_all;

use super::*;

#[tokio::test]
async fn one_name_is_one_entitys() {
    let cluster = cluster();
    let account = identity(cluster.engine.clone(), [1; 32]).create_account("acme", None).await.unwrap();
    let gateways: Vec<_> = (0..8).map(|_| identity(cluster.another_engine(Settings::default()), [1; 32])).collect();
    let made = join_all(gateways.iter().map(|here| here.create_user(&account, NewUser::of_name("eve")))).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    let lost = |made: &Result<_, IdentityError>| matches!(made, Err(IdentityError::Exists(EntityKind::User)));
    assert_eq!(made.iter().filter(|made| lost(made)).count(), 7);
    let winner = made.iter().find_map(|made| made.as_ref().ok()).unwrap();
    for here in &gateways {
        assert_eq!(here.user(&account, "eve").await.unwrap().id, winner.id);
    }
}

#[tokio::test]
async fn no_change_is_lost() {
    let cluster = cluster();
    let here = identity(cluster.engine.clone(), [1; 32]);
    let account = here.create_account("acme", None).await.unwrap();
    user(&here, &account, "eve", None).await;
    let gateways: Vec<_> = (0..8).map(|_| identity(cluster.another_engine(Settings::default()), [1; 32])).collect();
    let put = gateways.iter().enumerate().map(async |(number, here)| {
        here.put_inline_policy(&account, PolicyTarget::User("eve"), &format!("p{number}"), NOTHING.into()).await
    });
    for put in join_all(put).await {
        put.unwrap();
    }
    let (_, grants) = here.grants_of(&account, PolicyTarget::User("eve")).await.unwrap();
    assert_eq!(grants.inline.len(), 8);
}
