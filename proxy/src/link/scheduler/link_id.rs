//! The name of a link in its pool.

/// The place of a link among the entries of its scheduler. It is used again when the link has ended.
pub type LinkId = usize;
