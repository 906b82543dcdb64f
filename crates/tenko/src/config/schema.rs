//! The JSON schema of a configuration, for editors.

use serde_json::{Map, Value, json};

use super::keys::{Form, Key, TOP};

/// The schema, as JSON (draft 2020-12), made from the tables that the file is read with.
pub fn schema() -> String {
    let mut schema = table(TOP);
    schema.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".into(), json!("tenko.toml"));
    format!("{:#}\n", Value::Object(schema))
}

fn table(keys: &[Key]) -> Map<String, Value> {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|key| {
            let mut schema = form(&key.form);
            schema.insert("description".into(), json!(key.doc));
            (key.name.to_owned(), Value::Object(schema))
        })
        .collect();
    object(json!({ "type": "object", "properties": properties, "additionalProperties": false }))
}

fn form(form_of: &Form) -> Map<String, Value> {
    object(match form_of {
        Form::Text | Form::Secret => json!({ "type": "string" }),
        Form::Duration => json!({ "type": "string", "examples": ["30m", "1h30m", "2 days"] }),
        Form::Size => json!({ "type": ["string", "integer"], "minimum": 0, "examples": ["10kB", 2048] }),
        Form::Shrink => json!({ "type": ["string", "integer"], "minimum": 0, "examples": ["20%", "100MB"] }),
        Form::Flag => json!({ "type": "boolean" }),
        Form::Texts => {
            json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
        }
        Form::List => json!({ "type": "array", "items": { "type": "string" } }),
        Form::Choice(words) => json!({ "enum": words }),
        Form::Number(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Form::Codes => {
            json!({ "type": "array", "minItems": 1, "items": { "type": "integer", "minimum": 0, "maximum": 255 } })
        }
        Form::Moment => json!({ "type": "string", "examples": ["2026-04-01", "2026-04-01T05:00:00+09:00"] }),
        Form::Table(keys) => return table(keys),
        Form::Short(short, keys) => json!({ "anyOf": [form(short), table(keys)] }),
        Form::Named(keys) => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[a-z0-9][a-z0-9_-]{0,99}$" },
            "additionalProperties": table(keys),
        }),
        Form::Secrets => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
    })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
