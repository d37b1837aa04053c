//! The transfer codings other than `chunked` (RFC 9112 section 7): the registered ones, and the ones that a client accepts.

use super::name::list;

/// A set of the registered codings that compress content.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Codings(u8);

impl Codings {
    /// The empty set, which most clients ask for.
    pub const NONE: Self = Self(0);
    const GZIP: Self = Self(1);
    const DEFLATE: Self = Self(2);
    const COMPRESS: Self = Self(4);

    /// Returns the codings that a value of TE asks for (RFC 9110 section 10.1.4); `q=0` is a refusal.
    #[must_use]
    pub fn asked_for(te: &[u8]) -> Self {
        let mut asked = Self::NONE;
        for element in list(te) {
            let mut parts = element.split(|b| *b == b';').map(<[u8]>::trim_ascii);
            let coding = parts.next().and_then(Self::of);
            if let Some(coding) = coding.filter(|_| !parts.any(refuses)) {
                asked.add(coding);
            }
        }
        asked
    }

    /// Returns the coding of this name, in any case; `x-gzip` and `x-compress` are the same as those without `x-` (RFC 9112
    /// section 7.2).
    pub(in crate::proto) fn of(name: &[u8]) -> Option<Self> {
        let is = |known: &[&[u8]]| known.iter().any(|known| name.eq_ignore_ascii_case(known));
        match name.len() {
            4 | 6 if is(&[b"gzip", b"x-gzip"]) => Some(Self::GZIP),
            7 if is(&[b"deflate"]) => Some(Self::DEFLATE),
            8 | 10 if is(&[b"compress", b"x-compress"]) => Some(Self::COMPRESS),
            _ => None,
        }
    }

    pub(in crate::proto) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(in crate::proto) fn has_all_of(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Returns whether a parameter of a coding is the weight 0.
fn refuses(parameter: &[u8]) -> bool {
    let weight = parameter.split_at_checked(b"q=".len()).filter(|(name, _)| name.eq_ignore_ascii_case(b"q="));
    weight.is_some_and(|(_, weight)| weight.iter().all(|b| matches!(b, b'0' | b'.')))
}
