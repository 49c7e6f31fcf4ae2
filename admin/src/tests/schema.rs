//! A strict reader of the part of JSON Schema that the document uses: a keyword that it does not know is a finding,
//! and so is a field that a schema does not name.

use serde_json::{Map, Value};

/// Where and why a value is not what a schema says; empty: it is.
pub(super) fn findings(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut reader = Reader { document, findings: Vec::new() };
    reader.check("", schema, value);
    reader.findings
}

struct Reader<'a> {
    document: &'a Value,
    findings: Vec<String>,
}

impl Reader<'_> {
    fn check(&mut self, at: &str, schema: &Value, value: &Value) {
        let Some(schema) = schema.as_object() else { return self.find(at, "no schema is there") };
        for (keyword, rule) in schema {
            match keyword.as_str() {
                "$ref" => {
                    let pointer = rule.as_str().unwrap().trim_start_matches('#');
                    match self.document.pointer(pointer) {
                        Some(schema) => self.check(at, schema, value),
                        None => self.find(at, &format!("there is no {pointer}")),
                    }
                }
                "type" if !is_of_type(rule, value) => self.find(at, &format!("{value} is no {rule}")),
                "const" if rule != value => self.find(at, &format!("{value} is not {rule}")),
                "enum" if !rule.as_array().unwrap().contains(value) => {
                    self.find(at, &format!("{value} is none of {rule}"))
                }
                "minimum" if value.is_number() && value.as_f64() < rule.as_f64() => {
                    self.find(at, &format!("{value} is below {rule}"))
                }
                "maximum" if value.is_number() && value.as_f64() > rule.as_f64() => {
                    self.find(at, &format!("{value} is above {rule}"))
                }
                "oneOf" | "anyOf" => {
                    let fits = |schema: &&Value| findings(self.document, schema, value).is_empty();
                    if rule.as_array().unwrap().iter().filter(fits).count() != 1 {
                        self.find(at, &format!("{value} is not one of {rule}"));
                    }
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(&format!("{at}/{index}"), rule, item);
                    }
                }
                "required" => {
                    for name in rule.as_array().unwrap() {
                        if value.get(name.as_str().unwrap()).is_none() {
                            self.find(at, &format!("{name} is missing"));
                        }
                    }
                }
                "type" | "const" | "enum" | "minimum" | "maximum" => {}
                "properties" | "additionalProperties" => {}
                "description" | "title" | "format" | "default" => {}
                _ => self.find(at, &format!("the keyword {keyword} is not known")),
            }
        }
        if let Some(fields) = value.as_object() {
            self.check_fields(at, schema, fields);
        }
    }

    fn check_fields(&mut self, at: &str, schema: &Map<String, Value>, fields: &Map<String, Value>) {
        let is_elsewhere = ["$ref", "oneOf", "anyOf"].iter().any(|keyword| schema.contains_key(*keyword));
        for (name, field) in fields {
            let named = schema.get("properties").and_then(|properties| properties.get(name));
            match named.or(schema.get("additionalProperties").filter(|schema| schema.is_object())) {
                Some(schema) => self.check(&format!("{at}/{name}"), schema, field),
                None if is_elsewhere => {}
                None => self.find(at, &format!("{name} is not in the schema")),
            }
        }
    }

    fn find(&mut self, at: &str, what: &str) {
        self.findings.push(format!("{at}: {what}"));
    }
}

fn is_of_type(rule: &Value, value: &Value) -> bool {
    if let Some(several) = rule.as_array() {
        return several.iter().any(|rule| is_of_type(rule, value));
    }
    match rule.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("no value here is a {other}"),
    }
}

#[test]
fn what_does_not_fit_is_found() {
    let schema = serde_json::json!({
        "type": "object", "required": ["a"],
        "properties": { "a": { "type": ["integer", "null"], "minimum": 0 }, "b": { "oneOf": [{ "const": "x" }] } },
    });
    let found = |value| findings(&Value::Null, &schema, &value).len();
    assert_eq!(found(serde_json::json!({ "a": 1, "b": "x" })), 0);
    assert_eq!(found(serde_json::json!({ "a": null })), 0);
    for wrong in [r#"{}"#, r#"{"a":-1}"#, r#"{"a":"1"}"#, r#"{"a":1,"b":"y"}"#, r#"{"a":1,"c":2}"#, "7"] {
        assert_ne!(found(serde_json::from_str(wrong).unwrap()), 0, "{wrong}");
    }
}
