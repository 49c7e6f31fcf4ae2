//! A secret that a command line names: `-` is a line of standard input, `@FILE` the first line of a file.
//!
//! Every user of the machine sees the arguments of its processes, so these two (or a variable, which only its user sees)
//! are the ways that the manual shows; the secret itself is taken as well.
//! Promises: a secret is never shown, and is wiped from memory when dropped.
//! Must not know: what a secret opens.

use std::convert::Infallible;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;
use zeroize::Zeroizing;

/// The longest line that is read, in bytes.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// Where a secret is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum SecretArgument {
    /// Here.
    Given(Zeroizing<String>),
    /// In the next line of standard input.
    Input,
    /// In the first line of a file.
    File(PathBuf),
}

/// Why a secret could not be read.
#[derive(Debug, Error)]
pub(crate) enum SecretArgumentError {
    /// Standard input or the file cannot be read.
    #[error("reading a secret from {place}: {source}")]
    Io {
        /// The file, or standard input.
        place: String,
        /// What went wrong.
        source: io::Error,
    },
    /// There is none.
    #[error("{0} has no secret in its first line")]
    Empty(String),
}

impl SecretArgument {
    /// Reads the secret.
    pub(crate) fn read(&self) -> Result<Zeroizing<String>, SecretArgumentError> {
        let (place, line) = match self {
            Self::Given(secret) => return Ok(secret.clone()),
            Self::Input => ("standard input".to_owned(), first_line(io::stdin().lock())),
            Self::File(path) => {
                #[allow(
                    clippy::disallowed_methods,
                    reason = "an operator's file, read by a command before it does anything"
                )]
                let file = File::open(path);
                (path.display().to_string(), file.and_then(|file| first_line(BufReader::new(file))))
            }
        };
        match line {
            Ok(line) if line.is_empty() => Err(SecretArgumentError::Empty(place)),
            Ok(line) => Ok(line),
            Err(source) => Err(SecretArgumentError::Io { place, source }),
        }
    }
}

/// The first line, without white space around it.
fn first_line(input: impl BufRead) -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    input.take(LINE_BYTES_MAX).read_line(&mut line)?;
    Ok(Zeroizing::new(line.trim().to_owned()))
}

impl FromStr for SecretArgument {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.strip_prefix('@') {
            _ if text == "-" => Self::Input,
            Some(path) => Self::File(path.into()),
            None => Self::Given(Zeroizing::new(text.to_owned())),
        })
    }
}

impl fmt::Debug for SecretArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Given(_) => "Given",
            Self::Input => "Input",
            Self::File(_) => "File",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "writes the files that are read")]
    use super::*;

    #[test]
    fn a_secret_is_read_from_where_the_argument_says() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("secret");
        let argument = |text: &str| text.parse::<SecretArgument>().unwrap();
        let in_file = argument(&format!("@{}", path.display()));
        assert!(matches!(in_file.read(), Err(SecretArgumentError::Io { .. })));
        for (text, secret) in [("hush\n", "hush"), ("hush", "hush"), (" hush \r\nmore\n", "hush")] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(in_file.read().unwrap().as_str(), secret, "{text:?}");
        }
        std::fs::write(&path, "\nhush").unwrap();
        assert!(matches!(in_file.read(), Err(SecretArgumentError::Empty(_))));
        assert_eq!(argument("hush").read().unwrap().as_str(), "hush");
        assert_eq!(argument("-"), SecretArgument::Input);
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", "hush".parse::<SecretArgument>().unwrap()), "Given");
    }
}
