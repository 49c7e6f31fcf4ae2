//! The forms of the identifiers that rows name each other by.
//!
//! Must not know: rows.

/// How many digits the number of an account has.
pub const ACCOUNT_NUMBER_DIGITS: usize = 12;

/// How many characters a unique id has after its prefix.
const UNIQUE_CHARACTERS: usize = 16;

/// Whether an account may have this canonical id.
pub fn is_account_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Whether an account may have this number: 12 digits, not all of them 0.
pub fn is_account_number(number: &str) -> bool {
    number.len() == ACCOUNT_NUMBER_DIGITS
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && number.bytes().any(|byte| byte != b'0')
}

/// Whether this is a unique id with that prefix, as IAM's are: 16 of A to Z and 2 to 7 follow it.
pub fn is_unique_id(id: &str, prefix: &str) -> bool {
    let is_of_alphabet = |byte: u8| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte);
    id.strip_prefix(prefix).is_some_and(|rest| rest.len() == UNIQUE_CHARACTERS && rest.bytes().all(is_of_alphabet))
}
