//! The workload: clients that put, read, list and delete few keys through several gateways, and note what
//! they are told.
//!
//! A client that waits too long gives up: its connection may end what it asked, or that may go on.
//! Must not know: faults, how a history is judged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use couronne_metadata::ids::{Ordinal, PartNumber, UploadId, VersionId};
use couronne_metadata::record::{Etag, Versioning};
use couronne_ring::NodeId;
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::clients::actions::{Action, Condition, Outcome, Request, WHOLE, perform};
use crate::clients::history::{History, Moment, Place};
use crate::clients::values::{Contents, Value, etag_of_parts};
use crate::world::World;
use couronne_base::testing::Rng;

/// The buckets, and whether they keep versions when they are made. One is turned on and off by clients, one comes and goes.
pub const BUCKETS: [(&str, Versioning); 4] =
    [("plain", Versioning::Off), ("kept", Versioning::Enabled), (TURNED, Versioning::Off), (FLEETING, Versioning::Off)];

/// The bucket whose rules change. Whatever they are, a key is its newest object.
const TURNED: &str = "turned";

/// The bucket that is deleted and made anew.
const FLEETING: &str = "fleeting";

/// Whether a bucket keeps versions.
pub fn keeps_versions(bucket: &str) -> bool {
    BUCKETS.iter().any(|(name, versioning)| *name == bucket && *versioning == Versioning::Enabled)
}

/// The keys of each bucket: few, so that clients meet.
pub const KEYS: [&str; 5] = ["a", "a/1", "b", "c/x", "d"];

/// How many clients there are.
const CLIENTS: usize = 5;

/// How long a client waits for an answer, in milliseconds.
const PATIENCE_MS: u64 = 8000;

/// How long a slow reader rests in the midst of an object at most, in milliseconds.
const SLOW_MS_MAX: u64 = 7000;

/// How long a client rests between two questions at most, in milliseconds.
const REST_MS_MAX: u64 = 120;

/// How long a client waits before it asks another gateway, in milliseconds.
const REFUSED_MS: u64 = 50;

/// An upload that a client works on.
struct Upload {
    place: Place,
    id: UploadId,
    parts: Vec<(PartNumber, Value)>,
}

#[derive(Default)]
struct Client {
    /// What it waits for, if it does.
    waits_for: Option<u64>,
    /// When it does something next.
    next_ms: u64,
    upload: Option<Upload>,
}

/// A question under way at a gateway.
pub(crate) struct Asked {
    pub(crate) client: usize,
    pub(crate) gateway: NodeId,
    life: u64,
    pub(crate) request: Request,
    pub(crate) began: Moment,
    task: AbortHandle,
}

/// What clients were told, all in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Questions with an answer.
    pub answered: u64,
    /// Questions that were turned down without effect.
    pub not_done: u64,
    /// Writes whose outcome nobody knows.
    pub unknown: u64,
}

/// The clients, and what they know.
pub struct Workload {
    rng: Rng,
    clients: Vec<Client>,
    asked: BTreeMap<u64, Asked>,
    told: Arc<Mutex<Vec<(u64, Outcome)>>>,
    next: u64,
    /// Whether clients ask anything new.
    pub is_open: bool,
    /// What they were told.
    pub counts: Counts,
    /// What happened to each key.
    pub history: History,
    /// What they were told that must never be.
    pub wrong: Vec<String>,
    pub(crate) contents: Contents,
    pub(crate) versions: BTreeMap<Place, Vec<(VersionId, Etag)>>,
    /// When writes were acknowledged, and their places in time.
    pub(crate) ordinals: BTreeMap<Place, Vec<(Moment, Ordinal)>>,
}

impl Workload {
    /// Clients that rest.
    pub fn new(rng: Rng) -> Self {
        Self {
            rng,
            clients: (0..CLIENTS).map(|_| Client::default()).collect(),
            asked: BTreeMap::new(),
            told: Arc::default(),
            next: 1,
            is_open: false,
            counts: Counts::default(),
            history: History::default(),
            wrong: Vec::new(),
            contents: Contents::default(),
            versions: BTreeMap::new(),
            ordinals: BTreeMap::new(),
        }
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.asked.is_empty()
    }

    /// What every client does in this tick.
    pub fn tick(&mut self, world: &World) {
        let told = std::mem::take(&mut *self.told.lock());
        for (number, outcome) in told {
            self.hear(world, number, outcome);
        }
        let is_gone = |asked: &Asked| world.process(asked.gateway).and_then(|p| p.life()) != Some(asked.life);
        let gone: Vec<u64> = self.asked.iter().filter(|(_, asked)| is_gone(asked)).map(|(number, _)| *number).collect();
        for number in gone {
            self.hear(world, number, Outcome::Unknown("the gateway died".to_owned()));
        }
        for client in 0..self.clients.len() {
            self.act(world, client);
        }
    }

    fn act(&mut self, world: &World, number: usize) {
        let now_ms = world.now_ms();
        let Some(client) = self.clients.get_mut(number).filter(|client| client.next_ms <= now_ms) else { return };
        if let Some(waits_for) = client.waits_for.take() {
            client.upload = None;
            client.next_ms = now_ms + self.rng.below(REST_MS_MAX);
            if self.rng.permille(500)
                && let Some(asked) = self.asked.get(&waits_for)
            {
                asked.task.abort();
                self.hear(world, waits_for, Outcome::Unknown("the client gave up".to_owned()));
            }
            return;
        }
        if self.is_open {
            let request = self.draw(number);
            self.ask(world, number, request);
        }
    }

    /// Asks a gateway, if one takes it.
    fn ask(&mut self, world: &World, client: usize, request: Request) {
        let now_ms = world.now_ms();
        let gateways: Vec<NodeId> = world.shape.gateways().collect();
        let Some(gateway) = self.rng.pick(&gateways).copied() else { return };
        let started = self.start(world, client, gateway, request);
        let Some(client) = self.clients.get_mut(client) else { return };
        client.waits_for = started;
        client.next_ms = now_ms + if started.is_some() { PATIENCE_MS } else { REFUSED_MS };
    }

    /// Has a gateway carry out a request for a client; its number, if the gateway takes it.
    pub fn start(&mut self, world: &World, client: usize, gateway: NodeId, request: Request) -> Option<u64> {
        let (engine, process) = (world.engine(gateway)?, world.process(gateway)?);
        let (number, told) = (self.next, Arc::clone(&self.told));
        self.next += 1;
        world.note(format_args!("client {client} asks {number} of {gateway}: {request:?}"));
        let for_task = request.clone();
        let task = process.spawn(async move {
            let outcome = perform(&engine, &for_task).await;
            told.lock().push((number, outcome));
        })?;
        self.expect(&request);
        let began = self.history.moment(world.now_ms());
        let asked = Asked { client, gateway, life: process.life()?, request, began, task };
        self.asked.insert(number, asked);
        Some(number)
    }

    /// Notes what an object will look like if the request takes effect.
    fn expect(&mut self, request: &Request) {
        match &request.action {
            Action::Put(value, _) => self.contents.note(value.etag(), vec![*value]),
            Action::Complete(_, parts) => {
                let parts: Vec<Value> = parts.iter().map(|(_, value)| *value).collect();
                self.contents.note(etag_of_parts(&parts), parts);
            }
            _ => {}
        }
    }

    fn hear(&mut self, world: &World, number: u64, outcome: Outcome) {
        let Some(asked) = self.asked.remove(&number) else { return };
        world.note(format_args!("told {number}: {}", summary(&outcome)));
        match outcome {
            Outcome::NotDone(_) => self.counts.not_done += 1,
            Outcome::Unknown(_) => self.counts.unknown += 1,
            _ => self.counts.answered += 1,
        }
        if let Some(client) = self.clients.get_mut(asked.client).filter(|client| client.waits_for == Some(number)) {
            client.waits_for = None;
            client.next_ms = world.now_ms() + self.rng.below(REST_MS_MAX);
            go_on_with_upload(client, &asked.request, &outcome);
        }
        self.record(world.now_ms(), &asked, outcome);
    }

    /// What a client asks next.
    fn draw(&mut self, number: usize) -> Request {
        if let Some(request) = self.upload_step(number) {
            return request;
        }
        let bucket = match self.rng.below(100) {
            0..=39 => "plain",
            40..=79 => "kept",
            80..=89 => TURNED,
            _ => FLEETING,
        };
        let key = self.rng.pick(&KEYS).copied().unwrap_or("a");
        match bucket {
            TURNED if self.rng.permille(200) => {
                let versioning = if self.rng.permille(500) { Versioning::Enabled } else { Versioning::Suspended };
                return Request { bucket, key: "", action: Action::SetVersioning(versioning) };
            }
            FLEETING => return self.draw_fleeting(bucket, key),
            _ => {}
        }
        let place = Place { bucket, key };
        let action = match self.rng.below(100) {
            0..=24 => Action::Put(self.value(), Condition::Always),
            25..=32 => Action::Put(self.value(), Condition::Absent),
            33..=39 => match self.known_tag(place) {
                Some(tag) => Action::Put(self.value(), Condition::Matches(tag)),
                None => Action::Head,
            },
            40..=54 => Action::Get(WHOLE, Duration::ZERO),
            55..=58 => Action::Get(WHOLE, Duration::from_millis(self.rng.below(SLOW_MS_MAX))),
            59..=64 => {
                let start = self.rng.below(1000);
                Action::Get(start..self.rng.between(start, 1000), Duration::ZERO)
            }
            65..=69 => Action::Head,
            70..=74 => self.known_version(place).map_or(Action::Head, Action::GetVersion),
            75..=84 => Action::Delete,
            85..=87 => self.known_version(place).map_or(Action::Head, Action::DeleteVersion),
            88..=91 => Action::Open,
            _ => {
                let key = if self.rng.permille(600) { "" } else { key };
                let limit = u32::try_from(self.rng.between(1, 6)).unwrap_or(1);
                return Request { bucket, key, action: Action::List(limit) };
            }
        };
        Request { bucket, key, action }
    }

    /// What a client asks of the bucket that comes and goes: mostly that it be empty, for only then can it go.
    fn draw_fleeting(&mut self, bucket: &'static str, key: &'static str) -> Request {
        let request = |key, action| Request { bucket, key, action };
        match self.rng.below(100) {
            0..=19 => request(key, Action::Put(self.value(), Condition::Always)),
            20..=59 => request(key, Action::Delete),
            60..=69 => request(key, Action::Get(WHOLE, Duration::ZERO)),
            70..=89 => request("", Action::DropBucket),
            _ => request("", Action::MakeBucket),
        }
    }

    fn upload_step(&mut self, number: usize) -> Option<Request> {
        let upload = self.clients.get(number)?.upload.as_ref()?;
        let (Place { bucket, key }, id, parts) = (upload.place, upload.id, upload.parts.clone());
        let next = u16::try_from(parts.len()).ok().and_then(|have| PartNumber::new(have + 1))?;
        let action = match self.rng.below(10) {
            0..=5 => Action::PutPart(id, next, self.value()),
            6..=8 if !parts.is_empty() => Action::Complete(id, parts),
            9 => Action::Abort(id),
            _ => return None,
        };
        Some(Request { bucket, key, action })
    }

    /// A body that nobody has sent yet.
    fn value(&mut self) -> Value {
        let (least, most) = match self.rng.below(10) {
            0..=3 => (16, 2 << 10),
            4..=5 => (2 << 10, 16 << 10),
            6..=7 => (16 << 10, 128 << 10),
            _ => (128 << 10, 400 << 10),
        };
        let number = self.next;
        self.next += 1;
        Value { number, len: u32::try_from(self.rng.between(least, most)).unwrap_or(16) }
    }

    /// Requests that read every version clients were told of.
    pub fn known_versions(&self) -> Vec<Request> {
        let kept = self.versions.iter().filter(|(place, _)| keeps_versions(place.bucket));
        let request = |place: &Place, version| Request {
            bucket: place.bucket,
            key: place.key,
            action: Action::GetVersion(version),
        };
        kept.flat_map(|(place, versions)| versions.iter().map(move |(version, _)| request(place, *version))).collect()
    }

    fn known_version(&mut self, place: Place) -> Option<VersionId> {
        let versions = self.versions.get(&place).filter(|_| keeps_versions(place.bucket))?;
        self.rng.pick(versions).map(|(version, _)| *version)
    }

    fn known_tag(&mut self, place: Place) -> Option<Etag> {
        self.versions.get(&place)?.last().map(|(_, tag)| *tag)
    }
}

/// What a client knows of its upload after an answer. It goes on only with what it was told is there.
fn go_on_with_upload(client: &mut Client, request: &Request, outcome: &Outcome) {
    let place = Place { bucket: request.bucket, key: request.key };
    match (&request.action, outcome) {
        (Action::Open, Outcome::Opened(id)) => client.upload = Some(Upload { place, id: *id, parts: Vec::new() }),
        (Action::PutPart(_, number, value), Outcome::Done) => {
            if let Some(upload) = &mut client.upload {
                upload.parts.push((*number, *value));
            }
        }
        (Action::PutPart(..), Outcome::NotDone(_)) => {}
        (Action::PutPart(..) | Action::Complete(..) | Action::Abort(_), _) => client.upload = None,
        _ => {}
    }
}

/// An outcome in few words: bytes by their number only.
fn summary(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Seen(seen) => {
            let read = seen.read.as_ref().map(|(range, bytes)| (range, crate::trace::digest(&[bytes])));
            format!(
                "saw {} of {} bytes, version {:?}, read {read:?}",
                crate::clients::history::short(&seen.etag),
                seen.size,
                seen.version
            )
        }
        other => format!("{other:?}"),
    }
}
