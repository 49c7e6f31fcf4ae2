//! DeleteObjects: up to 1,000 deletions in one request, each with its own outcome.
//!
//! Promises: the document is read and checked whole before anything is deleted; each key then fares as
//! with DeleteObject, and the answer tells of each.
//! Steps: 1. the document; 2. one command a key, a few at a time; 3. the answer.
//! Writes: as DeleteObject, for each key.
//! Acknowledged: when every command has an outcome.
//! After a crash: some keys are deleted and some not; a repeat deletes the rest.

use couronne_metadata::command::Precondition;
use couronne_metadata::ids::{ObjectKey, VersionId};
use futures_util::future::join_all;

use crate::engine::{self, EngineError};
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, BodyUse, FrontError, Gateway, Handler, Need, NeededOn, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::ops::object::deleting::{ShownDeletion, needs, show};
use crate::s3::wire::version_text::version_text;
use crate::s3::wire::xml::{self, Element, Writer};
use crate::s3::wire::{checksum, conditions, parameters};

/// The most keys of one request.
const KEYS_MAX: usize = 1000;
/// How many deletions of one request are under way at once.
const DELETIONS_AT_ONCE: usize = 16;

/// Its parameters, beside the document.
pub(crate) struct DeleteObjects {
    bypass_governance: bool,
}

/// One entry of the document.
struct Target {
    key: ObjectKey,
    version: Option<VersionId>,
    condition: Precondition,
}

impl Handler for DeleteObjects {
    type Face = S3;
    type Resources = InBucket;
    const BODY: BodyUse = BodyUse::Read { checksum_covers_body: true };

    fn parse(request: &Request) -> Result<Self> {
        if !checksum::has_digest(&request.headers)? {
            let message = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
            return Err(S3Error::with_message(Code::InvalidRequest, message));
        }
        let bypass = request.header("x-amz-bypass-governance-retention")?;
        Ok(Self { bypass_governance: bypass.is_some_and(|text| text.eq_ignore_ascii_case("true")) })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(
        mut authorized: Authorized<Self>,
        gateway: &Gateway<S3>,
        body: &mut Body<S3>,
    ) -> Executed<Response> {
        let document = xml::read_list(&body.document(xml::document_bytes::DELETE_MAX).await?, "Delete", "Object")?;
        let quiet = document.child_text("Quiet").is_some_and(|text| text.trim().eq_ignore_ascii_case("true"));
        let entries: Vec<&Element> = document.children().iter().filter(|child| child.name() == "Object").collect();
        if entries.is_empty() || entries.len() > KEYS_MAX {
            return Err(Code::MalformedXML.into());
        }
        let targets: Vec<Result<Target>> = entries.iter().map(|entry| read_target(entry)).collect();
        let mut outcomes: Vec<Option<Result<ShownDeletion>>> = targets.iter().map(|_| None).collect();
        let named = entries.iter().map(|entry| (entry.child_text("Key").unwrap_or_default(), asked_version(entry)));
        authorized.notes().objects(named);
        authorized.refresh(gateway).await?;
        // What was done stays done: when the bucket's rules change midway, only the rest is repeated.
        while round(&authorized, gateway, &targets, &mut outcomes).await {
            authorized.renew(gateway).await?;
        }
        Ok(Response::xml(Writer::document("DeleteResult", |xml| {
            for ((entry, target), outcome) in entries.iter().zip(&targets).zip(&outcomes) {
                write_outcome(xml, entry, target, outcome, quiet);
            }
        })))
    }
}

fn read_target(entry: &Element) -> Result<Target> {
    let key = entry.child_text("Key").ok_or(Code::MalformedXML)?;
    let key = ObjectKey::new(key.as_bytes().to_vec())?;
    let version = asked_version(entry);
    let condition = conditions::entry_condition(
        entry.child_text("ETag"),
        entry.child_text("LastModifiedTime"),
        entry.child_text("Size"),
    )?;
    Ok(Target { key, version: version.map(parameters::checked_version).transpose()?, condition })
}

/// The version that an entry names.
fn asked_version(entry: &Element) -> Option<&str> {
    entry.child_text("VersionId").filter(|text| !text.is_empty())
}

/// Carries out the deletions that have no outcome yet, a few at a time. `true` if some met changed rules.
async fn round(
    authorized: &Authorized<DeleteObjects>,
    gateway: &Gateway<S3>,
    targets: &[Result<Target>],
    outcomes: &mut [Option<Result<ShownDeletion>>],
) -> bool {
    let mut stale = false;
    let mut left: Vec<_> = targets.iter().zip(outcomes).enumerate().collect();
    left.retain(|(_, (_, outcome))| outcome.is_none());
    for open in left.chunks_mut(DELETIONS_AT_ONCE) {
        let deletions = open.iter().map(|(place, (target, _))| async move {
            let done = delete(authorized, gateway, target).await;
            if let Ok(outcome) = &done {
                let result = outcome.as_ref().map_or_else(|error| error.code().name(), |_| "OK");
                authorized.notes().object_done(*place, result);
            }
            done
        });
        let done = join_all(deletions).await;
        for ((_, (_, outcome)), done) in open.iter_mut().zip(done) {
            match done {
                Ok(shown) => **outcome = Some(shown),
                Err(StaleRules) => stale = true,
            }
        }
    }
    stale
}

/// The bucket's rules changed: nothing was done.
struct StaleRules;

async fn delete(
    authorized: &Authorized<DeleteObjects>,
    gateway: &Gateway<S3>,
    target: &Result<Target>,
) -> std::result::Result<Result<ShownDeletion>, StaleRules> {
    let target = match target {
        Ok(target) => target,
        Err(error) => return Ok(Err(error.clone())),
    };
    let on = NeededOn::Key { key: target.key.as_str().into(), version: target.version };
    let actions = needs(authorized.request(), target.version.is_some());
    let needs: Vec<_> = actions.map(|action| Need { action, on: on.clone() }).collect();
    let bucket = match authorized.may(gateway, authorized.resources(), &needs).await {
        Ok(Some(bucket)) => bucket,
        Ok(None) => return Ok(Err(Code::AccessDenied.into())),
        Err(FrontError::Stale) => return Err(StaleRules),
        Err(FrontError::Face(error)) => return Ok(Err(error)),
    };
    let delete = engine::DeleteObjectRequest {
        version: target.version,
        condition: target.condition.clone(),
        bypass_governance: authorized.operation().bypass_governance,
        owner: authorized.caller().account().id.clone(),
    };
    match gateway.engine.delete(&bucket, &target.key, delete).await {
        Err(EngineError::StaleRules) => Err(StaleRules),
        Err(error) => Ok(Err(S3Error::of_engine(error))),
        Ok(deleted) => Ok(Ok(show(&deleted, target.version))),
    }
}

fn write_outcome(
    xml: &mut Writer,
    entry: &Element,
    target: &Result<Target>,
    outcome: &Option<Result<ShownDeletion>>,
    quiet: bool,
) {
    let key = entry.child_text("Key").unwrap_or_default();
    let asked = asked_version(entry);
    match outcome {
        Some(Ok(_)) if quiet => {}
        Some(Ok(shown)) => xml.element("Deleted", |xml| {
            xml.text("Key", key);
            xml.optional("VersionId", asked);
            if shown.marker {
                xml.text("DeleteMarker", "true");
                xml.optional("DeleteMarkerVersionId", shown.version.map(version_text).as_deref());
            }
        }),
        failed => {
            let unknown = S3Error::new(Code::InternalError);
            let error = failed.as_ref().and_then(|outcome| outcome.as_ref().err()).or(target.as_ref().err());
            let error = error.unwrap_or(&unknown);
            xml.element("Error", |xml| {
                xml.text("Key", key);
                xml.optional("VersionId", asked);
                xml.text("Code", error.code().name());
                xml.text("Message", error.message());
            });
        }
    }
}
