//! How a role is written in the files of a data folder.
//!
//! Must not know: which file.

use couronne_cluster::Role;

/// The role of a name that [`role_name`] gave.
pub(super) fn parse_role(name: &str) -> Option<Role> {
    [Role::StorageNode, Role::Gateway].into_iter().find(|role| role_name(*role) == name)
}

/// How a role is written.
pub(super) const fn role_name(role: Role) -> &'static str {
    match role {
        Role::StorageNode => "storage-node",
        Role::Gateway => "gateway",
        Role::Unjoined => "unjoined",
    }
}
