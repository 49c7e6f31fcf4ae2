//! What is wrong with a policy document, in AWS's words.
//!
//! IAM and S3 word the same fault differently, so an error knows what kind of policy it was.

use std::fmt;

use thiserror::Error;

use super::kind::PolicyKind;
use crate::access::condition::ConditionFault;

/// A fault of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyFault {
    /// It does not begin with `{`.
    NotAnObject,
    /// It is no JSON, or a key stands twice in one object.
    Json,
    /// An element is unknown, of the wrong type, doubled by its opposite, or empty.
    Syntax,
    /// It is too long: the limit in bytes or characters.
    TooLong(usize),
    /// The version is none, or none that may be put.
    Version,
    /// It has no statement.
    NoStatement,
    /// A required element is missing or empty.
    Missing(&'static str),
    /// An element that this kind of policy must not have.
    Prohibited(&'static str),
    /// A statement's id stands twice.
    SidNotUnique,
    /// A statement's id has other characters than letters and digits.
    SidCharacters,
    /// An effect other than `Allow` and `Deny`.
    Effect(Box<str>),
    /// A principal of no known form.
    Principal,
    /// `NotPrincipal` beside `Allow`.
    AllowWithNotPrincipal,
    /// An action without a service.
    ActionWithoutService,
    /// An action with more than one colon.
    ActionColons,
    /// A service that cannot be one.
    ActionService(Box<str>),
    /// An action that a bucket policy cannot name, or that a trust policy cannot.
    Action,
    /// A resource that is no ARN.
    NotAnArn(Box<str>),
    /// A resource of another partition.
    Partition(Box<str>, Box<str>),
    /// An ARN with too few parts.
    ShortArn,
    /// A resource that is not the bucket's.
    Resource,
    /// An action that none of the statement's resources can have.
    ActionOfNoResource,
    /// A condition's key that is none.
    ConditionKey,
    /// A condition's key that no action of the statement has.
    ConditionOfNoAction,
    /// A condition's operator or value.
    Condition(ConditionFault),
}

impl From<ConditionFault> for PolicyFault {
    fn from(fault: ConditionFault) -> Self {
        Self::Condition(fault)
    }
}

/// Why a document is no policy of its kind.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub struct PolicyError {
    /// Whether it was to be a bucket's policy: S3 answers `MalformedPolicy`, IAM `MalformedPolicyDocument`.
    pub of_bucket: bool,
    /// The fault.
    pub fault: PolicyFault,
}

impl PolicyError {
    pub(super) const fn new(kind: PolicyKind<'_>, fault: PolicyFault) -> Self {
        Self { of_bucket: matches!(kind, PolicyKind::Bucket(_)), fault }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.of_bucket { bucket_text(&self.fault, f) } else { iam_text(&self.fault, f) }
    }
}

fn bucket_text(fault: &PolicyFault, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match fault {
        PolicyFault::NotAnObject => f.write_str("Policies must be valid JSON and the first byte must be '{'"),
        PolicyFault::Json => f.write_str("This policy contains invalid Json"),
        PolicyFault::TooLong(limit) => {
            write!(f, "Normalized policy document exceeds the maximum allowed size of {limit} bytes")
        }
        PolicyFault::Version => f.write_str("The policy must contain a valid version string"),
        PolicyFault::NoStatement => f.write_str("Could not parse the policy: Statement is empty!"),
        PolicyFault::Missing("Statement") => f.write_str("Missing required field Statement"),
        PolicyFault::Missing(element) => write!(f, "Missing required field {element} cannot be empty!"),
        PolicyFault::Effect(effect) => write!(f, "Invalid effect: {effect}"),
        PolicyFault::Principal => f.write_str("Invalid principal in policy"),
        PolicyFault::AllowWithNotPrincipal => f.write_str("Allow with NotPrincipal is not allowed"),
        PolicyFault::Action
        | PolicyFault::ActionWithoutService
        | PolicyFault::ActionColons
        | PolicyFault::ActionService(_) => f.write_str("Policy has invalid action"),
        PolicyFault::Resource | PolicyFault::NotAnArn(_) | PolicyFault::Partition(..) | PolicyFault::ShortArn => {
            f.write_str("Policy has invalid resource")
        }
        PolicyFault::ActionOfNoResource => f.write_str("Action does not apply to any resource(s) in statement"),
        PolicyFault::ConditionKey => f.write_str("Policy has an invalid condition key"),
        PolicyFault::ConditionOfNoAction => {
            f.write_str("Conditions do not apply to combination of actions and resources in statement")
        }
        PolicyFault::Condition(fault) => write!(f, "{fault}"),
        PolicyFault::Syntax | PolicyFault::Prohibited(_) | PolicyFault::SidNotUnique | PolicyFault::SidCharacters => {
            f.write_str("Invalid policy syntax.")
        }
    }
}

fn iam_text(fault: &PolicyFault, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match fault {
        PolicyFault::TooLong(limit) => write!(f, "Cannot exceed quota for PolicySize: {limit}"),
        PolicyFault::Version => f.write_str("Policy document must be version 2012-10-17 or greater."),
        PolicyFault::Missing("Action") => f.write_str("Policy statement must contain actions."),
        PolicyFault::Missing("Resource") => f.write_str("Policy statement must contain resources."),
        PolicyFault::Missing("Principal") => f.write_str("Missing required field Principal cannot be empty!"),
        PolicyFault::Prohibited("Principal") => f.write_str("Policy document should not specify a principal."),
        PolicyFault::Prohibited(element) => write!(f, "Has prohibited field {element}"),
        PolicyFault::SidNotUnique => f.write_str("Statement IDs (SID) in a single policy must be unique."),
        PolicyFault::SidCharacters => f.write_str(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
        ),
        PolicyFault::Effect(_) | PolicyFault::ShortArn => f.write_str("The policy failed legacy parsing"),
        PolicyFault::Principal | PolicyFault::AllowWithNotPrincipal => f.write_str("Invalid principal in policy"),
        PolicyFault::ActionWithoutService => {
            f.write_str("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
        }
        PolicyFault::ActionColons => f.write_str("Actions/Condition can contain only one colon."),
        PolicyFault::ActionService(service) => write!(f, "Vendor {service} is not valid"),
        PolicyFault::Action => f.write_str("AssumeRole policy may only specify STS AssumeRole actions."),
        PolicyFault::NotAnArn(text) => write!(f, "Resource {text} must be in ARN format or \"*\"."),
        PolicyFault::Partition(partition, text) => {
            write!(f, "Partition \"{partition}\" is not valid for resource \"{text}\".")
        }
        PolicyFault::Condition(ConditionFault::Value(_) | ConditionFault::IpAddress) => {
            f.write_str("The policy failed legacy parsing")
        }
        _ => f.write_str("Syntax errors in policy."),
    }
}
