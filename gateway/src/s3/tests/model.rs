//! The table of operations against the list of all that S3 defines (`operations.json`): each has its one entry, and
//! what is not served answers 501.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;

use super::S3Server;
use crate::front::request::Query;
use crate::s3::operation::{NotServed, OLDER_FORMS, Operation};
use crate::s3::route::{Level, Route, route};

/// The list, as `scripts/s3-operations` writes it.
#[derive(Deserialize)]
pub(super) struct Model {
    pub(super) botocore: String,
    pub(super) operations: Vec<Listed>,
}

/// An operation of the list.
#[derive(Deserialize)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) method: String,
    pub(super) uri: String,
    /// The query parameters that a request must have.
    query: Vec<String>,
    /// The headers that a request must have.
    headers: Vec<String>,
}

pub(super) fn model() -> Model {
    serde_json::from_str(include_str!("../operations.json")).unwrap()
}

impl Listed {
    /// The name of its entry in the table.
    pub(super) fn entry_name(&self) -> &str {
        OLDER_FORMS.iter().find(|(older, _)| *older == self.name).map_or(&self.name, |(_, entry)| entry)
    }

    /// Path and query of a request for it. SDKs name the operation in `x-id`.
    fn target(&self) -> String {
        let (path, query) = self.uri.split_once('?').unwrap_or((&self.uri, ""));
        let path = path.replace("{Bucket}", "bkt").replace("{Key+}", "k");
        let mut query: Vec<String> = query.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
        query.extend(self.query.iter().map(|name| format!("{name}=1")));
        query.push(format!("x-id={}", self.name));
        query.sort();
        format!("{path}?{}", query.join("&"))
    }

    fn route(&self) -> Route {
        let method = Method::from_bytes(self.method.as_bytes()).unwrap();
        let target = self.target();
        let (path, query) = target.split_once('?').unwrap();
        let level = match path.trim_matches('/').split('/').filter(|segment| !segment.is_empty()).count() {
            0 => Level::Service,
            1 => Level::Bucket,
            _ => Level::Object,
        };
        let value = HeaderValue::from_static("x");
        let names = self.headers.iter().map(|name| HeaderName::from_bytes(name.as_bytes()).unwrap());
        let headers: HeaderMap = names.map(|name| (name, value.clone())).collect();
        route(&method, level, Query::parse(query).unwrap().iter(), &headers)
    }
}

#[test]
fn every_operation_of_the_model_leads_to_its_entry() {
    for listed in model().operations {
        let led_to = match listed.route() {
            Route::Serve(operation) => operation.entry().name,
            Route::NotServed(name) => name,
            other => panic!("{} leads to {other:?}", listed.name),
        };
        assert_eq!(led_to, listed.entry_name(), "{} {}", listed.method, listed.target());
    }
}

#[test]
fn no_entry_stands_twice() {
    let entries = || {
        let served = Operation::ALL.iter().map(|operation| operation.entry());
        served.chain(NotServed::ALL.iter().map(|lacking| &lacking.entry))
    };
    let names: BTreeSet<_> = entries().map(|entry| entry.name).collect();
    let routes: BTreeSet<_> =
        entries().map(|entry| format!("{} {:?} {:?}", entry.method, entry.level, entry.selector)).collect();
    assert_eq!((names.len(), routes.len()), (entries().count(), entries().count()));
    let model = model();
    // No SDK sends forms, and S3 Control has a model of its own.
    let is_beside = |operation: &&Operation| {
        **operation == Operation::PostObject || matches!(operation.entry().level, Level::Account | Level::Resource)
    };
    for operation in Operation::ALL.iter().filter(|operation| !is_beside(operation)) {
        let listed = model.operations.iter().any(|listed| listed.name == operation.entry().name);
        assert!(listed, "{} is served and S3 does not know it", operation.entry().name);
    }
}

#[tokio::test]
async fn what_is_not_served_answers_501() {
    let server = S3Server::new().await;
    server.put("k", "content").await;
    let before = (server.world.cluster.ranges.commands().len(), server.world.cluster.drives.shards().len());
    let mut refused = 0;
    for listed in model().operations {
        if !matches!(listed.route(), Route::NotServed(_)) {
            continue;
        }
        refused += 1;
        let mut ask = server.ask(&listed.method, &listed.target());
        ask.headers.extend(listed.headers.iter().map(|name| (name.clone(), "x".to_owned())));
        for body in ["", "<Some><Document>text</Document></Some>"] {
            let answer = server.send(&ask.clone().body(body)).await;
            assert_eq!((answer.status, answer.code()), (501, "NotImplemented"), "{}: {answer:?}", listed.name);
            assert!(answer.text().contains(listed.entry_name()), "{}: {answer:?}", listed.name);
        }
        // An unknown caller is not told so.
        ask.keys.secret.push('x');
        assert_eq!(server.send(&ask).await.code(), "SignatureDoesNotMatch", "{}", listed.name);
    }
    for (method, target) in [("OPTIONS", "/bkt"), ("OPTIONS", "/bkt/k"), ("PUT", "/bkt?brand-new")] {
        assert_eq!(server.send(&server.ask(method, target)).await.status, 501, "{method} {target}");
    }
    assert!(refused > 40, "{refused}");
    let after = (server.world.cluster.ranges.commands().len(), server.world.cluster.drives.shards().len());
    assert_eq!(after, before, "something was changed");
    assert_eq!(server.get("k").await.body, b"content");
}
