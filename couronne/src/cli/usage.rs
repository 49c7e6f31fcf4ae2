//! The command line of usage and quotas.
//!
//! Must not know: how a command is carried out.

use clap::{Args, Subcommand};
use thiserror::Error;

use super::StatusArguments;

/// Flags of `couronne usage`.
#[derive(Args)]
pub(crate) struct UsageArguments {
    /// Name of the account; if it is not named, every account is shown
    #[arg(value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,
    /// What one bucket holds, instead of an account
    #[arg(long, value_name = "BUCKET", conflicts_with = "account")]
    pub(crate) bucket: Option<String>,
    /// What one user of the account wrote, in buckets of any account
    #[arg(long, value_name = "USER", requires = "account")]
    pub(crate) user: Option<String>,
    #[command(flatten)]
    pub(crate) output: StatusArguments,
}

/// `couronne quota ...`
#[derive(Subcommand)]
pub(crate) enum QuotaCommand {
    /// Set how much a bucket may hold, in the place of a quota that it has. What it holds already stays.
    Set(QuotaSetArguments),
    /// Show how much a bucket may hold, and how much it holds.
    Show(QuotaArguments),
    /// Let a bucket hold any amount.
    Remove(QuotaArguments),
}

/// Flags of the commands on one quota.
#[derive(Args)]
pub(crate) struct QuotaArguments {
    /// The bucket
    #[arg(long, value_name = "BUCKET")]
    pub(crate) bucket: String,
    #[command(flatten)]
    pub(crate) output: StatusArguments,
}

/// Flags of `couronne quota set`.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("bound").required(true).multiple(true).args(["bytes", "objects"])))]
pub(crate) struct QuotaSetArguments {
    #[command(flatten)]
    pub(crate) of: QuotaArguments,
    /// The most bytes of all versions and parts: a number, also with KiB, MiB, GiB or TiB behind it
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(crate) bytes: Option<u64>,
    /// The most versions of objects and parts of open uploads
    #[arg(long, value_name = "N")]
    pub(crate) objects: Option<u64>,
}

/// Why a text is no number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum SizeError {
    #[error("units are KiB, MiB, GiB and TiB")]
    Unit,
    #[error("not a number of bytes")]
    Number,
    #[error("too many bytes")]
    TooLarge,
}

/// A number of bytes, perhaps with a unit.
fn bytes(text: &str) -> Result<u64, SizeError> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let shift = match text.get(digits.len()..) {
        Some("") => 0,
        Some("KiB") => 10,
        Some("MiB") => 20,
        Some("GiB") => 30,
        Some("TiB") => 40,
        _ => return Err(SizeError::Unit),
    };
    let number: u64 = digits.parse().map_err(|_| SizeError::Number)?;
    number.checked_mul(1 << shift).ok_or(SizeError::TooLarge)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::CommandLine;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, size) in [("0", 0), ("1500", 1500), ("3KiB", 3072), ("2TiB", 2 << 40)] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "GiB", "1GB", "1 GiB", "-1", "99999999TiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_what_is_enforced_can_be_ordered() {
        let is_read = |line: &[&str]| CommandLine::try_parse_from([&["couronne"], line].concat()).is_ok();
        assert!(is_read(&["quota", "set", "--bucket", "b", "--bytes", "1GiB", "--objects", "5"]));
        assert!(!is_read(&["quota", "set", "--bucket", "b"]), "no bound");
        assert!(!is_read(&["quota", "set", "--account", "a", "--bytes", "1"]));
        assert!(!is_read(&["quota", "set", "--user", "u", "--bytes", "1"]));
        assert!(is_read(&["usage"]) && is_read(&["usage", "a", "--user", "u"]) && is_read(&["usage", "--bucket", "b"]));
        assert!(!is_read(&["usage", "--user", "u"]), "of which account?");
    }
}
