//! The parameters of a request of the query protocol.
//!
//! Promises: no parameter has two values: which counts would be anybody's choice.
//! Must not know: operations.

use std::str::FromStr;

use super::error::{Code, QueryError, QueryResult};
use crate::front::request::Query;
use crate::identity::Tag;

/// Entries of a list that are looked at.
const LIST_MAX: usize = 200;

/// Parameters, decoded.
#[derive(Debug, Default)]
pub(super) struct FormFields(Vec<(String, String)>);

impl FormFields {
    /// Adds parameters as they stand in a query or a body.
    pub(super) fn add(&mut self, parameters: &Query) -> QueryResult<()> {
        for (name, value) in parameters.iter() {
            if self.get(name).is_some() {
                return Err(QueryError::new(
                    Code::MalformedQueryString,
                    format!("The parameter {name} is given twice."),
                ));
            }
            self.0.push((name.to_owned(), value.to_owned()));
        }
        Ok(())
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that has to be there.
    pub(super) fn need(&self, name: &str) -> QueryResult<&str> {
        let missing = || {
            let message = format!(
                "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
            );
            QueryError::new(Code::ValidationError, message)
        };
        self.get(name).ok_or_else(missing)
    }

    /// A number or a word that is read as such.
    pub(super) fn parsed<T: FromStr>(&self, name: &str) -> QueryResult<Option<T>> {
        let wrong = |value: &str| QueryError::new(Code::ValidationError, format!("{value} is no value of {name}."));
        self.get(name).map(|value| value.parse().map_err(|_| wrong(value))).transpose()
    }

    /// A number that lies between two.
    pub(super) fn between(&self, name: &str, least: u64, most: u64) -> QueryResult<Option<u64>> {
        let Some(number) = self.parsed::<u64>(name)? else { return Ok(None) };
        if number < least || number > most {
            let message = format!(
                "1 validation error detected: Value '{number}' at '{name}' failed to satisfy constraint: Member must have value between {least} and {most}"
            );
            return Err(QueryError::new(Code::ValidationError, message));
        }
        Ok(Some(number))
    }

    /// The values of a list.
    pub(super) fn list(&self, name: &str) -> QueryResult<Vec<&str>> {
        self.list_of(name, "")
    }

    /// The values of one member of each structure in a list; `member` begins with a dot.
    pub(super) fn list_of(&self, name: &str, member: &str) -> QueryResult<Vec<&str>> {
        let values: Vec<_> =
            (1..=LIST_MAX + 1).map_while(|at| self.get(&format!("{name}.member.{at}{member}"))).collect();
        if values.len() > LIST_MAX {
            return Err(QueryError::new(Code::ValidationError, format!("{name} has more than {LIST_MAX} values.")));
        }
        Ok(values)
    }

    /// The tags.
    pub(super) fn tags(&self) -> QueryResult<Vec<Tag>> {
        let keys = self.list_of("Tags", ".Key")?;
        let value = |at: usize| self.get(&format!("Tags.member.{at}.Value")).unwrap_or_default();
        Ok((1..).zip(keys).map(|(at, key)| Tag { key: key.into(), value: value(at).into() }).collect())
    }
}
