//! The ways in which the map may change, one a file, and what follows from a map for the processes that act by it.
//!
//! Promises: pure; a change that is refused leaves the map as it was.
//! Must not know: how a change is made durable.

mod authority;
mod clock;
mod create_policy;
mod expel;
mod follow_reports;
mod form;
mod found;
mod give_up_replica;
mod join;
mod leaders;
mod place_replicas;
mod register;
mod relocate;
mod renew_replicas;
mod replace_drive;
mod set_default_policy;

pub use authority::{AuthorityStep, awaited_members, begin_rotation, keep_authority, reset_number, reset_trust};
pub use clock::{NodeClock, median_ms, raise_time};
pub use create_policy::{check_first_policy, create_policy};
pub use expel::expel;
pub use follow_reports::{Followed, Reports, follow_reports};
pub use form::{are_all_there, can_form, complete_meta_group, form};
pub use found::{Founding, found};
pub use give_up_replica::give_up_replica;
pub use join::{is_member_name, join};
pub use leaders::wanted_leaders;
pub use place_replicas::{Placed, place_replicas};
pub use register::{StartedDrive, check_survivors, register};
pub use relocate::relocate;
pub use renew_replicas::{can_do_without, has_votes, ranges_in_need, renew_drive, renew_replicas, renewable};
pub use replace_drive::{check_quorum, check_spare};
pub use set_default_policy::set_default_policy;
