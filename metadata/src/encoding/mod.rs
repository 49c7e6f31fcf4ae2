//! The tables of the index: the field numbers of its records, commands and queries.
//!
//! How fields stand in bytes is the codec's matter (`couronne_base::codec`).

mod command;
mod ids;
mod listed;
mod query;
mod record;

pub(crate) use listed::ListedObject;
