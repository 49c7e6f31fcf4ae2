//! The meta group: asked as the map names it, by storage nodes alone, with a patience of its own.

use std::time::Duration;

use bytes::Bytes;
use couronne_base::testing::paused;
use couronne_client::testing::{FakeShape, FakeStorage};
use couronne_client::{Client, ClientError, Settings};
use couronne_cluster::map::MAP_RANGE;
use couronne_metadata::command::Expect;
use couronne_metadata::ids::{Generation, Ordinal};

use super::support::{Says, ToldReplicas, client_of, key, timed};

#[test]
fn a_write_that_went_unanswered_is_repeated_as_such_and_as_the_same() {
    paused().block_on(async {
        let replicas = ToldReplicas::new(&[Says::Nothing, Says::Silent, Says::Leads]);
        let (client, _stopping) = client_of(&replicas);
        let (row, value) = (key("map"), Some(Bytes::from_static(b"map")));
        let (written, took) = timed(client.router().meta_write(&row, Expect::Absent, value)).await;
        assert_eq!(written.unwrap(), Some(Ordinal(5)));
        assert!(took < Duration::from_secs(4), "{took:?}");
        let commands = replicas.commands();
        assert_eq!(commands.iter().map(|sent| sent.is_repeat).collect::<Vec<_>>(), [false, false, true]);
        assert!(commands.iter().all(|sent| sent.commit == commands[0].commit && sent.key == key("map")));
        assert!(replicas.addresses().iter().all(|at| (at.range, at.generation) == (MAP_RANGE, Generation(3))));
    });
}

#[test]
fn nothing_more_is_asked_once_the_process_stops() {
    paused().block_on(async {
        let replicas = ToldReplicas::new(&[Says::Nothing, Says::Silent, Says::Nothing]);
        let (client, stopping) = client_of(&replicas);
        let read_key = key("map");
        let reading = timed(client.router().meta_get(&read_key));
        let stop = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            stopping.send_replace(true);
        };
        let ((read, took), ()) = tokio::join!(reading, stop);
        assert!(matches!(read, Err(ClientError::Unavailable(_))), "{read:?}");
        assert!(took < Duration::from_secs(4), "{took:?}");
    });
}

#[test]
fn overload_is_outlasted() {
    paused().block_on(async {
        let replicas = ToldReplicas::new(&[Says::Overloaded, Says::Overloaded, Says::Overloaded]);
        let (client, _stopping) = client_of(&replicas);
        let read_key = key("map");
        let end = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            replicas.tell(2, Says::Leads);
        };
        let (read, ()) = tokio::join!(client.router().meta_get(&read_key), end);
        assert!(matches!(read, Ok(None)), "{read:?}");
    });
}

#[test]
fn a_client_that_was_not_given_the_way_asks_nobody() {
    paused().block_on(async {
        let replicas = ToldReplicas::new(&[Says::Leads]);
        let storage = FakeStorage::new(&FakeShape::default());
        let components = couronne_client::Components { ranges: replicas.clone(), ..storage.components() };
        let client = Client::new(components, Settings::default());
        assert!(matches!(client.router().meta_get(&key("map")).await, Err(ClientError::Unavailable(_))));
        assert!(replicas.asked().is_empty());
    });
}
