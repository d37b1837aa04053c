//! The deterministic bytes that are sent where it does not matter which: byte `i` is `i % 251`.
//! In goes a range of offsets; out come its bytes.
//! It knows nothing of HTTP.

/// A prime, so that the pattern never falls in step with buffer sizes, and a lost block shows.
const PERIOD: u64 = 251;

/// The byte at an offset of the pattern, for receivers that check what they were sent.
pub fn byte_at(offset: u64) -> u8 {
    (offset % PERIOD) as u8
}

/// How many bytes [`piece`] gives at once.
pub(crate) const MOST: u64 = 32 * 1024;

static TABLE: [u8; MOST as usize + PERIOD as usize] = table();

const fn table() -> [u8; MOST as usize + PERIOD as usize] {
    let mut bytes = [0; MOST as usize + PERIOD as usize];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = (at % PERIOD as usize) as u8;
        at += 1;
    }
    bytes
}

/// `count` bytes of the pattern (at most [`MOST`]) from `offset` on.
pub(crate) fn piece(offset: u64, count: u64) -> &'static [u8] {
    let start = (offset % PERIOD) as usize;
    &TABLE[start..start + count.min(MOST) as usize]
}

/// Appends `count` bytes of the pattern (at most [`MOST`]) from `offset` on.
pub(crate) fn append(out: &mut Vec<u8>, offset: u64, count: u64) {
    out.extend_from_slice(piece(offset, count));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_piece_agrees_with_the_formula() {
        for offset in [0, 1, 250, 251, 252, 65_536, 1 << 40] {
            let mut piece = Vec::new();
            append(&mut piece, offset, MOST);
            assert_eq!(piece.len() as u64, MOST);
            let wrong = piece.iter().zip(offset..).position(|(byte, at)| *byte != byte_at(at));
            assert_eq!(wrong, None, "from offset {offset}");
        }
    }
}
