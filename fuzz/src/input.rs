//! Takes small numbers, pieces and cuts off the front of an input.

use std::fmt::Debug;

/// What is left of an input. Where nothing is left, everything is 0.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// Below `n`, which is at most 256. A `0` in an input that people read stands for 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte().wrapping_sub(b'0')) % n
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    pub(crate) fn pick<T: Copy, const N: usize>(&mut self, of: [T; N]) -> T {
        of[self.below(N)]
    }

    /// As many of the next bytes as there are, `n` at most.
    pub(crate) fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Where an input is cut: everywhere, or at some hundred places where it is long.
pub(crate) fn cuts(len: usize) -> impl Iterator<Item = usize> {
    (0..=len).step_by(len / 128 + 1)
}

/// The bytes in pieces of these sizes, again and again from their start. Without sizes it is one piece.
pub(crate) fn pieces<'a>(bytes: &'a [u8], sizes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut sizes = sizes.iter().map(|size| usize::from(*size) + 1).cycle();
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let size = sizes.next().unwrap_or(rest.len());
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Each beginning of the bytes is undecided, or already what the whole is, and is so from the first that is decided.
pub(crate) fn same_at_any_cut<V: PartialEq + Debug>(bytes: &[u8], undecided: &V, judge: impl Fn(&[u8]) -> V) {
    let whole = judge(bytes);
    let mut decided = false;
    for cut in cuts(bytes.len()) {
        let verdict = judge(&bytes[..cut]);
        decided |= verdict != *undecided;
        let due = if decided { &whole } else { undecided };
        assert_eq!(&verdict, due, "{} cut at {cut}", bytes.escape_ascii());
    }
}
