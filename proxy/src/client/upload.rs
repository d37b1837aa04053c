//! Reads content before its request takes a link, so that no link waits for a slow client.
//!
//! The request is held until its content is whole, or there is more of it than `request_buffer`, or all buffers of the worker are
//! full. Then it goes to a link, what was read follows it there, and the rest of longer content goes there as it comes.

use std::rc::Rc;

use crate::link::Exchange;
use crate::proto::http::BodyFraming;

use super::Client;
use super::inner::ClientInner;
use super::ticket::ClientRequest;

/// See the head of this file.
pub(super) struct HeldUpload {
    /// The request, until it is to go to a link, and its head as it goes there.
    held: Option<(ClientRequest, Vec<u8>)>,
    /// The content so far.
    content: Vec<u8>,
    /// All of it has come, and ends with these trailers.
    trailers: Option<Vec<u8>>,
}

impl HeldUpload {
    /// Whether its request has yet to go to a link.
    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }
}

impl Client {
    /// Whether a request is to wait until its body, which is not here yet, has been read. Who waits for 100 (Continue) is told
    /// by the member, and who keeps a link takes it from nobody.
    pub(super) fn reads_body_first(&self, s: &ClientInner, request: &Exchange) -> bool {
        let may_wait =
            s.destination.listener.request_buffer > 0 && !self.frontend.event_loop.buffers.are_full();
        request.open_ended && !request.expects && !s.keeps_link() && may_wait
    }

    /// Holds a request until its body has been read.
    pub(super) fn hold_upload(
        s: &mut ClientInner,
        request: ClientRequest,
        head: Vec<u8>,
        framing: BodyFraming,
    ) {
        let most = s.destination.listener.request_buffer;
        let expected = match framing {
            BodyFraming::Length(n) => usize::try_from(n).unwrap_or(usize::MAX),
            _ => 0,
        };
        let content = Vec::with_capacity(expected.min(most));
        s.cold().upload = Some(Box::new(HeldUpload { held: Some((request, head)), content, trailers: None }));
    }

    /// More content has come; `last` ends it, with these trailers. False where it is not being held.
    pub(super) fn extend_upload(
        self: &Rc<Self>,
        s: &mut ClientInner,
        data: &[u8],
        last: Option<Vec<u8>>,
    ) -> bool {
        let most = s.destination.listener.request_buffer;
        let held =
            s.cold.as_mut().and_then(|cold| cold.upload.as_deref_mut()).filter(|upload| upload.is_held());
        let Some(upload) = held else { return false };
        let before = upload.content.len();
        upload.content.extend_from_slice(data);
        let whole = last.is_some();
        upload.trailers = last;
        let after = upload.content.len();
        self.count_held(before, after);
        if whole || after >= most || self.frontend.event_loop.buffers.are_full() {
            s.cold().release = true;
        }
        true
    }

    /// The request goes to a link, if enough of its body has been read.
    pub(super) fn release_upload(self: &Rc<Self>, s: &mut ClientInner) {
        if !s.cold.as_mut().is_some_and(|cold| std::mem::take(&mut cold.release)) {
            return;
        }
        let Some(upload) = s.cold().upload.as_deref_mut() else { return };
        let whole = upload.trailers.is_some();
        let Some((mut request, head)) = upload.held.take() else { return };
        request.exchange.open_ended = !whole;
        self.put_on_link(s, request, &*head);
        self.send_upload(s);
    }

    /// What was read of a body follows its request to the link, if that has one by now.
    pub(super) fn send_upload(self: &Rc<Self>, s: &mut ClientInner) {
        let waits = s.waits || s.has_deferred();
        let Some(cold) = s.cold.as_mut() else { return };
        if waits || cold.upload.as_ref().is_none_or(|upload| upload.is_held()) {
            return;
        }
        let Some(upload) = cold.upload.take() else { return };
        self.count_held(upload.content.len(), 0);
        if let Some(link) = &s.link {
            link.send_data(&upload.content, upload.trailers.as_deref());
        }
    }

    /// The body is of no use any more. Gives back the request, where it had not gone to a link.
    pub(super) fn drop_upload(&self, s: &mut ClientInner) -> Option<ClientRequest> {
        let upload = s.cold.as_mut()?.upload.take()?;
        self.count_held(upload.content.len(), 0);
        upload.held.map(|(request, _)| request)
    }

    /// So many bytes of a client are held where so many were before.
    pub(super) fn count_held(&self, before: usize, after: usize) {
        self.frontend.event_loop.buffers.change(before, after);
    }
}
