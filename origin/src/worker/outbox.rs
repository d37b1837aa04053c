//! Bytes that were said and not yet sent, in order.

/// Bytes on their way out. Takes no memory while it is empty.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// So many of them have been sent.
    gone: usize,
}

impl Outbox {
    pub(super) fn left(&self) -> &[u8] {
        &self.bytes[self.gone..]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left().is_empty()
    }

    /// The first `count` of what is left have been sent.
    pub(super) fn sent(&mut self, count: usize) {
        self.gone += count;
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Adds bytes behind what is left.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        // What has gone would pile up as long as the box is never empty.
        self.bytes.drain(..self.gone);
        self.gone = 0;
        self.bytes.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_stays_in_order_and_what_has_gone_is_forgotten() {
        let mut outbox = Outbox::default();
        let (mut added, mut sent) = (0, 0);
        // More goes in than out for a while, then the other way round.
        for (most_in, most_out) in [(17, 13), (5, 11)] {
            for round in 0..200 {
                let more: Vec<u8> = (added..added + round % most_in).map(|at| at as u8).collect();
                outbox.add(&more);
                added += more.len();
                let count = outbox.left().len().min(round % most_out);
                assert!(outbox.left()[..count].iter().zip(sent..).all(|(byte, at)| *byte == at as u8));
                outbox.sent(count);
                sent += count;
                assert_eq!(outbox.left().len(), added - sent);
                assert!(outbox.bytes.len() <= outbox.left().len() + most_out, "what has gone is kept");
            }
        }
        assert!(sent > 1000 && outbox.left().len() < 11);
        outbox.sent(outbox.left().len());
        assert!(outbox.is_empty() && outbox.bytes.capacity() == 0);
    }
}
