//! How a member tells those who keep the map that it lives, and learns of newer maps.
//!
//! ```text
//! report = version 1 u8 | map version u64 | drives: count { drive u128 | state u8 } | leads: count { range u64 }
//!          | build: length u32, text | wall clock u64 (milliseconds) | its wall clock is doubted: flag u8
//! answer = version 1 u8 | leader: flag u8 { drive u128 } | map: length u32, bytes (empty: none newer)
//!          | clock: 0, 1 or 2 u8 { milliseconds i64, after 2 }
//! ```
//! A report may end before the build, or before the last flag, and an answer before the clock: earlier releases
//! did. What follows the last field is skipped, so that later ones may say more; a drive in a state that is not
//! known yet counts as one that serves and takes nothing new, for a member that reports lives.
//! Must not know: what follows from a report.

use bytes::{BufMut, Bytes};
use couronne_metadata::ids::RangeId;
use couronne_ring::DriveId;

use couronne_base::fixed::{Malformed, Reader, put_count, put_string};

const VERSION: u8 = 1;

/// The longest name of a build, in bytes.
const BUILD_BYTES_MAX: usize = 64;

/// How a drive is, as its node says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveHealth {
    /// It serves.
    Serving,
    /// It serves, but has no space for new rows.
    Full,
    /// It serves, but its node is about to stop for a while.
    Leaving,
    /// It does not serve.
    Failed,
}

/// What a member says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The version of the map it knows.
    pub map_version: u64,
    /// Its drives.
    pub drives: Vec<(DriveId, DriveHealth)>,
    /// The ranges that replicas of its lead.
    pub leads: Vec<RangeId>,
    /// The version of its binary; empty: it did not say.
    pub build: String,
    /// Its wall clock, in milliseconds since 1970; 0: it did not say.
    pub wall_ms: u64,
    /// Whether it doubts its wall clock.
    pub doubts_clock: bool,
}

/// What is said of a member's wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockWord {
    /// The one asked cannot say.
    #[default]
    Unsaid,
    /// Nobody can: too few storage nodes were heard of, or most of them doubt their clocks.
    Unknown,
    /// How far it is ahead of the median of the storage nodes', in milliseconds.
    Ahead(i64),
}

/// What it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportAnswer {
    /// The drive whose keeper leads the map's group; none if the one asked knows of none. Then another
    /// is to be asked: one that is no member yet would never know.
    pub leader: Option<DriveId>,
    /// The map, if it is newer than what the member knows; else empty.
    pub map: Bytes,
    /// What is said of its wall clock.
    pub clock: ClockWord,
}

impl Report {
    /// The report's bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = vec![VERSION];
        out.put_u64(self.map_version);
        put_count(&mut out, self.drives.len());
        for (drive, health) in &self.drives {
            out.put_u128(drive.0);
            out.put_u8(match health {
                DriveHealth::Serving => 1,
                DriveHealth::Full => 2,
                DriveHealth::Failed => 3,
                DriveHealth::Leaving => 4,
            });
        }
        put_count(&mut out, self.leads.len());
        self.leads.iter().for_each(|range| out.put_u64(range.0));
        put_string(&mut out, self.build.as_bytes());
        out.put_u64(self.wall_ms);
        out.put_u8(u8::from(self.doubts_clock));
        out.into()
    }

    /// The report of these bytes.
    pub fn decode(mut bytes: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&mut bytes, "report");
        if reader.u8()? != VERSION {
            return Err(reader.malformed());
        }
        let map_version = reader.u64()?;
        let count = reader.count(17)?;
        let drives = (0..count).map(|_| {
            let drive = DriveId(reader.u128()?);
            let health = match reader.u8()? {
                1 => DriveHealth::Serving,
                3 => DriveHealth::Failed,
                4 => DriveHealth::Leaving,
                _ => DriveHealth::Full,
            };
            Ok((drive, health))
        });
        let drives = drives.collect::<Result<_, Malformed>>()?;
        let count = reader.count(8)?;
        let leads = (0..count).map(|_| Ok(RangeId(reader.u64()?))).collect::<Result<_, Malformed>>()?;
        if reader.is_empty() {
            return Ok(Self { map_version, drives, leads, ..Self::default() });
        }
        let build = reader.text()?;
        if build.len() > BUILD_BYTES_MAX || !build.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(reader.malformed());
        }
        let wall_ms = reader.u64()?;
        let doubts_clock = !reader.is_empty() && reader.flag()?;
        Ok(Self { map_version, drives, leads, build, wall_ms, doubts_clock })
    }
}

impl ReportAnswer {
    /// The answer's bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = vec![VERSION, u8::from(self.leader.is_some())];
        self.leader.iter().for_each(|leader| out.put_u128(leader.0));
        put_string(&mut out, &self.map);
        match self.clock {
            ClockWord::Unsaid => out.put_u8(0),
            ClockWord::Unknown => out.put_u8(1),
            ClockWord::Ahead(ms) => {
                out.put_u8(2);
                out.put_i64(ms);
            }
        }
        out.into()
    }

    /// The answer of these bytes.
    pub fn decode(mut bytes: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&mut bytes, "answer to a report");
        if reader.u8()? != VERSION {
            return Err(reader.malformed());
        }
        let leader = if reader.flag()? { Some(DriveId(reader.u128()?)) } else { None };
        let map = reader.string()?;
        if reader.is_empty() {
            return Ok(Self { leader, map, clock: ClockWord::Unsaid });
        }
        let clock = match reader.u8()? {
            1 => ClockWord::Unknown,
            2 => ClockWord::Ahead(i64::from_be_bytes(reader.u64()?.to_be_bytes())),
            _ => ClockWord::Unsaid,
        };
        Ok(Self { leader, map, clock })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            map_version: 7,
            drives: vec![(DriveId(1), DriveHealth::Serving), (DriveId(2), DriveHealth::Failed)],
            leads: vec![RangeId(3)],
            build: "0.1.0".to_owned(),
            wall_ms: 1_800_000_000_000,
            doubts_clock: true,
        }
    }

    #[test]
    fn both_come_back_and_no_prefix_does() {
        let report = report();
        assert_eq!(Report::decode(report.encode()), Ok(report.clone()));
        let before_flag_len = report.encode().len() - 1;
        let before_build_len = before_flag_len - (4 + report.build.len() + 8);
        for len in (0..before_flag_len).filter(|len| *len != before_build_len) {
            assert!(Report::decode(report.encode().slice(..len)).is_err());
        }
        let earlier = Report { doubts_clock: false, ..report.clone() };
        assert_eq!(Report::decode(report.encode().slice(..before_flag_len)), Ok(earlier.clone()));
        let earliest = Report { build: String::new(), wall_ms: 0, ..earlier };
        assert_eq!(Report::decode(report.encode().slice(..before_build_len)), Ok(earliest));
        let later = [&report.encode()[..], b"more"].concat();
        assert_eq!(Report::decode(later.into()), Ok(report.clone()));
        let unknown = [&report.encode()[..29], &[9], &report.encode()[30..]].concat();
        assert_eq!(Report::decode(unknown.into()).unwrap().drives[0].1, DriveHealth::Full);
        let hostile = Report { build: "\x1b[2J".to_owned(), ..report };
        assert!(Report::decode(hostile.encode()).is_err());
    }

    #[test]
    fn answers_come_back_and_earlier_ones_say_nothing_of_clocks() {
        for clock in [ClockWord::Unsaid, ClockWord::Unknown, ClockWord::Ahead(-7), ClockWord::Ahead(i64::MAX)] {
            let answer = ReportAnswer { leader: Some(DriveId(9)), map: Bytes::from_static(b"map"), clock };
            let encoded = answer.encode();
            assert_eq!(ReportAnswer::decode(encoded.clone()), Ok(answer.clone()));
            let earlier_len = 1 + 17 + 4 + 3;
            let earlier = ReportAnswer { clock: ClockWord::Unsaid, ..answer };
            assert_eq!(ReportAnswer::decode(encoded.slice(..earlier_len)), Ok(earlier));
            for len in (0..encoded.len()).filter(|len| *len != earlier_len) {
                assert!(ReportAnswer::decode(encoded.slice(..len)).is_err());
            }
        }
    }
}
