//! Replicas that name a wrong leader: the one that does lead is asked soon all the same.

use std::time::Duration;

use couronne_base::testing::paused;

use super::support::{Says, ToldReplicas, client_of, key, timed};

/// Drives 1 and 2 name each other, all others name 1; the last one leads.
fn wrong_about_each_other(replicas: u8) -> Vec<Says> {
    let wrong = |drive| if drive == 1 { Says::Points(2) } else { Says::Points(1) };
    (1..replicas).map(wrong).chain([Says::Leads]).collect()
}

#[test]
fn hints_that_are_wrong_about_each_other_do_not_keep_a_request_from_the_rest() {
    paused().block_on(async {
        for count in 2..=7 {
            for is_meta in [true, false] {
                let replicas = ToldReplicas::new(&wrong_about_each_other(count));
                let (client, _stopping) = client_of(&replicas);
                let router = client.router();
                let ask = async || match is_meta {
                    true => router.meta_get(&key("k")).await,
                    false => router.system_get(&key("k")).await,
                };
                let (found, took) = timed(ask()).await;
                assert!(matches!(found, Ok(None)), "{found:?}");
                assert!(took < Duration::from_secs(1), "{took:?}");
                let asked = replicas.asked();
                assert!(asked.len() <= 2 * usize::from(count), "{asked:?}");
                // The leader is remembered.
                assert!(ask().await.is_ok());
                assert_eq!(replicas.asked().len(), asked.len() + 1);
            }
        }
    });
}

/// However they point at each other, none is asked without a pause for ever.
#[test]
fn without_a_leader_replicas_are_asked_until_the_time_is_up_and_not_without_a_pause() {
    paused().block_on(async {
        for says in [
            vec![Says::Points(2), Says::Points(1), Says::Points(1)],
            vec![Says::Points(2), Says::Points(3), Says::Points(1)],
            vec![Says::Nothing, Says::Nothing, Says::Nothing],
            vec![Says::Points(2)],
        ] {
            let replicas = ToldReplicas::new(&says);
            let (client, _stopping) = client_of(&replicas);
            for is_meta in [true, false] {
                let before = replicas.asked().len();
                let ask = async || match is_meta {
                    true => client.router().meta_get(&key("k")).await,
                    false => client.router().system_get(&key("k")).await,
                };
                let (found, took) = timed(ask()).await;
                assert!(matches!(found, Err(couronne_client::ClientError::Unavailable(_))), "{found:?}");
                assert!(took >= Duration::from_secs(9) && took < Duration::from_secs(12), "{took:?}");
                let asked = replicas.asked().len() - before;
                assert!(asked > 50 && asked < 6000, "{asked}");
            }
        }
    });
}

#[test]
fn an_overloaded_leader_is_asked_again_and_no_other_in_its_place() {
    paused().block_on(async {
        let replicas = ToldReplicas::new(&[Says::Points(2), Says::Overloaded, Says::Points(2)]);
        let (client, _stopping) = client_of(&replicas);
        let overloaded = client.router().system_get(&key("k")).await;
        assert!(matches!(overloaded, Err(couronne_client::ClientError::Overloaded(_))), "{overloaded:?}");
        assert_eq!(replicas.asked(), [1, 2, 2, 2]);
    });
}

/// Replicas move when drives are lost. What is known of a range is asked for anew once its leader is elsewhere, or none
/// of its replicas leads.
#[test]
fn a_range_whose_replicas_have_moved_is_found_again() {
    paused().block_on(async {
        for old in [Says::Points(5), Says::Nothing] {
            let replicas = ToldReplicas::new(&[Says::Leads, old, old, Says::Nothing, Says::Leads]);
            replicas.place(&[1, 2, 3]);
            let (client, _stopping) = client_of(&replicas);
            assert!(client.router().system_get(&key("k")).await.is_ok());
            replicas.tell(1, old);
            replicas.place(&[4, 5]);
            let (found, took) = timed(client.router().system_get(&key("k"))).await;
            assert!(matches!(found, Ok(None)), "{old:?}: {found:?}");
            assert!(took < Duration::from_secs(1) && replicas.asked().len() < 10, "{took:?}: {:?}", replicas.asked());
        }
    });
}
