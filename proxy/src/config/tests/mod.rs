//! Tests the configuration as its user meets it: the reference, the schema, the mistakes, and any bytes at all.

mod access_log;
mod any_bytes;
mod conditions;
mod ejection;
mod framing;
mod health;
mod http;
mod members;
mod mistakes;
mod pooled;
mod reference;
mod refusals;
mod routes;
mod tcp;
mod values;

use crate::config::{ConfigError, Loaded, Settings, parse};

/// Reads `text` as `config.yaml` with nothing in the environment.
fn read(text: &str) -> Result<Loaded, ConfigError> {
    parse("config.yaml", text, &|_| None)
}

fn settings(text: &str) -> Settings {
    read(text).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}")).settings
}
