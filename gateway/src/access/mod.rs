//! Access: may this principal do this? A pure decision, the same for every face.
//!
//! Policies, actions and ARNs are written in IAM's language, where the service of objects has one name whatever API it is
//! asked by.
//!
//! Promises: the answer depends on the [`Question`] alone, so that it can be shown again from an audit log. Time comes
//! with the question.
//! Must not know: HTTP, faces, how identities and buckets are kept.

pub mod acl;
pub mod arn;
mod asked;
mod condition;
pub mod context;
mod decision;
mod encoding;
pub mod key;
mod ownership;
mod pattern;
pub mod policy;
pub mod principal;
mod public_access;
mod question;
mod reason;
mod template;
#[cfg(test)]
mod tests;

pub use asked::ObjectNeeds;
pub use condition::ConditionFault;
pub use decision::{Decision, decide, is_on_place};
pub use ownership::ObjectOwnership;
pub use public_access::PublicAccessBlock;
pub use question::{AttachedPolicy, BucketFacts, ObjectFacts, Question, Resource, Rights, TargetFacts};
pub use reason::{PolicyRole, Reason, StatementRef};
