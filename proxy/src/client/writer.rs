//! The writing half of a client: which bytes leave at once, which wait for the end of the turn or for room, and how many count.
//!
//! [`Conn`] knows whether the connection takes bytes; the bytes that wait are here.

use bytes::{Buf, BytesMut};

use crate::event_loop::{BufferBudget, LEAST};
use crate::metrics::Counter;
use crate::stream::Conn;

/// The outcome of giving bytes to the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sent {
    /// The connection took all bytes, or takes none any more.
    Gone,
    /// The connection is full: the rest waits until it takes bytes again.
    Full,
    /// The bytes wait for the end of the turn, or behind others that wait for room.
    Gathered,
}

/// State that a client does not need while it takes its answers at once.
#[derive(Debug, Default)]
struct Output {
    /// The bytes of answers that are not written yet.
    bytes: BytesMut,
    /// The number of bytes that were counted as held when they were last counted.
    counted: usize,
    /// The number of bytes that the client took of long answers, and sent of long bodies.
    moved: u64,
}

/// The writing half of a client.
#[derive(Debug, Default)]
pub(super) struct Writer {
    output: Option<Box<Output>>,
}

impl Writer {
    /// Returns the number of bytes that wait.
    pub(super) fn unwritten(&self) -> usize {
        self.output.as_ref().map_or(0, |output| output.bytes.len())
    }

    /// Gives `first` and then `second` to the client: at once where nothing waits, unless they are to leave `together` with
    /// others of this turn.
    pub(super) fn send(
        &mut self,
        conn: &Conn,
        (first, second): (&[u8], &[u8]),
        together: bool,
        counter: &Counter,
    ) -> Sent {
        if together || self.unwritten() > 0 {
            let output = &mut self.output.get_or_insert_default().bytes;
            output.extend_from_slice(first);
            output.extend_from_slice(second);
            return Sent::Gathered;
        }
        let sent = conn.send(first, second, counter);
        if let Some(output) = &mut self.output {
            output.moved += sent as u64;
        }
        // All bytes are sent, or none can be sent any more.
        if conn.has_failed() || sent == first.len() + second.len() {
            return Sent::Gone;
        }
        let output = &mut self.output.get_or_insert_default().bytes;
        output.extend_from_slice(&first[sent.min(first.len())..]);
        output.extend_from_slice(&second[sent.saturating_sub(first.len())..]);
        Sent::Full
    }

    /// Writes waiting bytes, as far as the connection takes them. Returns `None` where there were none to write.
    pub(super) fn write_out(
        &mut self,
        conn: &Conn,
        counter: &Counter,
        buffers: &BufferBudget,
    ) -> Option<Sent> {
        let output = self.output.as_deref_mut()?;
        if !output.bytes.is_empty() && !conn.has_failed() {
            let sent = conn.send(&output.bytes, &[], counter);
            output.bytes.advance(sent);
            if output.counted > 0 || output.moved > 0 {
                output.moved += sent as u64; // from the first that waited for room on, all count
            }
        }
        let rest = output.bytes.len();
        if output.counted > 0 {
            self.count(rest, buffers);
        }
        if rest > 0 {
            return Some(Sent::Full);
        }
        self.tidy();
        Some(Sent::Gone)
    }

    /// Counts the waiting bytes as held from now on.
    pub(super) fn count_unwritten(&mut self, buffers: &BufferBudget) {
        self.count(self.unwritten(), buffers);
    }

    fn count(&mut self, held: usize, buffers: &BufferBudget) {
        if let Some(output) = &mut self.output {
            buffers.change(std::mem::replace(&mut output.counted, held), held);
        }
    }

    /// Returns whether reading an answer has to pause until the client has taken some of it. `most` bytes may wait for one
    /// client.
    pub(super) fn is_full(&self, most: usize, buffers: &BufferBudget) -> bool {
        let unwritten = self.unwritten();
        // Even where all buffers are full, a client may have a little of its own.
        unwritten >= most || unwritten >= LEAST && buffers.are_full()
    }

    /// Returns how many bytes have moved since the client was slow for the first time, or sent the first part of a long body.
    pub(super) fn moved(&self) -> u64 {
        self.output.as_ref().map_or(0, |output| output.moved)
    }

    /// Counts a part of a long body that the client sent.
    pub(super) fn count_moved(&mut self, bytes: usize) {
        self.output.get_or_insert_default().moved += bytes as u64;
    }

    /// Takes out the waiting bytes, and counts none of them any more.
    pub(super) fn take(&mut self, buffers: &BufferBudget) -> BytesMut {
        self.count(0, buffers);
        self.output.take().map_or_else(BytesMut::new, |output| output.bytes)
    }

    /// Drops the state of a client that takes its answers at once.
    fn tidy(&mut self) {
        let is_spare = |output: &Output| output.bytes.is_empty() && output.moved == 0;
        if self.output.as_deref().is_some_and(is_spare) {
            self.output = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;
    use crate::stream::{Stream, sim};

    /// A writer, its connection, and the client at the other end, which takes `room` bytes before it is full.
    struct Bench {
        writer: Writer,
        conn: Conn,
        client: sim::Peer,
        sent: Counter,
        buffers: BufferBudget,
    }

    impl Bench {
        fn new(room: usize) -> Self {
            let (socket, client) = sim::pair(room);
            let conn = Conn::new(Stream::Sim(socket));
            Self {
                writer: Writer::default(),
                conn,
                client,
                sent: Counter::default(),
                buffers: BufferBudget::default(),
            }
        }

        fn send(&mut self, first: &[u8], second: &[u8], together: bool) -> Sent {
            let sent = self.writer.send(&self.conn, (first, second), together, &self.sent);
            if sent == Sent::Full {
                self.conn.block();
                self.writer.count_unwritten(&self.buffers);
            }
            sent
        }

        fn write_out(&mut self) -> Option<Sent> {
            self.writer.write_out(&self.conn, &self.sent, &self.buffers)
        }

        fn is_writable(&self) -> bool {
            self.conn.poll_unblocked(&mut Context::from_waker(Waker::noop()))
        }
    }

    #[test]
    fn an_answer_leaves_at_once_and_nothing_is_kept() {
        let mut bench = Bench::new(99);
        assert_eq!(bench.send(b"head", b"body", false), Sent::Gone);
        assert_eq!(bench.client.take(99), b"headbody");
        assert!(bench.writer.output.is_none(), "no buffer");
        assert_eq!((bench.writer.moved(), bench.sent.get()), (0, 8));
    }

    #[test]
    fn answers_of_one_turn_leave_together() {
        let mut bench = Bench::new(99);
        assert_eq!(bench.send(b"one ", b"", true), Sent::Gathered);
        assert_eq!(bench.send(b"two", b"", false), Sent::Gathered, "behind the first");
        assert_eq!(bench.client.take(99), b"");
        assert_eq!(bench.write_out(), Some(Sent::Gone));
        assert_eq!(bench.client.take(99), b"one two");
        assert!(bench.writer.output.is_none(), "the buffer is given back");
        assert_eq!(bench.write_out(), None, "there is nothing more");
    }

    #[test]
    fn what_the_connection_does_not_take_waits_whichever_part_it_breaks_in() {
        for room in 1..8 {
            let mut bench = Bench::new(room);
            assert_eq!(bench.send(b"head", b"body", false), Sent::Full, "{room}");
            assert!(!bench.conn.takes_bytes() && bench.writer.unwritten() == 8 - room);
            let mut taken = Vec::new();
            while taken.len() < 8 {
                assert!(!bench.is_writable(), "it is full until the client reads");
                taken.extend(bench.client.take(1));
                assert!(bench.is_writable());
                if bench.write_out() == Some(Sent::Full) {
                    bench.conn.block();
                } else {
                    taken.extend(bench.client.take(99));
                }
            }
            assert_eq!(taken, b"headbody", "{room}");
        }
    }

    #[test]
    fn what_waits_for_room_counts_as_held_and_what_waits_for_the_turn_does_not() {
        let mut bench = Bench::new(3);
        let held = std::rc::Rc::new(std::cell::Cell::new(0));
        let shown = held.clone();
        bench.buffers.show(move |bytes| shown.set(bytes));
        bench.send(b"abc", b"", true);
        bench.send(b"defgh", b"", true);
        assert_eq!(held.get(), 0);
        assert_eq!(bench.write_out(), Some(Sent::Full));
        bench.writer.count_unwritten(&bench.buffers);
        assert_eq!((held.get(), bench.writer.unwritten()), (5, 5));
        bench.client.take(2);
        bench.write_out();
        assert_eq!(held.get(), 3);
        assert_eq!(&bench.writer.take(&bench.buffers)[..], b"fgh");
        assert_eq!(held.get(), 0);
    }

    #[test]
    fn a_slow_client_moves_what_it_takes_from_then_on_whatever_it_is() {
        let mut bench = Bench::new(2);
        bench.send(b"abcd", b"", false);
        assert_eq!(bench.writer.moved(), 0, "what it took before it was slow does not count");
        bench.client.take(2);
        assert!(bench.is_writable());
        bench.write_out();
        assert_eq!(bench.writer.moved(), 2);
        bench.client.take(2);
        assert_eq!(bench.send(b"e", b"f", false), Sent::Gone);
        assert_eq!(bench.writer.moved(), 4, "what leaves at once counts, too");
        bench.writer.count_moved(10);
        assert_eq!(bench.writer.moved(), 14, "and so does what it sends");
    }

    #[test]
    fn a_client_is_full_at_its_limit_or_earlier_where_all_buffers_are() {
        let mut bench = Bench::new(1);
        bench.send(&vec![b'x'; LEAST + 1], b"", false);
        assert!(!bench.writer.is_full(LEAST + 1, &bench.buffers));
        assert!(bench.writer.is_full(LEAST, &bench.buffers));
        bench.buffers.limit(1);
        assert!(bench.writer.is_full(usize::MAX, &bench.buffers));
        bench.client.take(1);
        assert!(bench.is_writable());
        bench.write_out();
        assert!(!bench.writer.is_full(usize::MAX, &bench.buffers), "each may have so much");
    }

    #[test]
    fn nothing_is_kept_for_a_connection_that_has_failed() {
        let mut bench = Bench::new(9);
        bench.conn.close_write();
        assert_eq!(bench.send(b"late", b"", false), Sent::Gone);
        assert!(bench.conn.has_failed() && bench.writer.output.is_none());
    }
}
