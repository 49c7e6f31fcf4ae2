//! Whether the cluster can do without drives that serve, by what all its storage nodes say.
//!
//! The map alone tells which drives are down. That a drive is still refilled, that blobs are not whole, or that a range
//! lacks replicas is known to the leaders of ranges only, so that they are asked.
//! Promises: pure; what is not known counts as away. Must not know: who wants to do without what.

use couronne_admin::types::{ApiError, ClusterStatus, Drive, DriveState, ErrorCode};
use couronne_cluster::map::MAP_RANGE;

/// Refuses to do without the drives that `is_spared` names while anything else is away, is still refilled or not whole.
pub(super) fn check(status: &ClusterStatus, is_spared: impl Fn(&Drive) -> bool) -> Result<(), ApiError> {
    let refused = |why: String| {
        let message = format!("{why}: nothing that serves can be done without meanwhile");
        Err(ApiError::new(ErrorCode::Conflict, message))
    };
    let is_there =
        |drive: &Drive| matches!(drive.state, DriveState::Writable | DriveState::Full | DriveState::Stopping);
    // What is expelled is waited for no more once it is lost: what is to be made up for then is told below.
    let is_gone = |drive: &Drive| drive.expelled_ms.is_some() && drive.state == DriveState::Lost;
    let is_missed = |drive: &&Drive| !is_spared(drive) && !is_there(drive) && !is_gone(drive);
    if let Some(away) = status.drives.iter().find(is_missed) {
        return refused(format!("drive {} of node {} is {}", away.id, away.node, away.state.name()));
    }
    let spared: Vec<&str> =
        status.drives.iter().filter(|drive| is_spared(drive)).map(|drive| drive.id.as_str()).collect();
    for range in &status.ranges {
        let lacks = |replica: &&String| !range.serving.contains(replica) && !spared.contains(&replica.as_str());
        if range.leader.is_none() || range.replicas.iter().any(|replica| lacks(&replica)) {
            let of =
                if range.range == MAP_RANGE.0 { "the meta group".to_owned() } else { format!("range {}", range.range) };
            return refused(format!("not all replicas of {of} serve"));
        }
    }
    // What repair has to do for drives that do not serve is no reason to keep these, unless they hold the last of something.
    let spared_serve = status.drives.iter().filter(|drive| is_spared(drive)).all(is_there);
    if status.durability.survives < 0 {
        return refused("not all can be read, and what is missing may be on what is away".to_owned());
    }
    let missing = status.repair.pending.saturating_add(status.repair.parked);
    if spared_serve && missing > 0 {
        return refused(format!("{missing} blobs or ranges are not whole"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use couronne_admin::types::Range;

    use super::*;

    fn drive(id: &str, state: DriveState) -> Drive {
        Drive { id: id.to_owned(), state, ..Drive::default() }
    }

    fn range(serving: &[&str], leader: Option<&str>) -> Range {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Range {
            range: 1,
            replicas: texts(&["a", "b", "c"]),
            serving: texts(serving),
            leader: leader.map(str::to_owned),
            voters: texts(&["a", "b", "c"]),
            wanted: 3,
            ..Range::default()
        }
    }

    #[test]
    fn only_where_all_else_is_whole() {
        let whole = ClusterStatus {
            drives: ["a", "b", "c"].map(|id| drive(id, DriveState::Writable)).to_vec(),
            ranges: vec![range(&["a", "b", "c"], Some("a"))],
            ..ClusterStatus::default()
        };
        let check = |status: &ClusterStatus| check(status, |drive| drive.id == "a").map_err(|error| error.message);
        assert_eq!(check(&whole), Ok(()));
        for state in [DriveState::Down, DriveState::Lost, DriveState::Refilling] {
            let mut status = whole.clone();
            status.drives[1].state = state;
            assert!(check(&status).unwrap_err().contains("drive b"), "{state:?}");
            let mut own = whole.clone();
            own.drives[0].state = state;
            assert_eq!(check(&own), Ok(()), "it is that drive that is done without");
        }
        let mut expelled = whole.clone();
        expelled.drives.push(Drive { expelled_ms: Some(7), ..drive("d", DriveState::Down) });
        assert!(check(&expelled).unwrap_err().contains("drive d"), "it is not lost yet");
        expelled.drives[3].state = DriveState::Lost;
        assert_eq!(check(&expelled), Ok(()));
        for range in [range(&["a", "b"], Some("a")), range(&["a", "b", "c"], None)] {
            assert!(check(&ClusterStatus { ranges: vec![range], ..whole.clone() }).unwrap_err().contains("range 1"));
        }
        assert_eq!(check(&ClusterStatus { ranges: vec![range(&["b", "c"], Some("b"))], ..whole.clone() }), Ok(()));
        let mut status = whole.clone();
        status.repair.pending = 1;
        assert!(check(&status).is_err());
        let mut status = whole;
        status.repair.parked = 1;
        assert!(check(&status).is_err());
        status.drives[0].state = DriveState::Down;
        assert_eq!(check(&status), Ok(()), "what is parked may wait for that very drive");
        status.durability.survives = -1;
        assert!(check(&status).unwrap_err().contains("not all can be read"), "it has the last of something");
    }
}
