//! What an answer says of the keys it is about: checked at once where it must be one exact thing, and noted
//! for the judge.
//!
//! Must not know: how clients choose, how a history is judged.

use couronne_metadata::ids::{Ordinal, VersionId};
use couronne_metadata::record::Etag;

use crate::clients::actions::{Action, Condition, Outcome, Seen};
use crate::clients::history::{Moment, Place, Record, Step, short};
use crate::clients::values::{self, etag_of_parts};
use crate::clients::workload::{Asked, KEYS, Workload, keeps_versions};

/// A write whose outcome nobody knows has its effect within this time or never: its deadline on the
/// gateway's clock, and how far clocks may differ. Milliseconds.
const DEADLINE_MS: u64 = 30_000;

impl Workload {
    /// Notes an answer.
    pub(crate) fn record(&mut self, now_ms: u64, asked: &Asked, outcome: Outcome) {
        let place = Place { bucket: asked.request.bucket, key: asked.request.key };
        let ended = self.history.moment(now_ms);
        let version_of = |version: VersionId| keeps_versions(place.bucket).then_some(version);
        match (&asked.request.action, outcome) {
            (_, Outcome::Wrong(what)) => self.wrong.push(format!("{place}: {what} ({:?})", asked.request.action)),
            (_, Outcome::Unknown(_)) => self.note_unknown(now_ms, asked, place),
            (action @ (Action::Put(..) | Action::Complete(..)), Outcome::Written(etag, version, ordinal)) => {
                self.check_ordinal(place, asked, ended, ordinal);
                let wanted = written_by(action);
                if wanted != Some(etag) {
                    self.wrong.push(format!("{place}: written as {}, not as it was sent", short(&etag)));
                }
                self.versions.entry(place).or_default().push((version, etag));
                self.note(asked, place, ended, Step::Put(etag, version_of(version), condition_of(action)));
            }
            (Action::GetVersion(version), Outcome::Seen(seen)) => {
                self.check(place, &seen);
                self.note(asked, place, ended, Step::SawVersion(*version, Some(seen.etag)));
            }
            (Action::GetVersion(version), Outcome::Absent) => {
                self.note(asked, place, ended, Step::SawVersion(*version, None));
            }
            (_, Outcome::Seen(seen)) => {
                self.check(place, &seen);
                self.note(asked, place, ended, Step::Saw(Some((seen.etag, version_of(seen.version)))));
            }
            (_, Outcome::Absent) => self.note(asked, place, ended, Step::Saw(None)),
            (Action::DeleteVersion(version), Outcome::Deleted(_)) => {
                self.note(asked, place, ended, Step::DeleteVersion(*version));
            }
            (_, Outcome::Deleted(marker)) => self.note(asked, place, ended, Step::Delete(marker)),
            (Action::Put(_, Condition::Matches(etag)), Outcome::ConditionFailed) => {
                self.note(asked, place, ended, Step::SawNot(*etag));
            }
            (_, Outcome::ConditionFailed) => self.note(asked, place, ended, Step::SawAny),
            (_, Outcome::Listed(entries, truncated)) => self.note_page(asked, ended, &entries, truncated),
            (_, Outcome::Opened(_) | Outcome::Done | Outcome::NotDone(_) | Outcome::Written(..)) => {}
        }
    }

    /// A key's places in time rise, whatever clocks say.
    fn check_ordinal(&mut self, place: Place, asked: &Asked, ended: Moment, ordinal: Ordinal) {
        let known = self.ordinals.entry(place).or_default();
        let later = known.iter().find(|(acknowledged, other)| *acknowledged < asked.began && *other >= ordinal);
        if let Some((_, other)) = later {
            self.wrong.push(format!("{place}: written at {ordinal:?} after {other:?} was acknowledged"));
        }
        known.push((ended, ordinal));
    }

    fn note(&mut self, asked: &Asked, place: Place, ended: Moment, step: Step) {
        let asked_by = format!("client {} at {}", asked.client, asked.gateway);
        self.history.add(place, Record { began: asked.began, ended, step, is_sure: true, asked_by });
    }

    fn note_unknown(&mut self, now_ms: u64, asked: &Asked, place: Place) {
        let action = &asked.request.action;
        let step = match action {
            Action::Put(..) | Action::Complete(..) => {
                let Some(etag) = written_by(action) else { return };
                Step::Put(etag, None, condition_of(action))
            }
            Action::Delete => Step::Delete(None),
            Action::DeleteVersion(version) => Step::DeleteVersion(*version),
            _ => return,
        };
        let ended = Moment::at_ms(now_ms.saturating_add(DEADLINE_MS));
        let asked_by = format!("client {} at {}", asked.client, asked.gateway);
        self.history.add(place, Record { began: asked.began, ended, step, is_sure: false, asked_by });
    }

    /// What was seen must be what someone sent, whole and in its place.
    fn check(&mut self, place: Place, seen: &Seen) {
        let Some(content) = self.contents.of(seen.etag) else {
            return self.wrong.push(format!("{place}: has {}, which nobody sent", short(&seen.etag)));
        };
        if values::len(content) != seen.size {
            let wanted = values::len(content);
            return self.wrong.push(format!("{place}: {} has {} bytes, not {wanted}", short(&seen.etag), seen.size));
        }
        if let Some((range, bytes)) = &seen.read
            && values::slice(content, range.clone()) != *bytes
        {
            self.wrong.push(format!("{place}: the bytes {range:?} of {} are wrong", short(&seen.etag)));
        }
    }

    /// A page tells of every key from where it began to its last, or to the end.
    fn note_page(&mut self, asked: &Asked, ended: Moment, entries: &[(String, Etag, u64)], truncated: bool) {
        let (bucket, after) = (asked.request.bucket, asked.request.key);
        let in_order = entries.iter().zip(entries.iter().skip(1)).all(|((one, ..), (next, ..))| one < next);
        if !in_order || entries.iter().any(|(key, ..)| key.as_str() <= after || !KEYS.contains(&key.as_str())) {
            self.wrong.push(format!("{bucket}: a page after {after:?} is {entries:?}"));
        }
        let last = entries.last().filter(|_| truncated).map(|(key, ..)| key.as_str());
        for key in KEYS.into_iter().filter(|key| *key > after && last.is_none_or(|last| *key <= last)) {
            let place = Place { bucket, key };
            let entry = entries.iter().find(|(found, ..)| found == key);
            if let Some((_, etag, size)) = entry {
                let wanted = self.contents.of(*etag).map(|content| values::len(content));
                if wanted != Some(*size) {
                    self.wrong.push(format!("{place}: listed with {size} bytes, not {wanted:?}"));
                }
            }
            self.note(asked, place, ended, Step::Saw(entry.map(|(_, etag, _)| (*etag, None))));
        }
    }
}

fn written_by(action: &Action) -> Option<Etag> {
    match action {
        Action::Put(value, _) => Some(value.etag()),
        Action::Complete(_, parts) => Some(etag_of_parts(&parts.iter().map(|(_, value)| *value).collect::<Vec<_>>())),
        _ => None,
    }
}

const fn condition_of(action: &Action) -> Condition {
    match action {
        Action::Put(_, condition) => *condition,
        _ => Condition::Always,
    }
}
