//! The parameters of a request of the query protocol.
//!
//! Promises: no parameter has two values: which counts would be anybody's choice.
//! Must not know: operations.

use std::str::FromStr;

use super::error::{Code, QueryError, QueryResult};
use crate::front::request::Query;
use crate::identity::Tag;

/// Parameters of a request. Each is compared with those before, for a caller that is not known yet.
const PARAMETERS_MAX: usize = 1_000;
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
            if self.0.len() >= PARAMETERS_MAX {
                let message = format!("A request has {PARAMETERS_MAX} parameters at most.");
                return Err(QueryError::new(Code::MalformedQueryString, message));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_few_and_each_has_one_value() {
        let add = |fields: &mut FormFields, text: &str| fields.add(&Query::parse(text).unwrap());
        let mut fields = FormFields::default();
        assert!(add(&mut fields, "a=1").is_ok() && add(&mut fields, "b=1&a=1").is_err());
        let many = |count: usize| (0..count).map(|number| format!("p{number}")).collect::<Vec<_>>().join("&");
        assert!(add(&mut FormFields::default(), &many(PARAMETERS_MAX)).is_ok());
        assert!(add(&mut FormFields::default(), &many(PARAMETERS_MAX + 1)).is_err());
    }
}
