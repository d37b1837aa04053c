//! Writes an access-log entry as one line, in the format that the configuration asks for.

use std::sync::Arc;

use super::record::{LogRecord, LogValue};
use super::timestamp::Timestamp;
use super::{escape, number};
use crate::config::{AccessLog, LogField, LogFormat, LogPart};

/// Writes the lines of one log in one format.
#[derive(Debug)]
pub(super) struct Formatter {
    settings: Arc<AccessLog>,
    stamp: Timestamp,
}

impl Formatter {
    pub(super) fn new(settings: Arc<AccessLog>) -> Self {
        Self { settings, stamp: Timestamp::default() }
    }

    /// Appends the line of `record`.
    pub(super) fn write(&mut self, record: &LogRecord<'_>, out: &mut Vec<u8>) {
        match &self.settings.format {
            LogFormat::Json => object(record, &mut self.stamp, out),
            LogFormat::Pattern(parts) => filled(parts, record, &mut self.stamp, out),
        }
        out.push(b'\n');
    }
}

/// Appends the record as a JSON object, without fields that have no value and without a second form of the
/// time.
fn object(record: &LogRecord<'_>, stamp: &mut Timestamp, out: &mut Vec<u8>) {
    let mut before = b'{';
    for field in LogField::ALL.into_iter().filter(|field| *field != LogField::CommonTime) {
        let value = record.value(field);
        // A missing field costs no bytes in JSON.
        if matches!(value, LogValue::Absent) {
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

fn json(value: LogValue<'_>, stamp: &mut Timestamp, out: &mut Vec<u8>) {
    match value {
        LogValue::Number(_) | LogValue::Seconds(_) => return bare(value, stamp, out),
        _ => out.push(b'"'),
    }
    match value {
        LogValue::Text(text) => escape::json(text, out),
        _ => bare(value, stamp, out),
    }
    out.push(b'"');
}

/// Appends the record in the form of a pattern, with `-` for fields without a value.
fn filled(parts: &[LogPart], record: &LogRecord<'_>, stamp: &mut Timestamp, out: &mut Vec<u8>) {
    for part in parts {
        match part {
            LogPart::Text(text) => out.extend_from_slice(text.as_bytes()),
            LogPart::Field(field) => bare(record.value(*field), stamp, out),
        }
    }
}

fn bare(value: LogValue<'_>, stamp: &mut Timestamp, out: &mut Vec<u8>) {
    match value {
        LogValue::Absent => out.push(b'-'),
        LogValue::Time(since_epoch) => stamp.write(since_epoch, out),
        LogValue::CommonTime(since_epoch) => stamp.write_common(since_epoch, out),
        LogValue::Address(address) => number::address(address, out),
        LogValue::Text(text) => escape::pattern(text, out),
        LogValue::Version(minor) => {
            out.extend_from_slice(b"HTTP/1.");
            number::decimal(minor.into(), out);
        }
        LogValue::Number(n) => number::decimal(n, out),
        LogValue::Seconds(nanos) => number::seconds(nanos, out),
    }
}
