//! Keeps what was read of a client and is not understood yet: when that is worth reading again, and how much of it counts as
//! held.

use bytes::{Buf, BytesMut};

use crate::proto::reread::Reread;

/// Input that is kept until it can be understood. An idle client has none.
#[derive(Debug, Default)]
pub(super) struct Input(Option<Box<KeptInput>>);

#[derive(Debug, Default)]
struct KeptInput {
    /// The bytes that are kept.
    bytes: BytesMut,
    /// The number of bytes that were counted as held when they were last counted.
    counted: usize,
    /// With fewer bytes than this there is nothing to understand, unless `reread` shows that there is.
    wanted: usize,
    reread: Reread,
    /// The request at the front cannot begin before everything in flight has been answered.
    stands_alone: bool,
    /// Reading has stopped, because there is no room for more on this worker.
    stalled: bool,
}

impl Input {
    fn kept(&mut self) -> &mut KeptInput {
        self.0.get_or_insert_default()
    }

    /// Returns whether no bytes are kept.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Returns the bytes that are kept.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |kept| &kept.bytes)
    }

    /// Returns whether more may be kept of requests that cannot begin yet: up to `most` bytes, or as many as one frame needs.
    pub(super) fn has_room(&self, most: usize) -> bool {
        self.0.as_ref().is_none_or(|kept| kept.bytes.len() < most.max(kept.wanted))
    }

    /// Returns whether reading has stopped because there is no room.
    pub(super) fn is_stalled(&self) -> bool {
        self.0.as_ref().is_some_and(|kept| kept.stalled)
    }

    /// Notes whether there is no room to read more.
    pub(super) fn stall(&mut self, stalled: bool) {
        if let Some(kept) = &mut self.0 {
            kept.stalled = stalled;
        }
    }

    /// Keeps bytes that could not be understood yet, where none were kept before.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        self.kept().bytes.extend_from_slice(bytes);
    }

    /// Keeps bytes behind those that are kept, and sees whether the whole is worth reading again.
    pub(super) fn keep_more(&mut self, bytes: &[u8]) {
        let kept = self.kept();
        let known = kept.bytes.len();
        kept.bytes.extend_from_slice(bytes);
        if kept.reread.shows(&kept.bytes, known) {
            kept.wanted = 0;
        }
    }

    /// Notes that the message at the front is not whole: it is worth reading again with `wanted` bytes, or when `reread` shows
    /// it.
    pub(super) fn await_more(&mut self, wanted: usize, reread: Reread) {
        let kept = self.kept();
        kept.wanted = wanted;
        kept.reread.turn_to(reread);
    }

    /// Notes that the request at the front cannot begin before everything in flight has been answered.
    pub(super) fn stand_alone(&mut self) {
        self.kept().stands_alone = true;
    }

    /// Notes that a head has been read to its end, so that the search for the end of the next one begins anew.
    pub(super) fn forget_head(&mut self) {
        if let Some(kept) = &mut self.0 {
            kept.reread = Reread::Never;
        }
    }

    /// Takes the kept bytes out, if they are worth reading now. [`Input::put_back`] takes back those that are left.
    pub(super) fn take(&mut self, in_flight: u16) -> Option<BytesMut> {
        let is_worth =
            |kept: &KeptInput| kept.bytes.len() >= kept.wanted && !(kept.stands_alone && in_flight > 0);
        let kept = self.0.as_deref_mut().filter(|kept| is_worth(kept))?;
        // Reading them says anew what the rest waits for.
        (kept.wanted, kept.stands_alone) = (0, false);
        Some(std::mem::take(&mut kept.bytes))
    }

    /// Keeps the bytes that are left behind the first `consumed`.
    pub(super) fn put_back(&mut self, mut bytes: BytesMut, consumed: usize) {
        // Moving the rest to the front each time would cost the square of what one client sends.
        bytes.advance(consumed);
        if bytes.is_empty() {
            self.tidy();
        } else {
            self.kept().bytes = bytes;
        }
    }

    /// Forgets the bytes, which still count as held until they are counted again.
    pub(super) fn clear(&mut self) {
        self.kept().bytes.clear();
    }

    /// Lets `count` change how many of the kept bytes count as held, and drops the buffer if nothing needs it any more.
    pub(super) fn count(&mut self, count: impl FnOnce(usize, usize) -> usize) {
        let Some(kept) = &mut self.0 else { return };
        kept.counted = count(kept.counted, kept.bytes.len());
        self.tidy();
    }

    /// Drops everything that is kept. Returns how many bytes of it were counted as held.
    pub(super) fn drop_all(&mut self) -> usize {
        self.0.take().map_or(0, |kept| kept.counted)
    }

    /// Drops the buffer of an idle client.
    pub(super) fn tidy(&mut self) {
        if self.0.as_ref().is_some_and(|kept| kept.bytes.is_empty() && kept.counted == 0) {
            self.0 = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again_when_that_makes_sense() {
        let mut input = Input::default();
        input.await_more(6, Reread::Never);
        input.keep(b"abc");
        assert!(input.take(0).is_none(), "too few");
        input.keep_more(b"def");
        let kept = input.take(0).unwrap();
        assert_eq!(&kept[..], b"abcdef");
        input.put_back(kept, 4);
        assert_eq!(input.bytes(), b"ef");
        input.await_more(99, Reread::Line);
        input.keep_more(b"\n");
        let kept = input.take(0).unwrap();
        input.put_back(kept, 3);
        assert!(input.0.is_none(), "an idle client has no buffer");
    }

    #[test]
    fn what_stands_alone_waits_for_all_before_it() {
        let mut input = Input::default();
        input.stand_alone();
        input.keep(b"POST");
        assert!(input.take(1).is_none());
        let kept = input.take(0).unwrap();
        input.put_back(kept, 0);
        assert!(input.take(1).is_some(), "it is tried again from then on");
    }

    #[test]
    fn the_buffer_stays_as_long_as_it_counts() {
        let mut input = Input::default();
        input.keep(b"abc");
        input.count(|counted, bytes| counted + bytes);
        let kept = input.take(0).unwrap();
        input.put_back(kept, 3);
        assert!(input.is_empty() && input.0.is_some());
        input.count(|counted, bytes| {
            assert_eq!((counted, bytes), (3, 0));
            0
        });
        assert!(input.0.is_none());
        input.keep(b"abcd");
        input.count(|_, bytes| bytes);
        assert_eq!((input.drop_all(), input.drop_all()), (4, 0));
    }
}
