//! The field encodings of a ring's identities.

use couronne_base::codec::table::newtype;

use crate::ids::{DriveId, Epoch, NodeId};

newtype! { DriveId Epoch NodeId }
