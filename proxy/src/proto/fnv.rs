//! Computes the 32-bit FNV-1a hash, by which service times are assigned to request classes.

/// The hash of no bytes.
pub(super) const BASIS: u32 = 0x811c_9dc5;

/// Adds one byte to a hash.
pub(super) const fn with(hash: u32, byte: u8) -> u32 {
    (hash ^ byte as u32).wrapping_mul(0x0100_0193)
}
