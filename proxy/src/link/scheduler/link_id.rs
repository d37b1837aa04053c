//! Defines the index by which a scheduler identifies a link.

/// The index of a link among the entries of its scheduler, which is reused after the link has ended.
pub type LinkId = usize;
