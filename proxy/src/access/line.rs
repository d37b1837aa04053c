//! Writes an access-log entry as one line, in the format that the configuration asks for.

use std::sync::Arc;

use super::entry::{Entry, Value};
use super::stamp::Stamp;
use super::{escape, number};
use crate::config::{AccessLog, LogField, LogFormat, LogPart};

/// Writes the lines of one log in one format.
#[derive(Debug)]
pub(super) struct Scribe {
    settings: Arc<AccessLog>,
    stamp: Stamp,
}

impl Scribe {
    pub(super) fn new(settings: Arc<AccessLog>) -> Self {
        Self { settings, stamp: Stamp::default() }
    }

    /// Appends the line of `entry`.
    pub(super) fn write(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        match &self.settings.format {
            LogFormat::Json => object(entry, &mut self.stamp, out),
            LogFormat::Pattern(parts) => filled(parts, entry, &mut self.stamp, out),
        }
        out.push(b'\n');
    }
}

/// What is absent is left out, and the time is said once.
fn object(entry: &Entry<'_>, stamp: &mut Stamp, out: &mut Vec<u8>) {
    let mut before = b'{';
    for field in LogField::ALL.into_iter().filter(|field| *field != LogField::CommonTime) {
        let value = entry.value(field);
        if matches!(value, Value::Absent) {
            continue;
        }
        out.extend_from_slice(&[before, b'"']);
        out.extend_from_slice(field.word().as_bytes());
        out.extend_from_slice(b"\":");
        json(value, stamp, out);
        before = b',';
    }
    out.push(b'}');
}

fn json(value: Value<'_>, stamp: &mut Stamp, out: &mut Vec<u8>) {
    match value {
        Value::Number(_) | Value::Seconds(_) => return bare(value, stamp, out),
        _ => out.push(b'"'),
    }
    match value {
        Value::Text(text) => escape::json(text, out),
        _ => bare(value, stamp, out),
    }
    out.push(b'"');
}

/// What is absent is `-`.
fn filled(parts: &[LogPart], entry: &Entry<'_>, stamp: &mut Stamp, out: &mut Vec<u8>) {
    for part in parts {
        match part {
            LogPart::Text(text) => out.extend_from_slice(text.as_bytes()),
            LogPart::Field(field) => bare(entry.value(*field), stamp, out),
        }
    }
}

fn bare(value: Value<'_>, stamp: &mut Stamp, out: &mut Vec<u8>) {
    match value {
        Value::Absent => out.push(b'-'),
        Value::Time(since_epoch) => stamp.write(since_epoch, out),
        Value::CommonTime(since_epoch) => stamp.write_common(since_epoch, out),
        Value::Address(address) => number::address(address, out),
        Value::Text(text) => escape::pattern(text, out),
        Value::Version(minor) => {
            out.extend_from_slice(b"HTTP/1.");
            number::decimal(minor.into(), out);
        }
        Value::Number(n) => number::decimal(n, out),
        Value::Seconds(nanos) => number::seconds(nanos, out),
    }
}
