//! The OpenAPI 3.1 document, made of the table of endpoints and the schemas of the types.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::endpoints::{Access, Content, ENDPOINTS, Row, parameter_name};
use crate::types::{ApiError, ErrorCode};

/// Where the document's schemas stand in it.
pub(super) const SCHEMAS: &str = "/components/schemas";

/// The document.
pub(super) fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = SCHEMAS.into());
    let mut generator = settings.into_generator();
    let error = generator.subschema_for::<ApiError>();
    let mut paths = Map::new();
    for row in ENDPOINTS {
        let (request, response) = (row.schemas)(&mut generator);
        let path = paths.entry(row.path).or_insert_with(|| json!({}));
        path[row.method.as_str().to_lowercase()] = operation(row, &request, &response, &error);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Couronne admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What operators see of a cluster and order it to do. Every process answers alike.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "admin_token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "What `couronne secrets show admin-token` prints at a storage node.",
                },
                "reading_token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "What `couronne secrets show reading-token` prints: it reads, and gives no orders.",
                },
            },
        },
    })
}

fn operation(row: &Row, request: &Schema, response: &Schema, error: &Schema) -> Value {
    let summary = row.summary.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    let security = match row.access {
        Access::Open => json!([]),
        Access::Reading => json!([{ "reading_token": [] }, { "admin_token": [] }]),
        Access::Orders => json!([{ "admin_token": [] }]),
    };
    let parameters = row.path.split('/').filter_map(parameter_name);
    let parameters: Vec<Value> = parameters
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    let mut operation = json!({
        "operationId": snake_case(row.name),
        "summary": summary,
        "security": security,
        "responses": responses(row, has_body(request), response, error),
    });
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if has_body(request) {
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": request } } });
    }
    operation
}

fn responses(row: &Row, has_request: bool, response: &Schema, error: &Schema) -> Value {
    let content_type = match row.content {
        Content::Json => "application/json",
        Content::Text => "text/plain",
    };
    let mut done = json!({ "description": "It was carried out." });
    if has_body(response) {
        done["content"] = json!({ content_type: { "schema": response } });
    }
    let mut responses = json!({ row.status.to_string(): done });
    let of_tokens: &[ErrorCode] = match row.access {
        Access::Open => &[],
        Access::Reading => &[ErrorCode::Unauthenticated, ErrorCode::TooManyRequests],
        Access::Orders => &[ErrorCode::Unauthenticated, ErrorCode::TooManyRequests, ErrorCode::Forbidden],
    };
    let of_tokens = of_tokens.iter().copied();
    let of_bodies = if has_request { vec![ErrorCode::InvalidRequest, ErrorCode::BodyTooLarge] } else { Vec::new() };
    let codes = row.errors.iter().copied().chain(of_tokens).chain(of_bodies).chain([ErrorCode::Internal]);
    for code in codes {
        let name = serde_json::to_value(code).unwrap();
        responses[code.status().as_str()] = json!({
            "description": format!("Refused with code `{}`.", name.as_str().unwrap()),
            "content": { "application/json": { "schema": error } },
        });
    }
    responses
}

/// Whether there is a body: `()` is `null`.
fn has_body(schema: &Schema) -> bool {
    schema.get("type") != Some(&json!("null"))
}

/// `GetStatus` as `get_status`.
fn snake_case(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.extend(letter.to_lowercase());
    }
    words
}
