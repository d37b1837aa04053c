//! The recipient of a client's exchange: it is all that a link or a pool knows of a client.
//!
//! A link reports what its member answered; a ticket writes that in the form that its client takes, and passes reports on to
//! the client.

use std::rc::Rc;

use crate::cause::Cause;
use crate::event_loop::{Contained, Nanos, may_panic};
use crate::link::{AnswerEnd, Data, Exchange, Link, Recipient, UpgradedLink};
use crate::proto::http::{ResponseFormat, ResponseHead};

use super::Client;

/// One request of a client: the facts that its link needs, and the form of its response.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientRequest {
    pub(super) exchange: Exchange,
    /// The form of the response, which only HTTP has.
    pub(super) format: ResponseFormat,
}

impl From<Exchange> for ClientRequest {
    /// Makes a frame a request; its answer has only one form.
    fn from(exchange: Exchange) -> Self {
        Self { exchange, format: ResponseFormat::default() }
    }
}

/// The recipient of the answer to one request.
#[derive(Clone)]
pub(crate) enum Ticket {
    /// A client of HTTP/1.
    Http1 {
        /// The client that sent the request.
        client: Rc<Client>,
        /// The form of the response.
        format: ResponseFormat,
    },
    /// A client of frames, which gets the member's bytes unchanged.
    Frames {
        /// The client that sent the frame.
        client: Rc<Client>,
    },
}

impl Ticket {
    pub(super) fn new(client: &Rc<Client>, request: &ClientRequest) -> Self {
        let client = client.clone();
        match request.exchange.kind.is_http() {
            true => Self::Http1 { client, format: request.format },
            false => Self::Frames { client },
        }
    }

    /// Makes the ticket of a client that keeps its link between two requests of HTTP.
    pub(super) fn of_keeper(client: &Rc<Client>) -> Self {
        Self::Http1 { client: client.clone(), format: ResponseFormat::default() }
    }

    pub(super) fn is_of(&self, client: &Client) -> bool {
        std::ptr::eq(Rc::as_ptr(self.client()), client)
    }

    /// Returns the request that a link gives back.
    pub(super) fn request(&self, exchange: Exchange) -> ClientRequest {
        match self {
            Self::Http1 { format, .. } => ClientRequest { exchange, format: *format },
            Self::Frames { .. } => exchange.into(),
        }
    }

    #[inline]
    fn client(&self) -> &Rc<Client> {
        match self {
            Self::Http1 { client, .. } | Self::Frames { client } => client,
        }
    }
}

impl Recipient for Ticket {
    #[inline]
    fn head(&self, head: &ResponseHead<'_, '_>, early: bool, out: &mut Vec<u8>) -> Result<(), Cause> {
        let Self::Http1 { client, format } = self else { return Ok(()) };
        may_panic("client.head");
        // An early answer leaves content of the request unread, so nothing can follow it.
        let mut writer = client.response.get();
        let close = early || client.closes();
        writer.head(head, *format, close, &client.frontend.event_loop.date(), out)?;
        client.response.set(writer);
        Ok(())
    }

    #[inline]
    fn data(&self, bytes: &[u8], out: &mut Vec<u8>) -> Data {
        let Self::Http1 { client, .. } = self else { return Data::AsIs };
        let writer = client.response.get();
        // A large run of content goes out past the buffer, where its encoding leaves it unchanged.
        if writer.passes(bytes.len()) {
            return Data::AsIs;
        }
        writer.data(bytes, out);
        Data::Copied
    }

    #[inline]
    fn end(&self, trailers: &[u8], out: &mut Vec<u8>) {
        if let Self::Http1 { client, .. } = self {
            client.response.get().end(trailers, out);
        }
    }

    fn deliver(&self, out: &[u8], raw: &[u8]) {
        self.client().deliver(out, raw);
    }

    fn ended(&self, request: &Exchange, end: AnswerEnd, service: Nanos) {
        // The head that was written may have promised to close.
        let close = match self {
            Self::Http1 { client, .. } => end.close || client.response.get().closes(),
            Self::Frames { .. } => end.close,
        };
        self.client().ended(request, AnswerEnd { close, ..end }, service);
    }

    fn failed(&self, request: &Exchange, cause: Cause, shown: bool) {
        self.client().failed(self.request(*request), cause, shown);
    }

    fn again(&self, request: Exchange, head: Vec<u8>, cause: Cause) {
        self.client().again(self.request(request), head, cause);
    }

    fn placed(&self, link: &Rc<Link<Self>>) {
        self.client().placed(link);
    }

    fn is_full(&self) -> bool {
        self.client().is_full()
    }

    fn is_gone(&self) -> bool {
        self.client().conn.has_failed()
    }

    fn has_ended(&self) -> bool {
        self.client().has_ended()
    }

    fn same(&self, other: &Self) -> bool {
        Rc::ptr_eq(self.client(), other.client())
    }

    fn writable(&self) {
        self.client().writable();
    }

    fn moved(&self) -> u64 {
        self.client().moved()
    }

    fn give_way(&self, cause: Cause) {
        self.client().give_way(cause);
    }

    fn switched(&self, upgraded: UpgradedLink) {
        self.client().switched(upgraded);
    }

    fn panicked(&self) {
        Contained::panicked(&**self.client());
    }
}

#[cfg(test)]
mod tests {
    use super::Ticket;
    use crate::link::{Exchange, Slot};

    /// Limits the size of state that each request in flight has once.
    #[test]
    fn what_a_link_keeps_of_a_request_is_small() {
        assert!(size_of::<Ticket>() <= 16 && size_of::<Exchange>() <= 32);
        assert!(size_of::<Slot<Ticket>>() <= 112);
    }
}
