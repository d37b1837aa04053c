//! Decides whether the bytes of a stream are copied or spliced, from the size of each read.

/// The way in which a stream is moved. Small messages are copied: one read into the worker's buffer, one
/// write out of it. A stream that fills the buffer is spliced through a pipe, without being copied into this
/// process and out of it. Splicing takes more calls, so a stream that has slowed down is copied again.
///
/// ```text
///           a read filled the buffer
///   Copy ──────────────────────────────▶ Splice
///     ▲                                    │
///     └────────────────────────────────────┘
///           SMALL reads in a row brought little
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CopyMode {
    Copy,
    /// The number of reads in a row that returned little.
    Splice {
        small: u8,
    },
}

/// The number of small reads in a row after which a stream is copied again.
const SMALL: u8 = 8;
/// The size of a read in bytes below which splicing does not pay.
const LITTLE: usize = 16 << 10;

impl CopyMode {
    /// Returns the mode after a read of `read` bytes. `filled` says that the buffer had no room for more.
    #[must_use]
    pub(super) fn after(self, read: usize, filled: bool) -> Self {
        match self {
            Self::Copy if filled => Self::Splice { small: 0 },
            Self::Splice { small } if read < LITTLE && small + 1 < SMALL => Self::Splice { small: small + 1 },
            Self::Splice { .. } if read >= LITTLE => Self::Splice { small: 0 },
            Self::Copy | Self::Splice { .. } => Self::Copy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_messages_are_copied() {
        let copy_mode = (0..100).fold(CopyMode::Copy, |copy_mode, _| copy_mode.after(4096, false));
        assert_eq!(copy_mode, CopyMode::Copy);
    }

    #[test]
    fn a_stream_is_spliced_until_it_has_calmed_down() {
        let mut copy_mode = CopyMode::Copy.after(65536, true);
        assert_eq!(copy_mode, CopyMode::Splice { small: 0 });
        for small in 1..SMALL {
            copy_mode = copy_mode.after(10, false);
            assert_eq!(copy_mode, CopyMode::Splice { small });
        }
        assert_eq!(copy_mode.after(LITTLE, false), CopyMode::Splice { small: 0 }, "it goes on");
        assert_eq!(copy_mode.after(10, false), CopyMode::Copy);
    }
}
