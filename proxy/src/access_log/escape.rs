//! Escapes bytes of clients, so that they stay on their line and within their quotes.
//!
//! One form is the inside of a JSON string, the other the inside of a quoted word of a pattern.

/// As the inside of a JSON string (RFC 8259 section 7). What is UTF-8 stays what it is, but for what some readers
/// take for the end of a line or a terminal for a command; each byte that is not UTF-8 is taken for Latin-1, which
/// is what fields once were in (RFC 9110 section 5.5).
pub(super) fn json(text: &[u8], out: &mut Vec<u8>) {
    let plain = plain(text);
    out.extend_from_slice(&text[..plain]);
    if plain < text.len() {
        json_with_care(&text[plain..], out);
    }
}

/// As nginx does it: `"`, `\`, and all that is not printable ASCII is `\xHH`.
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

/// How many bytes at the beginning need no care in either.
fn plain(text: &[u8]) -> usize {
    text.iter().position(|&byte| !PLAIN[usize::from(byte)]).unwrap_or(text.len())
}

const UPPER: &[u8; 16] = b"0123456789ABCDEF";
const LOWER: &[u8; 16] = b"0123456789abcdef";

/// Printable ASCII but for `"` and `\`.
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
        // C0 as JSON demands; DEL and C1 move cursors; U+2028 and U+2029 end lines.
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' => numbered(c.into(), out),
        _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// `code` is below 0x10000.
fn numbered(code: u32, out: &mut Vec<u8>) {
    let digit = |shift: u32| LOWER[(code >> shift & 15) as usize];
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}
