//! How a member tells those who keep the map that it lives, and learns of newer maps.
//!
//! ```text
//! report = version 1 u8 | map version u64 | drives: count { drive u128 | state u8 } | leads: count { range u64 }
//! answer = version 1 u8 | leader: flag u8 { drive u128 } | map: length u32, bytes (empty: none newer)
//! ```
//! Must not know: what follows from a report.

use bytes::{BufMut, Bytes};
use couronne_metadata::ids::RangeId;
use couronne_ring::DriveId;

use crate::fixed::{Malformed, Reader, put_count, put_string};

const VERSION: u8 = 1;

/// How a drive is, as its node says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveHealth {
    /// It serves.
    Serving,
    /// It serves, but has no space for new rows.
    Full,
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
}

/// What it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportAnswer {
    /// The drive whose keeper leads the map's group; none if the one asked knows of none. Then another
    /// is to be asked: one that is no member yet would never know.
    pub leader: Option<DriveId>,
    /// The map, if it is newer than what the member knows; else empty.
    pub map: Bytes,
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
            });
        }
        put_count(&mut out, self.leads.len());
        self.leads.iter().for_each(|range| out.put_u64(range.0));
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
                2 => DriveHealth::Full,
                3 => DriveHealth::Failed,
                _ => return Err(reader.malformed()),
            };
            Ok((drive, health))
        });
        let drives = drives.collect::<Result<_, Malformed>>()?;
        let count = reader.count(8)?;
        let leads = (0..count).map(|_| Ok(RangeId(reader.u64()?))).collect::<Result<_, Malformed>>()?;
        Ok(Self { map_version, drives, leads })
    }
}

impl ReportAnswer {
    /// The answer's bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = vec![VERSION, u8::from(self.leader.is_some())];
        self.leader.iter().for_each(|leader| out.put_u128(leader.0));
        put_string(&mut out, &self.map);
        out.into()
    }

    /// The answer of these bytes.
    pub fn decode(mut bytes: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&mut bytes, "answer to a report");
        if reader.u8()? != VERSION {
            return Err(reader.malformed());
        }
        let leader = if reader.flag()? { Some(DriveId(reader.u128()?)) } else { None };
        Ok(Self { leader, map: reader.string()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_come_back_and_no_prefix_does() {
        let report = Report {
            map_version: 7,
            drives: vec![(DriveId(1), DriveHealth::Serving), (DriveId(2), DriveHealth::Failed)],
            leads: vec![RangeId(3)],
        };
        let answer = ReportAnswer { leader: Some(DriveId(9)), map: Bytes::from_static(b"map") };
        assert_eq!(Report::decode(report.encode()), Ok(report.clone()));
        assert_eq!(ReportAnswer::decode(answer.encode()), Ok(answer.clone()));
        for len in 0..report.encode().len() {
            assert!(Report::decode(report.encode().slice(..len)).is_err());
        }
        for len in 0..answer.encode().len() {
            assert!(ReportAnswer::decode(answer.encode().slice(..len)).is_err());
        }
    }
}
