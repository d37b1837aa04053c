//! FNV-1a of 32 bits: what a request is for, as a number.
//! In: bytes, one by one. Out: a hash.
//! Knows nothing of what is hashed.

/// The hash of nothing.
pub(super) const BASIS: u32 = 0x811c_9dc5;

/// The hash of one byte more.
pub(super) const fn with(hash: u32, byte: u8) -> u32 {
    (hash ^ byte as u32).wrapping_mul(0x0100_0193)
}
