//! Depth follows a tame member.
