//! A line is one object, whatever clients sent.

use std::net::SocketAddr;

use proptest::prelude::*;
use serde_json::Value;

use crate::audit::event::{Event, lost_line};
use crate::audit::notes::{NotedDecision, NotedFacts, NotedObject, Subject};
use crate::audit::queue::LINE_BYTES_MAX;
use crate::audit::request::{ArrivedRequest, RequestEnd};

fn seen(user_agent: &str, path: &str) -> ArrivedRequest {
    ArrivedRequest {
        id: "0123456789ABCDEF".into(),
        received_us: 1_800_000_000_000_042,
        peer: SocketAddr::from(([192, 0, 2, 1], 7)),
        client: None,
        is_secure: true,
        user_agent: Some(user_agent.into()),
        method: "PUT".into(),
        path: path.into(),
    }
}

const ENDED: RequestEnd =
    RequestEnd { took_us: 7, status: Some(200), code: None, broke_off: false, received_bytes: 3, sent_bytes: 0 };

fn check(line: &[u8]) -> Value {
    assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1, "{}", String::from_utf8_lossy(line));
    assert_eq!(line.last(), Some(&b'\n'));
    let value: Value = serde_json::from_slice(line).unwrap();
    assert_eq!(value["schema"], "couronne.audit/1");
    value
}

proptest! {
    #[test]
    fn a_line_is_one_object_that_says_what_was_sent(
        key in proptest::collection::vec(any::<u8>(), 0..80),
        agent in proptest::collection::vec(any::<u8>(), 0..80),
        claimed in ".{0,40}",
        reason in ".{0,40}",
        objects in proptest::collection::vec((".{0,20}", proptest::option::of(".{0,20}")), 0..4),
    ) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (key, agent) = (text(&key), text(&agent));
        let subject = Subject {
            face: "toy",
            operation: Some("Keep"),
            changes: true,
            bucket: Some("b".into()),
            key: Some(key.as_str().into()),
            parameters: vec![("Name", key.as_str().into())],
            ..Subject::default()
        };
        let named = |(key, version): &(String, Option<String>)| NotedObject {
            key: key.as_str().into(),
            version: version.as_deref().map(Into::into),
            result: Some("OK"),
        };
        let noted = NotedFacts {
            subject: Some(subject),
            claimed: Some(claimed.as_str().into()),
            decision: Some(NotedDecision { action: "toy:Keep".into(), is_allow: true, reason: reason.as_str().into() }),
            objects: objects.iter().map(named).collect(),
            ..NotedFacts::default()
        };
        let seen = seen(&agent, "/b/k");
        let event = check(&Event::of_request(&seen, &noted, &ENDED, "done").line());
        prop_assert_eq!(&event["what"]["key"], &Value::from(key.as_str()));
        prop_assert_eq!(&event["what"]["parameters"]["Name"], &Value::from(key.as_str()));
        prop_assert_eq!(&event["whence"]["user_agent"], &Value::from(agent));
        prop_assert_eq!(&event["who"]["claimed_access_key"], &Value::from(claimed));
        prop_assert_eq!(&event["decision"]["reason"], &Value::from(reason));
        for (at, (key, _)) in objects.iter().enumerate() {
            prop_assert_eq!(&event["what"]["objects"][at]["key"], &Value::from(key.as_str()));
        }
    }
}

#[test]
fn the_longest_line_has_a_bound_and_keeps_its_key() {
    // What takes most as JSON: six bytes for one.
    let long = "\u{1}".repeat(5_000);
    let text = || Some(long.as_str().into());
    let subject = Subject {
        face: "toy",
        operation: Some("Keep"),
        changes: true,
        bucket: text(),
        key: Some("\u{1}".repeat(1_024).into()),
        version: text(),
        upload: text(),
        parameters: (0..20).map(|_| ("Name", long.as_str().into())).collect(),
        ..Subject::default()
    };
    let noted = NotedFacts {
        subject: Some(subject),
        claimed: text(),
        decision: Some(NotedDecision { action: "a".into(), is_allow: false, reason: long.as_str().into() }),
        objects: vec![NotedObject { key: long.as_str().into(), version: text(), result: None }; 3],
        objects_omitted: 2,
        ..NotedFacts::default()
    };
    let seen = seen(&long, &long);
    let line = Event::of_request(&seen, &noted, &ENDED, "done").short_line();
    assert!(line.len() <= LINE_BYTES_MAX, "{}", line.len());
    let event = check(&line);
    assert_eq!(event["what"]["key"], Value::from("\u{1}".repeat(1_024)));
    assert_eq!((&event["what"]["objects_omitted"], &event["shortened"]), (&Value::from(5), &Value::from(true)));
    assert_eq!(event["decision"]["effect"], "deny");
}

#[test]
fn lost_events_are_an_event() {
    let event = check(&lost_line(1_800_000_000_000_042, 7));
    assert_eq!((&event["event"], &event["lost"]), (&Value::from("lost"), &Value::from(7)));
    assert_eq!(event["time"], "2027-01-15T08:00:00.000042Z");
}
