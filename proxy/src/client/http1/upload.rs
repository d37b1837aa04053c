//! Reads content before its request takes a link, so that no link waits for a slow client.
//!
//! The request is held until its content is whole, or there is more of it than `request_buffer`, or all buffers of the worker are
//! full. Then it goes to a link, what was read follows it there, and the rest of longer content goes there as it comes.

use std::rc::Rc;

use crate::client::ticket::ClientRequest;
use crate::client::{Client, ClientParts};
use crate::link::Exchange;
use crate::proto::http::BodyFraming;

/// See the head of this file.
pub(in crate::client) struct HeldUpload {
    /// The request, until it is to go to a link, and its head as it goes there.
    held: Option<(ClientRequest, Vec<u8>)>,
    /// The content so far.
    content: Vec<u8>,
    /// All of it has come, and ends with these trailers.
    trailers: Option<Vec<u8>>,
}

impl HeldUpload {
    /// Returns whether its request has yet to go to a link.
    pub(in crate::client) const fn is_held(&self) -> bool {
        self.held.is_some()
    }
}

impl Client {
    /// Returns whether a request is to wait until its body, which is not here yet, has been read. Who waits for 100 (Continue) is
    /// told by the member, and who keeps a link takes it from nobody.
    pub(super) fn reads_body_first(&self, s: &ClientParts, request: &Exchange) -> bool {
        let most = s.route.destination().listener.request_buffer;
        let may_wait = most > 0 && !self.frontend.event_loop.buffers.are_full();
        request.open_ended && !request.expects && !s.exchanges.keeps_link() && may_wait
    }

    /// Holds a request until its body has been read.
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

    /// Adds content to a request that is held; `last` ends it, with these trailers. Returns whether the request has to wait no
    /// longer; one that is not held has not.
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

    /// Sends the request to a link, and what was read of its body behind it.
    pub(super) fn release_upload(self: &Rc<Self>, s: &mut ClientParts) {
        let Some(upload) = s.exchanges.upload() else { return };
        let whole = upload.trailers.is_some();
        let Some((mut request, head)) = upload.held.take() else { return };
        request.exchange.open_ended = !whole;
        self.put_on_link(s, request, &*head);
        self.send_upload(s);
    }

    /// Sends what was read of a body to the link of its request, if that has one by now.
    pub(in crate::client) fn send_upload(self: &Rc<Self>, s: &mut ClientParts) {
        if !s.exchanges.has_upload() || s.exchanges.is_off_link() || s.exchanges.holds_upload() {
            return;
        }
        let Some(upload) = s.exchanges.take_upload() else { return };
        self.frontend.event_loop.buffers.change(upload.content.len(), 0);
        if let Some(link) = s.exchanges.link() {
            link.send_data(&upload.content, upload.trailers.as_deref());
        }
    }

    /// Drops a body that is of no use any more. Returns the request, where it had not gone to a link.
    pub(in crate::client) fn drop_upload(&self, s: &mut ClientParts) -> Option<ClientRequest> {
        let upload = s.exchanges.take_upload()?;
        self.frontend.event_loop.buffers.change(upload.content.len(), 0);
        upload.held.map(|(request, _)| request)
    }
}
