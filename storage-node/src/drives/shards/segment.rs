//! Segments as files: their names, their two classes, and the page at their start.
//!
//! Promises: a segment's number is used once; each use has a fresh random generation, and the page at
//! its start is durable before any record is.
//! Must not know: records, the index.

use bytes::{Buf, BufMut, Bytes};
use couronne_base::buffer::AlignedBuffer;
use couronne_ring::DriveId;

use super::record::crc64;
use crate::disk::{Access, DIRECT_ALIGN};

/// The folder of the segments.
pub(crate) const FOLDER: &str = "segments";

/// Bytes of the page at a segment's start; the first record follows.
pub(super) const PAGE_BYTES: u64 = DIRECT_ALIGN as u64;

const MAGIC: &[u8; 8] = b"COURSEG1";
const CHECKED_BYTES: usize = 48;

/// A segment's number: rises with each use of a file as a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentNumber(pub u64);

/// What a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Small records, written through the page cache on blocks written before.
    Small,
    /// Large shards, written past the page cache.
    Large,
}

/// Which use of which file this is.
///
/// ```text
/// offset size  (integers are big-endian)
///      0    8  magic "COURSEG1"
///      8    8  number
///     16    8  generation: random, fresh with each use
///     24   16  drive
///     40    8  class: 0 small, 1 large
///     48    8  CRC-64/NVME of all bytes before
///     56       zeroes to 4,096
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentPage {
    pub(super) number: SegmentNumber,
    pub(super) generation: u64,
    pub(super) drive: DriveId,
    pub(super) class: Class,
}

impl Class {
    /// How files of this class are opened.
    pub(super) const fn access(self) -> Access {
        match self {
            Self::Small => Access::Buffered,
            Self::Large => Access::Direct,
        }
    }

    /// What records and payloads are aligned to, in bytes.
    pub(super) const fn align(self) -> usize {
        match self {
            Self::Small => 8,
            Self::Large => DIRECT_ALIGN,
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
        }
    }

    pub(super) const fn to_byte(self) -> u8 {
        match self {
            Self::Small => 0,
            Self::Large => 1,
        }
    }

    pub(super) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Small),
            1 => Some(Self::Large),
            _ => None,
        }
    }
}

/// The path of a segment.
pub(super) fn path(number: SegmentNumber, class: Class) -> String {
    format!("{FOLDER}/{:016x}.{}", number.0, class.suffix())
}

/// The number and class that a file name in [`FOLDER`] says.
pub(super) fn parse_name(name: &str) -> Option<(SegmentNumber, Class)> {
    let (number, suffix) = name.split_once('.')?;
    let class = [Class::Small, Class::Large].into_iter().find(|class| class.suffix() == suffix)?;
    let number = SegmentNumber(u64::from_str_radix(number, 16).ok()?);
    (path(number, class).strip_prefix(FOLDER)?.strip_prefix('/')? == name).then_some((number, class))
}

impl SegmentPage {
    /// The page's bytes.
    pub(super) fn encode(&self) -> Bytes {
        let mut page = AlignedBuffer::with_capacity(DIRECT_ALIGN);
        page.put_slice(MAGIC);
        page.put_u64(self.number.0);
        page.put_u64(self.generation);
        page.put_u128(self.drive.0);
        page.put_u64(u64::from(self.class.to_byte()));
        let checksum = crc64(&page);
        page.put_u64(checksum);
        page.pad_to_multiple(DIRECT_ALIGN);
        page.freeze()
    }

    /// Reads a page; `None` for anything that is not one.
    pub(super) fn decode(mut page: &[u8]) -> Option<Self> {
        let checksum = crc64(page.get(..CHECKED_BYTES)?);
        let magic = page.try_get_u64().ok()?;
        let number = SegmentNumber(page.try_get_u64().ok()?);
        let generation = page.try_get_u64().ok()?;
        let drive = DriveId(page.try_get_u128().ok()?);
        let class = Class::from_byte(u8::try_from(page.try_get_u64().ok()?).ok()?)?;
        let sound = magic == u64::from_be_bytes(*MAGIC) && page.try_get_u64().ok()? == checksum;
        sound.then_some(Self { number, generation, drive, class })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The format of a disk is read for ever: these bytes must stay what is written, and decode.
    #[test]
    fn the_first_format_is_still_read_and_written() {
        let page = SegmentPage { number: SegmentNumber(7), generation: 8, drive: DriveId(9), class: Class::Large };
        let golden = include_bytes!("../../../tests/fixtures/segment-page-1.bin");
        assert_eq!(page.encode().get(..golden.len()), Some(&golden[..]));
        assert_eq!(SegmentPage::decode(golden), Some(page));
    }

    #[test]
    fn names_and_pages_come_back() {
        for class in [Class::Small, Class::Large] {
            let number = SegmentNumber(0xab);
            let name = path(number, class);
            assert_eq!(parse_name(name.strip_prefix("segments/").unwrap()), Some((number, class)));
            let page = SegmentPage { number, generation: 5, drive: DriveId(6), class };
            let bytes = page.encode();
            assert_eq!(SegmentPage::decode(&bytes), Some(page));
            for at in 0..56 {
                let mut bytes = bytes.to_vec();
                bytes[at] ^= 1;
                assert_eq!(SegmentPage::decode(&bytes), None);
            }
        }
        for name in ["", "1.small", "00000000000000AB.small", "00000000000000ab.medium", "+0000000000000ab.small"] {
            assert_eq!(parse_name(name), None, "{name}");
        }
        assert_eq!(SegmentPage::decode(&[0; 4096]), None);
    }
}
