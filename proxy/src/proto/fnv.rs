//! The FNV-1a hash of 32 bits, by which service times are learned.

/// The hash of nothing.
pub(super) const BASIS: u32 = 0x811c_9dc5;

/// The hash of one byte more.
pub(super) const fn with(hash: u32, byte: u8) -> u32 {
    (hash ^ byte as u32).wrapping_mul(0x0100_0193)
}
