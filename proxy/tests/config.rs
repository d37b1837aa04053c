//! Tests the configuration as its user meets it: the reference, the schema, the mistakes, and any bytes at all.

#![allow(clippy::unwrap_used, reason = "all of this is tests, helpers included")]

#[path = "config/access_log.rs"]
mod access_log;
#[path = "config/any_bytes.rs"]
mod any_bytes;
#[path = "config/conditions.rs"]
mod conditions;
#[path = "config/framing.rs"]
mod framing;
#[path = "config/http.rs"]
mod http;
#[path = "config/mistakes.rs"]
mod mistakes;
#[path = "config/pooled.rs"]
mod pooled;
#[path = "config/reference.rs"]
mod reference;
#[path = "config/refusals.rs"]
mod refusals;
#[path = "config/routes.rs"]
mod routes;
#[path = "config/tcp.rs"]
mod tcp;
#[path = "config/values.rs"]
mod values;

use penstock::config::{ConfigError, Loaded, parse};

/// Reads `text` as `config.yaml` with nothing in the environment.
fn read(text: &str) -> Result<Loaded, ConfigError> {
    parse("config.yaml", text, &|_| None)
}

fn settings(text: &str) -> penstock::config::Settings {
    read(text).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}")).settings
}
