//! Pages of lists: `Marker`, `MaxItems`, `IsTruncated`.
//!
//! Must not know: what is listed.

use crate::aws::xml::Writer;
use crate::iam::call::Call;
use crate::iam::error::QueryError;

/// Entries of a page, if the request does not say.
const ITEMS_DEFAULT: u64 = 100;
const ITEMS_MAX: u64 = 1_000;

/// What a request asks for.
pub(super) struct Page<'a> {
    /// After which entry it begins; empty: at the first.
    pub(super) after: &'a str,
    /// At most so many entries.
    pub(super) limit: u32,
}

impl<'a> Page<'a> {
    /// The page that a request asks for.
    pub(super) fn of(call: &'a Call<'_>) -> Result<Self, QueryError> {
        let limit = call.request.form.between("MaxItems", 1, ITEMS_MAX)?.unwrap_or(ITEMS_DEFAULT);
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        Ok(Self { after: call.get("Marker").unwrap_or_default(), limit })
    }

    /// The page of a list that is at hand, sorted by a name.
    pub(super) fn take<T>(&self, all: Vec<T>, name: impl Fn(&T) -> &str) -> (Vec<T>, Option<Box<str>>) {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let mut rest = all.into_iter().filter(|entry| self.after.is_empty() || name(entry) > self.after);
        let entries: Vec<_> = rest.by_ref().take(limit).collect();
        let next = rest.next().and_then(|_| entries.last()).map(|last| name(last).into());
        (entries, next)
    }
}

/// Writes a list.
pub(super) fn write<T>(xml: &mut Writer, name: &str, entries: &[T], entry: impl Fn(&mut Writer, &T)) {
    xml.element(name, |xml| entries.iter().for_each(|one| xml.element("member", |xml| entry(xml, one))));
}

/// Writes whether more follows.
pub(super) fn write_end(xml: &mut Writer, next: Option<&str>) {
    xml.value("IsTruncated", next.is_some());
    xml.optional("Marker", next);
}
