//! Reads the configuration: turns a YAML file and the environment into `Settings`, or into a list of all
//! mistakes with their places.
//!
//! `tree` and `interpolate` read the text, `options` is the table of all options, `table` reads sections by
//! that table, `resolve` turns what was written into settings, and `settings` defines the result.

mod address;
mod check;
mod diagnostic;
mod frame;
mod interpolate;
mod keywords;
mod list;
mod log;
mod options;
mod quantity;
mod resolve;
mod route;
mod scalar;
mod schema;
mod sequence;
mod settings;
mod suggest;
mod table;
#[cfg(test)]
mod tests;
mod tree;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use diagnostic::{Diagnostics, Position};
use interpolate::Interpolated;
use options::RootSection;

pub use diagnostic::{ConfigError, Diagnostic};
pub use schema::schema;
pub use settings::{
    AcceptProxy, AccessLog, Address, AdminState, Affinity, AllDown, Backend, CheckKind, ClientTimeouts,
    Ejection, Forwarded, FrameKind, Framing, HeadLimits, HealthCheck, HostMatch, HttpRules, Links, Listener,
    LogField, LogFormat, LogPart, LogTo, MemberSettings, Networks, OnDown, PerSource, PipelineMethods,
    Prefix, Protocol, ProxyVersion, QueueLimits, RouteRule, Settings, SocketOptions, TunnelLimits,
    Underscores, Upgrades, Vouched, own_name,
};

/// The commented reference configuration, which also runs if there is no file.
pub const REFERENCE: &str = include_str!("../../../config.yaml");

/// The size in bytes of the largest file that is read. Configurations are a few KiB, so 1 MiB only stops a
/// wrong path (a log, a device) before the parser sees its content.
const LARGEST: usize = 1 << 20;

/// A configuration that can be run.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings that the program runs with.
    pub settings: Settings,
    /// Settings that are valid but probably not intended, in the order of the file.
    pub warnings: Vec<Diagnostic>,
    /// The FNV-1a hash of the text with its environment variables expanded; every process computes the same
    /// number from the same text.
    pub hash: u64,
}

/// Reads the file at `path` with the environment of this process.
///
/// Returns all mistakes of the file, or the reason why the file cannot be read.
pub fn load(path: &Path) -> Result<Loaded, ConfigError> {
    let name = path.display().to_string();
    let text = bytes(path).map_err(|e| format!("cannot be read: {e}"));
    let text = text.and_then(|bytes| String::from_utf8(bytes).map_err(|e| not_text(&e)));
    match text {
        Ok(text) => parse(&name, &text, &|variable| std::env::var(variable).ok()),
        Err(why) => refuse(&name, Position::default(), &why),
    }
}

/// Parses `text`. `file_name` appears in mistakes only; `env` looks up `${NAME}`.
///
/// # Errors
/// Returns all mistakes of the text.
pub fn parse(
    file_name: &str,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, ConfigError> {
    if text.len() > LARGEST {
        return refuse(file_name, Position::default(), &format!("is larger than {LARGEST} bytes"));
    }
    // YAML does not know the byte order mark that some editors write.
    let interpolated = Interpolated::new(text.trim_start_matches('\u{feff}'), env);
    let root = match tree::read(&interpolated) {
        Ok(root) => root,
        Err((at, why)) => return refuse(file_name, at, &why),
    };
    let mut diagnostics = Diagnostics::new(file_name);
    let written: RootSection = table::read_root(&root, &mut diagnostics);
    let resolved = resolve::resolve(&written, &mut diagnostics);
    let (settings, warnings) = diagnostics.verdict(resolved)?;
    Ok(Loaded { settings, warnings, hash: interpolated.hash() })
}

/// Reads one byte more than the limit at most, because the path may name a device that never ends.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns the one mistake that keeps the rest of the file from being read.
fn refuse(file_name: &str, at: Position, why: &str) -> Result<Loaded, ConfigError> {
    let mut diagnostics = Diagnostics::new(file_name);
    diagnostics.error(at, "", why);
    diagnostics.verdict(None).map(|(loaded, _)| loaded)
}

fn not_text(e: &std::string::FromUtf8Error) -> String {
    let line = e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
    format!("is not UTF-8 (line {line})")
}
