//! What is noted for the event of a request while it is served.
//!
//! Promises: whatever is noted is there at the request's end, though its client may have gone in the midst of it; without an
//! audit nothing is kept, and no text is made.
//! Must not know: faces, how events are written.

use std::fmt::Display;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::identity::Credential;

/// So much is listed of the objects that one request names. Bytes of their lines.
const OBJECTS_BYTES_MAX: usize = 192 << 10;
/// What an entry of the list takes beside key and version. Bytes.
const ENTRY_BYTES: usize = 48;

/// What a request is about, as its face reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The API.
    pub face: &'static str,
    /// The operation; `None`: the request means none.
    pub operation: Option<&'static str>,
    /// The IAM action that the operation is.
    pub action: Option<&'static str>,
    /// Whether the operation changes something.
    pub changes: bool,
    /// The bucket.
    pub bucket: Option<Box<str>>,
    /// The key.
    pub key: Option<Box<str>>,
    /// The version that the request names.
    pub version: Option<Box<str>>,
    /// The multipart upload that the request names.
    pub upload: Option<Box<str>>,
    /// What is copied.
    pub source: Option<CopiedFrom>,
    /// Parameters that say what is changed, and none that could be a secret or a document: names and values.
    pub parameters: Vec<(&'static str, Box<str>)>,
}

/// The object that a request copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedFrom {
    /// Its bucket.
    pub bucket: Box<str>,
    /// Its key.
    pub key: Box<str>,
    /// Its version, if the request names one.
    pub version: Option<Box<str>>,
}

/// What was decided.
#[derive(Clone, Debug)]
pub(super) struct NotedDecision {
    pub(super) action: Box<str>,
    pub(super) is_allow: bool,
    pub(super) reason: Box<str>,
}

/// One of the objects that a request names in its body.
#[derive(Clone, Debug)]
pub(super) struct NotedObject {
    pub(super) key: Box<str>,
    pub(super) version: Option<Box<str>>,
    /// `OK`, or the code of an error; `None`: not known.
    pub(super) result: Option<&'static str>,
}

/// All that is noted.
#[derive(Default)]
pub(super) struct NotedFacts {
    pub(super) subject: Option<Subject>,
    pub(super) caller: Option<Arc<Credential>>,
    /// The credential could not be verified.
    pub(super) is_unauthenticated: bool,
    /// The access key that a request names whose credential could not be verified.
    pub(super) claimed: Option<Box<str>>,
    pub(super) resource: Option<Box<str>>,
    pub(super) decision: Option<NotedDecision>,
    pub(super) objects: Vec<NotedObject>,
    pub(super) objects_omitted: usize,
    /// The access key that the request made.
    pub(super) made_key: Option<Box<str>>,
    /// The request's operation changes nothing.
    pub(super) is_read: bool,
    /// There will be an event even if the request is not denied.
    pub(super) is_wanted: bool,
}

/// Where a request's stages and its operation note what its event is to say. Cheap to clone.
#[derive(Clone, Default)]
pub struct Notes(pub(super) Option<Arc<Mutex<NotedFacts>>>);

impl Notes {
    /// Something was decided about the request, on `resource` if the face knows it by an ARN. Of several decisions a denial
    /// is kept, and otherwise the first.
    pub fn decided(&self, action: &str, resource: Option<&str>, is_allow: bool, reason: &dyn Display) {
        let Some(noted) = &self.0 else { return };
        let mut noted = noted.lock();
        if is_allow && (!noted.is_wanted || noted.decision.is_some()) {
            return;
        }
        if let Some(resource) = resource {
            noted.resource = Some(resource.into());
        }
        noted.decision = Some(NotedDecision { action: action.into(), is_allow, reason: reason.to_string().into() });
    }

    /// What was denied is allowed after all.
    pub fn allowed_after_all(&self, action: &str, reason: &'static str) {
        if let Some(noted) = &self.0 {
            let decision = NotedDecision { action: action.into(), is_allow: true, reason: reason.into() };
            noted.lock().decision = Some(decision);
        }
    }

    /// The request names these objects, by key and version, and is about to do something with each. Only so many are
    /// listed; the others are counted.
    pub fn objects<'a>(&self, objects: impl Iterator<Item = (&'a str, Option<&'a str>)>) {
        let Some(noted) = &self.0 else { return };
        let mut noted = noted.lock();
        let mut bytes = 0;
        for (key, version) in objects {
            let version_bytes = version.map_or(0, str::len);
            bytes += written_bytes(key) + version_bytes + ENTRY_BYTES;
            if bytes > OBJECTS_BYTES_MAX {
                noted.objects_omitted += 1;
                continue;
            }
            noted.objects.push(NotedObject { key: key.into(), version: version.map(Into::into), result: None });
        }
    }

    /// What was done with the object of this place in the list: `OK`, or the code of an error.
    pub fn object_done(&self, place: usize, result: &'static str) {
        let Some(noted) = &self.0 else { return };
        if let Some(object) = noted.lock().objects.get_mut(place) {
            object.result = Some(result);
        }
    }

    /// The request made an access key.
    pub fn made_key(&self, access_key: &str) {
        if let Some(noted) = &self.0 {
            noted.lock().made_key = Some(access_key.into());
        }
    }
}

/// How many bytes a text takes as JSON has it, at most.
fn written_bytes(text: &str) -> usize {
    text.bytes()
        .map(|byte| {
            if byte < b' ' {
                6
            } else if matches!(byte, b'"' | b'\\') {
                2
            } else {
                1
            }
        })
        .sum()
}
