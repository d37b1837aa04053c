//! Queues bytes that have not been sent, in order.

/// The queue. It takes no memory while it is empty.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// The number of bytes at the front that have been sent.
    gone: usize,
}

impl Outbox {
    pub(super) fn left(&self) -> &[u8] {
        &self.bytes[self.gone..]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left().is_empty()
    }

    /// Records that the first `count` of the remaining bytes have been sent.
    pub(super) fn sent(&mut self, count: usize) {
        self.gone += count;
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Appends bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        // Without this, sent bytes would pile up in a queue that is never empty.
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
        // At first more goes in than out, then the reverse.
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
