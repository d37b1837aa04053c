//! Writes the JSON Schema (draft 2020-12) of the configuration, so that editors complete and check it.

use serde_json::{Map, Value, json};

use super::list::MOST_ITEMS;
use super::options::RootSection;
use super::table::{NAME, Opt, OptionShape, Written};

/// Returns the JSON Schema (draft 2020-12) of the configuration, as indented text.
#[must_use]
pub fn schema() -> String {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "penstock configuration",
    });
    merge(&mut schema, of(&RootSection::SHAPE));
    schema["type"] = json!("object");
    schema["$defs"] = json!({ "environment": {
        "description": "Taken from the environment: ${NAME} or ${NAME:-default}.",
        "type": "string",
        "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}",
    } });
    format!("{schema:#}")
}

fn of(shape: &OptionShape) -> Value {
    match shape {
        OptionShape::Scalar(schema) => word(schema()),
        OptionShape::List { short, item } => {
            let list = json!({
                "type": "array",
                "items": word(item()),
                "minItems": 1,
                "maxItems": MOST_ITEMS,
                "uniqueItems": true,
            });
            either([short(), word(item()), list])
        }
        OptionShape::Section { options, short: None } => section(options),
        OptionShape::Section { options, short: Some(key) } => {
            let short = options.iter().filter(|option| option.key == *key).map(|option| of(&option.shape));
            either(short.chain([section(options)]))
        }
        OptionShape::Sequence { item, most } => {
            json!({ "type": ["array", "null"], "items": of(item), "maxItems": most })
        }
        OptionShape::Named { item, least, most } => json!({
            "type": if *least > 0 { json!("object") } else { json!(["object", "null"]) },
            "minProperties": least,
            "maxProperties": most,
            "propertyNames": { "anyOf": [{ "pattern": NAME }, { "$ref": "#/$defs/environment" }] },
            "additionalProperties": of(item),
        }),
    }
}

/// Allows a reference to the environment beside the words of `schema`.
fn word(schema: Value) -> Value {
    either([schema, json!({ "$ref": "#/$defs/environment" })])
}

/// Returns a schema that accepts any of `schemas`. Nested choices are flattened, because editors show one
/// list.
fn either(schemas: impl IntoIterator<Item = Value>) -> Value {
    let flat = |schema: Value| match schema.get("anyOf") {
        Some(Value::Array(inner)) => inner.clone(),
        _ => vec![schema],
    };
    json!({ "anyOf": schemas.into_iter().flat_map(flat).collect::<Vec<_>>() })
}

/// Returns the schema of a section. A section without required options may be `null`, since a user may
/// comment out all of them.
fn section(options: &[Opt]) -> Value {
    let properties: Map<_, _> =
        options.iter().map(|option| (option.key.to_owned(), property(option))).collect();
    let required: Vec<_> =
        options.iter().filter(|option| must_be_written(option)).map(|option| option.key).collect();
    let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    if required.is_empty() {
        schema["type"] = json!(["object", "null"]);
    } else {
        schema["required"] = json!(required);
    }
    schema
}

fn property(option: &Opt) -> Value {
    let mut schema = json!({ "description": option.doc });
    if let Some(default) = option.default {
        schema["default"] = typed(default);
    }
    merge(&mut schema, of(&option.shape));
    schema
}

fn must_be_written(option: &Opt) -> bool {
    match option.shape {
        OptionShape::Scalar(_) => option.default.is_none(),
        OptionShape::List { .. } | OptionShape::Section { .. } | OptionShape::Sequence { .. } => false,
        OptionShape::Named { least, .. } => least > 0,
    }
}

/// Converts a default to the type that YAML gives it: a number, a truth value, or text.
fn typed(default: &str) -> Value {
    let plain = serde_json::from_str(default).ok();
    plain.filter(|value: &Value| value.is_number() || value.is_boolean()).unwrap_or_else(|| default.into())
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}
