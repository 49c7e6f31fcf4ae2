//! Operations on objects: their bytes, and what stands with one version (tags, ACL).

pub(crate) mod copy_object;
pub(crate) mod delete_object;
pub(crate) mod delete_object_tagging;
pub(crate) mod delete_objects;
pub mod deleting;
pub(crate) mod get_object;
pub(crate) mod get_object_acl;
pub(crate) mod get_object_attributes;
pub(crate) mod get_object_tagging;
pub(crate) mod head_object;
pub(crate) mod post_object;
pub(crate) mod put_object;
pub(crate) mod put_object_acl;
pub(crate) mod put_object_tagging;
