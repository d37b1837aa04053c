//! Reads the Connection field: whether the connection stays, and which fields are removed (RFC 9110 section 7.6.1).

use super::fields::Head;
use super::name::{FieldName, list};

/// The number of names in the Connection fields of one head up to which they are obeyed. Each is compared with all field lines,
/// so a longer list would be an attack on the proxy's time.
const MOST_NAMES: usize = 32;

/// The fields that nobody may have removed: they frame, route or describe the message, and without one of them a member would
/// read another message than the one that came.
const PROTECTED: [&[u8]; 9] = [
    b"host",
    b"authorization",
    b"content-length",
    b"transfer-encoding",
    b"content-type",
    b"content-encoding",
    b"content-range",
    b"expect",
    b"max-forwards",
];

/// The options that the Connection lines of a head have named so far.
#[derive(Clone, Copy, Default, Debug)]
pub(in crate::proto) struct ConnectionOptions {
    close: bool,
    keep_alive: bool,
    /// The option `upgrade` was named (RFC 9110 section 7.8).
    pub(in crate::proto) upgrade: bool,
    /// An option names a field that is not dropped anyway.
    names_fields: bool,
}

impl ConnectionOptions {
    /// Takes one Connection line.
    pub(in crate::proto) fn add(&mut self, value: &[u8]) {
        for option in list(value) {
            match FieldName::of(option) {
                FieldName::KeepAlive => self.keep_alive = true,
                FieldName::Upgrade => self.upgrade = true,
                // Such fields stay behind in any case, so naming them adds nothing.
                FieldName::Hop | FieldName::Te | FieldName::Http2Settings => {}
                _ if option.eq_ignore_ascii_case(b"close") => self.close = true,
                _ => self.names_fields = true,
            }
        }
    }

    /// Returns whether the connection may carry another message (RFC 9112 section 9.3).
    pub(in crate::proto) fn persists(self, minor_version: u8) -> bool {
        !self.close && (minor_version == 1 || self.keep_alive)
    }

    /// Drops every field line whose name is an option.
    pub(in crate::proto) fn drop_named(self, head: &mut Head<'_, '_>) -> Result<(), &'static str> {
        if self.names_fields { drop_named(head) } else { Ok(()) }
    }
}

fn drop_named(head: &mut Head<'_, '_>) -> Result<(), &'static str> {
    let fields = head.fields;
    let connection = fields.iter().filter(|f| FieldName::of(f.name.as_bytes()) == FieldName::Connection);
    for (n, option) in connection.flat_map(|f| list(f.value)).enumerate() {
        if n == MOST_NAMES {
            return Err("too many connection options");
        }
        if PROTECTED.iter().any(|p| p.eq_ignore_ascii_case(option)) {
            return Err("Connection names a field that may not be removed");
        }
        for (line, field) in fields.iter().enumerate() {
            if field.name.as_bytes().eq_ignore_ascii_case(option) {
                head.dropped.add(line);
            }
        }
    }
    Ok(())
}
