//! Which entry of the table ([`super::operation`]) a request leads to.
//!
//! A request's method, the depth of its path (service, bucket, object), its sub-resource, and a few parameters and
//! headers decide; nothing else does. Of a write, a sub-resource that the table does not name is [`Route::NotServed`] too: a
//! `PUT ?policy` must never be taken for the creation of a bucket. Nor is a version or a part that the request names ever
//! left aside ([`Route::Unread`]).
//! Must not know: signatures, the engine, bodies.

use http::{HeaderMap, Method};

use super::operation::{Entry, NotServed, Operation};
use super::qualifiers;

/// How deep a request's path reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `/`
    Service,
    /// `/bucket`
    Bucket,
    /// `/bucket/key`
    Object,
    /// S3 Control's path of an account's public access block.
    Account,
    /// S3 Control's path of what stands with a bucket, by its ARN.
    Resource,
    /// Any other path of S3 Control's.
    Control,
}

/// Where a request leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To an operation.
    Serve(Operation),
    /// To something that S3 defines, or may define one day, and that is not served: 501. The name of it.
    NotServed(&'static str),
    /// To a resource that has no such method: 405.
    NotAllowed,
    /// To a sub-resource that buckets alone have, or objects alone, as the other's: 400 `InvalidRequest`.
    Misplaced(&'static str),
    /// To two sub-resources at once: 400 `InvalidArgument`.
    Conflicting,
    /// To an operation that does not read this parameter, which would change what is meant: 400 `InvalidArgument`.
    Unread(&'static str),
}

/// What tells the entries of one method and level apart. Of those that match, the one with a condition wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// No sub-resource.
    Plain,
    /// No sub-resource, and this query parameter has this value.
    Parameter(&'static str, &'static str),
    /// No sub-resource, and this header is present.
    Header(&'static str),
    /// This sub-resource.
    Sub(&'static str),
    /// This sub-resource, and this header is present.
    SubHeader(&'static str, &'static str),
    /// This sub-resource, and this query parameter is present.
    SubParameter(&'static str, &'static str),
}

impl Selector {
    /// The sub-resource, if it asks for one.
    pub const fn sub_resource(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Parameter(..) | Self::Header(_) => None,
            Self::Sub(name) | Self::SubHeader(name, _) | Self::SubParameter(name, _) => Some(name),
        }
    }

    /// Whether it asks for more than a sub-resource or its absence.
    const fn has_condition(self) -> bool {
        !matches!(self, Self::Plain | Self::Sub(_))
    }
}

/// Query parameters that may stand empty without being a sub-resource.
const PARAMETERS: &[&str] = &[
    "allow-unordered",
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "key-marker",
    "list-type",
    "marker",
    "max-buckets",
    "max-keys",
    "max-parts",
    "max-uploads",
    "part-number-marker",
    "partNumber",
    "prefix",
    "bucket-region",
    "start-after",
    "upload-id-marker",
    "version-id-marker",
    "versionId",
    "x-id",
];

/// Finds the entry of a request.
///
/// `query` holds the decoded names and values; a name without `=` has an empty value.
pub fn route<'q>(
    method: &Method,
    level: Level,
    query: impl Iterator<Item = (&'q str, &'q str)> + Clone,
    headers: &HeaderMap,
) -> Route {
    if level == Level::Control {
        return Route::NotServed("The operation of S3 Control");
    }
    let mut subs = query.clone().filter(|(name, value)| is_sub_resource(method, name, value)).map(|(name, _)| name);
    let sub = subs.next();
    if subs.next().is_some() {
        return Route::Conflicting;
    }
    if let Some(name) = sub
        && !entries().any(|(entry, _)| entry.selector.sub_resource() == Some(name))
    {
        return Route::NotServed("UnknownSubResource");
    }
    let holds = |selector: Selector| match selector {
        Selector::Plain | Selector::Sub(_) => true,
        Selector::Parameter(name, value) => query.clone().any(|pair| pair == (name, value)),
        Selector::Header(name) | Selector::SubHeader(_, name) => headers.contains_key(name),
        Selector::SubParameter(_, name) => query.clone().any(|pair| pair.0 == name),
    };
    let mut found = Route::NotAllowed;
    for (entry, route) in entries() {
        let place = entry.level == level && entry.method == method.as_str() && entry.selector.sub_resource() == sub;
        if place && holds(entry.selector) {
            found = route;
            if entry.selector.has_condition() {
                break;
            }
        }
    }
    match (found, sub) {
        (Route::Serve(operation), _) => qualifiers::unread(operation, query).map_or(found, Route::Unread),
        (Route::NotAllowed, Some(sub)) => misplaced(method, level, sub).map_or(found, Route::Misplaced),
        _ => found,
    }
}

/// The sub-resource, if it is none at this level, or is read or changed in this way at another alone.
fn misplaced(method: &Method, level: Level, sub: &str) -> Option<&'static str> {
    let is_known = entries().any(|(entry, _)| entry.level == level && entry.selector.sub_resource() == Some(sub));
    let elsewhere = entries().map(|(entry, _)| entry).filter(|entry| entry.level != level);
    let mut elsewhere = elsewhere.filter(|entry| !is_known || entry.method == method.as_str());
    elsewhere.find_map(|entry| entry.selector.sub_resource().filter(|name| *name == sub))
}

/// The methods that a resource has, for an answer that says it has not the one that was asked for.
pub fn methods<'q>(method: &Method, level: Level, query: impl Iterator<Item = (&'q str, &'q str)>) -> String {
    let mut subs = query.filter(|(name, value)| is_sub_resource(method, name, value)).map(|(name, _)| name);
    let sub = subs.next();
    let served = Operation::ALL.iter().map(|operation| operation.entry());
    let mut methods: Vec<_> = served
        .filter(|entry| entry.level == level && entry.selector.sub_resource() == sub)
        .map(|entry| entry.method)
        .collect();
    methods.sort_unstable();
    methods.dedup();
    methods.join(", ")
}

/// All entries, with where each leads.
fn entries() -> impl Iterator<Item = (&'static Entry, Route)> {
    let served = Operation::ALL.iter().map(|operation| (operation.entry(), Route::Serve(*operation)));
    served.chain(NotServed::ALL.iter().map(|lacking| (&lacking.entry, Route::NotServed(lacking.entry.name))))
}

/// A name in the table is a sub-resource whatever its value and at whichever level. Any other that stands without a value
/// could be one that S3 has and the table has not: no write may fall through to the plain operation. A read ignores it, as
/// on S3: applications add parameters of their own to links.
fn is_sub_resource(method: &Method, name: &str, value: &str) -> bool {
    if entries().any(|(entry, _)| entry.selector.sub_resource() == Some(name)) {
        return true;
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return false;
    }
    let signing = name.get(..6).is_some_and(|head| head.eq_ignore_ascii_case("x-amz-"));
    value.is_empty() && !signing && !name.starts_with("response-") && !PARAMETERS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::Level::{Bucket, Object, Service};
    use super::Operation as Op;
    use super::Route::{NotServed, Serve};
    use super::*;

    fn check(method: &str, level: Level, query: &str, expect: Route) {
        check_with(method, level, query, &HeaderMap::new(), expect);
    }

    fn check_with(method: &str, level: Level, query: &str, headers: &HeaderMap, expect: Route) {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|p| p.split_once('=').unwrap_or((p, "")));
        assert_eq!(route(&method, level, pairs, headers), expect, "{method} {level:?} {query}");
    }

    #[test]
    fn plain_requests_reach_their_operation() {
        check("GET", Service, "", Serve(Op::ListBuckets));
        check("GET", Service, "x-id=ListBuckets&max-buckets=5", Serve(Op::ListBuckets));
        check("GET", Bucket, "prefix=&delimiter=/&marker", Serve(Op::ListObjects));
        check("GET", Bucket, "list-type=2&prefix=", Serve(Op::ListObjectsV2));
        check("PUT", Object, "X-Amz-Signature=&X-Amz-Expires=5", Serve(Op::PutObject));
        check("GET", Object, "response-content-type=&versionId=null&unheard-of=1", Serve(Op::GetObject));
        check("PUT", Object, "partNumber=1&uploadId=u", Serve(Op::UploadPart));
        check("POST", Object, "uploads", Serve(Op::CreateMultipartUpload));
        check("POST", Object, "uploads=", Serve(Op::CreateMultipartUpload));
    }

    #[test]
    fn the_copy_source_header_tells_copies_from_writes() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-copy-source", http::HeaderValue::from_static("a/b"));
        check_with("PUT", Object, "", &headers, Serve(Op::CopyObject));
        check_with("PUT", Object, "partNumber=1&uploadId=u", &headers, Serve(Op::UploadPartCopy));
        check_with("PUT", Object, "acl", &headers, Serve(Op::PutObjectAcl));
    }

    #[test]
    fn what_is_not_served_never_falls_through_to_the_plain_operation() {
        check("PUT", Bucket, "website", NotServed("PutBucketWebsite"));
        check("PUT", Bucket, "website=x", NotServed("PutBucketWebsite"));
        check("PUT", Bucket, "brand-new", NotServed("UnknownSubResource"));
        check("DELETE", Object, "brand-new=", NotServed("UnknownSubResource"));
        check("POST", Object, "restore&versionId=v", NotServed("RestoreObject"));
        check("GET", Bucket, "analytics&id=1", NotServed("GetBucketAnalyticsConfiguration"));
        check("GET", Bucket, "analytics", NotServed("ListBucketAnalyticsConfigurations"));
        check("DELETE", Bucket, "location", Route::NotAllowed);
        check("POST", Object, "", Route::NotAllowed);
        check("PUT", Service, "", Route::NotAllowed);
        check("GET", Bucket, "acl&policy", Route::Conflicting);
    }

    #[test]
    fn a_sub_resource_has_its_place() {
        check("PUT", Object, "policy=x", Route::Misplaced("policy"));
        check("PUT", Bucket, "retention=x", Route::Misplaced("retention"));
        check("GET", Bucket, "uploadId=u", Route::Misplaced("uploadId"));
        check("GET", Object, "uploads", Route::Misplaced("uploads"));
        check("GET", Object, "versions", Route::Misplaced("versions"));
        check("HEAD", Object, "versioning", Route::Misplaced("versioning"));
        check("POST", Bucket, "uploads", Route::Misplaced("uploads"));
        check("GET", Service, "location", Route::Misplaced("location"));
        check("DELETE", Object, "uploads", Route::NotAllowed);
        assert_eq!(methods(&Method::DELETE, Bucket, [("location", "")].into_iter()), "GET");
        assert_eq!(methods(&Method::PATCH, Object, [("x", "y")].into_iter()), "DELETE, GET, HEAD, PUT");
    }

    #[test]
    fn a_parameter_of_an_applications_own_changes_no_read() {
        for query in ["download=", "download", "x-customer", "v=", "v=1", "brand-new&v"] {
            check("GET", Object, query, Serve(Op::GetObject));
            check("HEAD", Object, query, Serve(Op::HeadObject));
            check("GET", Bucket, query, Serve(Op::ListObjects));
        }
    }

    #[test]
    fn what_would_change_the_meaning_and_is_not_read_is_refused() {
        let mut copy = HeaderMap::new();
        copy.insert("x-amz-copy-source", http::HeaderValue::from_static("a/b"));
        check("PUT", Object, "partNumber=1", Route::Unread("partNumber"));
        check_with("PUT", Object, "partNumber=1", &copy, Route::Unread("partNumber"));
        check_with("PUT", Object, "versionId=v", &copy, Route::Unread("versionId"));
        check("PUT", Object, "versionId=", Route::Unread("versionId"));
        check("DELETE", Object, "uploadId=u&versionId=v", Route::Unread("versionId"));
        check("POST", Object, "uploads&partNumber=1", Route::Unread("partNumber"));
        check("GET", Bucket, "versionId=v", Route::Unread("versionId"));
        check("GET", Object, "select-type=2", Route::Unread("select-type"));
        check("DELETE", Object, "versionId=v", Serve(Op::DeleteObject));
    }
}
