//! Reads a link whose responses nobody awaits any more, and counts the responses against the requests.
//!
//! No response is delivered. A count that does not add up is an offence of the member.

use std::future::poll_fn;
use std::task::Poll;

use super::{LONGEST_PARTING, Link, LinkSink};
use crate::link::pipeline::queue::receive_discarded;
use crate::link::pool::Recipient;
use crate::metrics::PipelineFault;
use crate::stream::Stream;

impl<T: Recipient> Link<T> {
    /// Reads, for a limited time, the answers to requests that were sent elsewhere meanwhile.
    pub(super) async fn read_last_answers(&self, stream: &Stream) {
        // All answers may have come before.
        if let Some(how) = self.first_fault(&[]) {
            return how.into_iter().for_each(|how| self.pool.offended(how));
        }
        let rest = poll_fn(|cx| {
            loop {
                let mut input = self.pool.event_loop.input();
                let fault = match stream.poll_read(cx, &mut input) {
                    Poll::Ready(Ok(bytes)) if !bytes.is_empty() => {
                        self.pool.cells.received_bytes.add(bytes.len() as u64);
                        self.first_fault(bytes)
                    }
                    Poll::Ready(_) => Some(Some(PipelineFault::Closed)),
                    Poll::Pending => return Poll::Pending,
                };
                if let Some(end) = fault {
                    return Poll::Ready(end);
                }
            }
        });
        let heard = crate::event_loop::timeout(LONGEST_PARTING, rest).await;
        if let Some(how) = heard.unwrap_or(Some(PipelineFault::Missing)) {
            self.pool.offended(how);
        }
    }

    /// Takes bytes. Returns `None` while answers are missing, else the fault that was found, if there was one.
    fn first_fault(&self, input: &[u8]) -> Option<Option<PipelineFault>> {
        let event_loop = &self.pool.event_loop;
        let now = event_loop.update_now();
        let mut out = event_loop.output();
        let mut sink = LinkSink { link: self, served: 0, classes: Vec::new(), large: false };
        match receive_discarded(&mut &self.queue, input, now, &mut out, &mut sink) {
            Err(_) => Some(Some(PipelineFault::Answer)),
            Ok(false) => Some(None),
            Ok(true) if self.queue.borrow().sent() == 0 => Some(None),
            Ok(true) => None,
        }
    }
}
