//! Reads content before its request takes a link, so that no link waits for a slow client.
//!
//! The request is held until its content is whole, or longer than `request_buffer`, or until all buffers of the worker are
//! full. Then the request goes to a link, the content that was read follows it, and the rest goes there as it comes.

use std::rc::Rc;

use crate::client::ticket::ClientRequest;
use crate::client::{Client, ClientParts};
use crate::link::Exchange;
use crate::proto::http::BodyFraming;

/// The content of a request, read before the request takes a link.
pub(in crate::client) struct HeldUpload {
    /// The request and its head as the link gets it, until it goes to one.
    held: Option<(ClientRequest, Vec<u8>)>,
    /// The content that has come so far.
    content: Vec<u8>,
    /// The trailers of content that is whole.
    trailers: Option<Vec<u8>>,
}

impl HeldUpload {
    /// Returns whether the request has yet to go to a link.
    pub(in crate::client) const fn is_held(&self) -> bool {
        self.held.is_some()
    }
}

impl Client {
    /// Returns whether a request waits until its body, which is not here yet, has been read. A client that expects 100
    /// (Continue) hears it from the member, so its request cannot wait; a client that keeps a link takes it from nobody else,
    /// so its request need not.
    pub(super) fn reads_body_first(&self, s: &ClientParts, request: &Exchange) -> bool {
        let most = s.route.destination().listener.request_buffer;
        let may_wait = most > 0 && !self.frontend.event_loop.buffers.are_full();
        request.open_ended && !request.expects && !s.exchanges.keeps_link() && may_wait
    }

    /// Holds a request until its body has been read. Where its length is known, the buffer is allocated once, up to
    /// `request_buffer`.
    pub(super) fn hold_upload(
        s: &mut ClientParts,
        request: ClientRequest,
        head: Vec<u8>,
        framing: BodyFraming,
    ) {
        let most = s.route.destination().listener.request_buffer;
        let expected = match framing {
            BodyFraming::Length(n) => usize::try_from(n).unwrap_or(usize::MAX),
            _ => 0,
        };
        let content = Vec::with_capacity(expected.min(most));
        s.exchanges.hold_upload(HeldUpload { held: Some((request, head)), content, trailers: None });
    }

    /// Adds content to a request that is held; `last` ends it, with these trailers. Returns whether the request may go to a
    /// link now; false also where none is held.
    pub(super) fn extend_upload(&self, s: &mut ClientParts, data: &[u8], last: Option<Vec<u8>>) -> bool {
        let most = s.route.destination().listener.request_buffer;
        let Some(upload) = s.exchanges.upload().filter(|upload| upload.is_held()) else { return false };
        let buffers = &self.frontend.event_loop.buffers;
        let before = upload.content.len();
        upload.content.extend_from_slice(data);
        let whole = last.is_some();
        upload.trailers = last;
        let after = upload.content.len();
        buffers.change(before, after);
        whole || after >= most || buffers.are_full()
    }

    /// Sends the held request to a link, and the content that was read behind it.
    pub(super) fn release_upload(self: &Rc<Self>, s: &mut ClientParts) {
        let Some(upload) = s.exchanges.upload() else { return };
        let whole = upload.trailers.is_some();
        let Some((mut request, head)) = upload.held.take() else { return };
        request.exchange.open_ended = !whole;
        self.put_on_link(s, request, &*head);
        // The request may be in a wait queue now; then this does nothing, and `proceed` sends the content later.
        self.send_upload(s);
    }

    /// Sends the content that was read to the link of its request, if the request is on one by now.
    pub(in crate::client) fn send_upload(self: &Rc<Self>, s: &mut ClientParts) {
        if !s.exchanges.has_upload() || s.exchanges.is_off_link() || s.exchanges.holds_upload() {
            return;
        }
        let Some(upload) = s.exchanges.take_upload() else { return };
        self.frontend.event_loop.buffers.change(upload.content.len(), 0);
        // An exchange that has ended already, with an early answer, has no use for its content.
        if let Some(link) = s.exchanges.link() {
            link.send_data(&upload.content, upload.trailers.as_deref());
        }
    }

    /// Drops content that is of no use any more. Returns its request, where that has not gone to a link.
    pub(in crate::client) fn drop_upload(&self, s: &mut ClientParts) -> Option<ClientRequest> {
        let upload = s.exchanges.take_upload()?;
        self.frontend.event_loop.buffers.change(upload.content.len(), 0);
        upload.held.map(|(request, _)| request)
    }
}
