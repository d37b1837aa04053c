//! Computes the 64-bit FNV-1a hash, which shows whether bytes arrived unchanged. It does not protect against
//! intent.

/// The hash with which [`Speaks::Total`](crate::Speaks::Total) answers, for receivers that check it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fnv1a(u64);

impl Default for Fnv1a {
    /// Returns the offset basis, which is the hash of no bytes.
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv1a {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0 =
            bytes.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    }

    /// Returns the hash of the bytes so far.
    pub fn value(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_hashes_in_any_cut() {
        let cases =
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)];
        for (text, hash) in cases {
            for cut in 0..=text.len() {
                let mut fnv = Fnv1a::default();
                fnv.update(&text.as_bytes()[..cut]);
                fnv.update(&text.as_bytes()[cut..]);
                assert_eq!(fnv.value(), hash, "{text:?} cut at {cut}");
            }
        }
    }
}
