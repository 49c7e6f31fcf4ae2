//! GetBucketCors, GetBucketLogging, ...: configurations that no bucket has yet, since
//! none can be written. Each is told absent in S3's own way (an error code of its own, or a document that
//! says so), and clients which look first go on.
//!
//! Promises: no answer here is a guess: the write of the same sub-resource answers 501.
//! Steps: answer.
//! Writes: nothing.

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::wire::xml::Writer;

/// How S3 tells that something is not configured.
#[derive(Clone, Copy)]
enum Absence {
    /// By an error of its own.
    Error(Code),
    /// By a document with this root and nothing in it.
    Empty(&'static str),
    /// By a document with this root, element and text.
    Default(&'static str, &'static str, &'static str),
}

/// What is absent, by sub-resource.
const ABSENT: &[(&str, Absence)] = &[
    ("accelerate", Absence::Empty("AccelerateConfiguration")),
    ("cors", Absence::Error(Code::NoSuchCORSConfiguration)),
    ("encryption", Absence::Error(Code::ServerSideEncryptionConfigurationNotFoundError)),
    ("lifecycle", Absence::Error(Code::NoSuchLifecycleConfiguration)),
    ("logging", Absence::Empty("BucketLoggingStatus")),
    ("notification", Absence::Empty("NotificationConfiguration")),
    ("replication", Absence::Error(Code::ReplicationConfigurationNotFoundError)),
    ("requestPayment", Absence::Default("RequestPaymentConfiguration", "Payer", "BucketOwner")),
    ("website", Absence::Error(Code::NoSuchWebsiteConfiguration)),
];

/// Its parameter: what to answer.
pub(crate) struct GetAbsent(Absence);

impl Handler for GetAbsent {
    type Face = S3;
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        let found = ABSENT.iter().find(|(name, _)| request.query.has(name));
        found.map(|(_, absence)| Self(*absence)).ok_or_else(|| S3Error::not_implemented("The sub-resource"))
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket_as_of_now()
    }

    async fn execute(authorized: Authorized<Self>, _: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        match authorized.operation().0 {
            Absence::Error(code) => Err(S3Error::new(code).detail("BucketName", &*authorized.resources().name).into()),
            Absence::Empty(root) => Ok(Response::xml(Writer::document(root, |_| {}))),
            Absence::Default(root, element, text) => {
                Ok(Response::xml(Writer::document(root, |xml| xml.text(element, text))))
            }
        }
    }
}
