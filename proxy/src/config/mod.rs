//! The configuration: a YAML file and the environment become `Settings`, or a list of all mistakes with their places.
//!
//! `tree` and `interpolate` read the text, `options` is the table of all options, `table` reads sections by it, `resolve`
//! resolves them, and `settings` is the result.

mod address;
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
    AcceptProxy, AccessLog, Address, Affinity, Backend, ClientTimeouts, Forwarded, FrameKind, Framing,
    HeadLimits, HostMatch, HttpRules, Links, Listener, LogField, LogFormat, LogPart, LogTo, MemberSettings,
    Networks, PerSource, PipelineMethods, Prefix, Protocol, ProxyVersion, QueueLimits, RouteRule, Settings,
    SocketOptions, TunnelLimits, Underscores, Upgrades, Vouched, own_name,
};

/// The commented reference, which is also what runs where there is no file.
pub const REFERENCE: &str = include_str!("../../../config.yaml");

/// Bytes of the largest file that is read.
const LARGEST: usize = 1 << 20;

/// A configuration that can be run.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the program believes.
    pub settings: Settings,
    /// What looks wrong, yet can be believed, in the order of the file.
    pub warnings: Vec<Diagnostic>,
    /// The same in every process for the same text, environment variables expanded.
    pub hash: u64,
}

/// Reads the file at `path` with the environment of this process.
///
/// # Errors
/// All mistakes in it, or that it cannot be read.
pub fn load(path: &Path) -> Result<Loaded, ConfigError> {
    let name = path.display().to_string();
    let text = bytes(path).map_err(|e| format!("cannot be read: {e}"));
    let text = text.and_then(|bytes| String::from_utf8(bytes).map_err(|e| not_text(&e)));
    match text {
        Ok(text) => parse(&name, &text, &|variable| std::env::var(variable).ok()),
        Err(why) => refuse(&name, Position::default(), &why),
    }
}

/// Reads `text`; `file_name` is only named in mistakes, `env` looks up `${NAME}`.
///
/// # Errors
/// All mistakes in it.
pub fn parse(
    file_name: &str,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, ConfigError> {
    if text.len() > LARGEST {
        return refuse(file_name, Position::default(), &format!("is larger than {LARGEST} bytes"));
    }
    let interpolated = Interpolated::new(text.trim_start_matches('\u{feff}'), env);
    let root = match tree::read(&interpolated) {
        Ok(root) => root,
        Err((at, why)) => return refuse(file_name, at, &why),
    };
    let mut diagnostics = Diagnostics::new(file_name);
    let written: RootSection = table::read_root(&root, &mut diagnostics);
    let believed = resolve::resolve(&written, &mut diagnostics);
    let (settings, warnings) = diagnostics.verdict(believed)?;
    Ok(Loaded { settings, warnings, hash: interpolated.hash() })
}

/// No more of the file than shows that it is too large; it may be a device.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// One mistake after which nothing else can be told.
fn refuse(file_name: &str, at: Position, why: &str) -> Result<Loaded, ConfigError> {
    let mut diagnostics = Diagnostics::new(file_name);
    diagnostics.error(at, "", why);
    diagnostics.verdict(None).map(|(loaded, _)| loaded)
}

fn not_text(e: &std::string::FromUtf8Error) -> String {
    let line = e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
    format!("is not UTF-8 (line {line})")
}
