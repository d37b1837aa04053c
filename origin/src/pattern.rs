//! Makes the bytes of bodies whose content does not matter: byte `i` is `i % 251`, or `33 + i % 89` if it
//! must be visible.

/// The period of the pattern: a prime, so that the pattern never aligns with buffer sizes, and a lost block
/// shows.
const PERIOD: u64 = 251;
/// The period of the visible pattern: a prime that fits among the visible characters of ASCII.
const VISIBLE_PERIOD: u64 = 89;
/// The first character of the visible pattern.
const FIRST_VISIBLE: u8 = b'!';

/// Returns the byte at an offset of the pattern, for receivers that check it.
pub fn byte_at(offset: u64) -> u8 {
    (offset % PERIOD) as u8
}

/// Returns the byte at an offset of the visible pattern, which has no blanks and line ends. `size` answers
/// with this pattern.
pub fn visible_at(offset: u64) -> u8 {
    FIRST_VISIBLE + (offset % VISIBLE_PERIOD) as u8
}

/// The largest number of bytes that [`piece`] returns.
pub(crate) const MOST: u64 = 32 * 1024;

static TABLE: [u8; MOST as usize + PERIOD as usize] = table(0, PERIOD);
static VISIBLE: [u8; MOST as usize + VISIBLE_PERIOD as usize] = table(FIRST_VISIBLE, VISIBLE_PERIOD);

const fn table<const N: usize>(first: u8, period: u64) -> [u8; N] {
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        bytes[at] = first + (at % period as usize) as u8;
        at += 1;
    }
    bytes
}

/// Returns `count` bytes of the pattern (at most [`MOST`]) from `offset` on.
pub(crate) fn piece(offset: u64, count: u64) -> &'static [u8] {
    let start = (offset % PERIOD) as usize;
    &TABLE[start..start + count.min(MOST) as usize]
}

/// Returns the same of the visible pattern.
pub(crate) fn visible_piece(offset: u64, count: u64) -> &'static [u8] {
    let start = (offset % VISIBLE_PERIOD) as usize;
    &VISIBLE[start..start + count.min(MOST) as usize]
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
            let visible = visible_piece(offset, u64::MAX);
            assert_eq!(visible.len() as u64, MOST);
            assert!(visible.iter().zip(offset..).all(|(byte, at)| *byte == visible_at(at)));
            assert!(visible.iter().all(u8::is_ascii_graphic));
        }
    }
}
