//! Escapes bytes that clients sent, so that they cannot end their line or leave their quotes.
//!
//! One form is the inside of a JSON string, the other the inside of a quoted word of a pattern.

/// Appends `text` as the inside of a JSON string (RFC 8259 section 7). UTF-8 is kept, except characters that
/// some readers treat as the end of a line or a terminal as a command. Each byte that is not UTF-8 is read as
/// Latin-1, the former encoding of fields (RFC 9110 section 5.5).
pub(super) fn json(text: &[u8], out: &mut Vec<u8>) {
    let plain = plain(text);
    out.extend_from_slice(&text[..plain]);
    if plain < text.len() {
        json_with_care(&text[plain..], out);
    }
}

/// Appends `text` with `"`, `\` and everything but printable ASCII as `\xHH`, as nginx does.
pub(super) fn pattern(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    loop {
        let plain = plain(rest);
        out.extend_from_slice(&rest[..plain]);
        let Some((&byte, after)) = rest[plain..].split_first() else { return };
        out.extend_from_slice(&[b'\\', b'x', UPPER[usize::from(byte >> 4)], UPPER[usize::from(byte & 15)]]);
        rest = after;
    }
}

/// Returns the number of leading bytes that neither form escapes.
fn plain(text: &[u8]) -> usize {
    text.iter().position(|&byte| !PLAIN[usize::from(byte)]).unwrap_or(text.len())
}

const UPPER: &[u8; 16] = b"0123456789ABCDEF";
const LOWER: &[u8; 16] = b"0123456789abcdef";

/// Printable ASCII without `"` and `\`, by byte.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        plain[byte as usize] = byte != b'"' && byte != b'\\';
        byte += 1;
    }
    plain
};

#[cold]
fn json_with_care(text: &[u8], out: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        chunk.valid().chars().for_each(|c| json_char(c, out));
        // Latin-1 bytes have the same numbers in Unicode.
        chunk.invalid().iter().for_each(|&byte| numbered(byte.into(), out));
    }
}

fn json_char(c: char, out: &mut Vec<u8>) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        // JSON requires escapes for C0; DEL and C1 move cursors; U+2028 and U+2029 end lines.
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' => numbered(c.into(), out),
        _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Appends `\uXXXX` for a `code` below 0x10000.
fn numbered(code: u32, out: &mut Vec<u8>) {
    let digit = |shift: u32| LOWER[(code >> shift & 15) as usize];
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}
