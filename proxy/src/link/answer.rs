//! Reads the HTTP answers on a link and shapes them for the client.
//! In: bytes from the member, and what was asked. Out: bytes for the client, and where an answer ends.
//! Knows nothing of queues, clients or sockets.

use std::ops::Range;

use crate::cause::Cause;
use crate::config::HeadLimits;
use crate::proto::http1::{
    Ask, BodyDecoder, BodyEncoder, BodyError, BodyFraming, Date, Fields, Parsed, Reject, Response,
    parse_response,
};

/// The bytes of a link, understood so far.
///
/// ```text
///          1xx                 head with a body
///        ┌─────┐          ┌───────────────────────▶ Body ──┐
///        ▼     │          │                                │ end of the body
///       Head ──┴──────────┼── head without one ─────▶ (answer ended)
///        ▲                │                                │
///        │                └── 101, 2xx to CONNECT ─▶ Switched
///        └─────────────────────────────────────────────────┘
/// ```
#[derive(Debug)]
pub(super) struct Answer {
    limits: HeadLimits,
    state: State,
    /// The present answer is an event stream.
    events: bool,
}

#[derive(Debug)]
enum State {
    Head,
    Body {
        decoder: BodyDecoder,
        encoder: BodyEncoder,
        end: End,
    },
    /// Nothing more is read here.
    Switched(End),
}

/// Whether the client's connection ends with an answer, whatever the client wished.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Closing {
    /// As the client wished.
    AsAsked,
    /// If the answer is a refusal: it comes before the request's body has, which then nobody will read.
    IfRefused,
    /// It does.
    Always,
}

/// How an answer is shaped for its client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) closing: Closing,
    /// For an answer that has none (RFC 9110 section 6.6.1).
    pub(super) date: Date,
}

/// An answer has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    /// Its status code.
    pub status: u16,
    /// The client's connection ends with it.
    pub close: bool,
    /// The link may carry another exchange.
    pub reusable: bool,
    /// What comes after it on the link is no HTTP, and the client's.
    pub switched: bool,
    /// It came in HTTP/1.0.
    pub old: bool,
    /// Seconds that the member keeps the link while it is unused, as it says (`Keep-Alive: timeout=`).
    pub kept_for: Option<u32>,
}

impl End {
    /// Of an answer that says nothing of its link but that it may be used again.
    #[must_use]
    pub fn plain(status: u16) -> Self {
        Self { status, close: false, reusable: true, switched: false, old: false, kept_for: None }
    }
}

/// What was read in one step.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Bytes of the input that are done with; 0 when more are needed.
    pub consumed: usize,
    /// Content in the input that goes to the client as it is, after what was appended to the output.
    pub raw: Range<usize>,
    /// The final head has been read, now or before.
    pub final_head: bool,
    /// The answer has ended.
    pub end: Option<End>,
}

/// Content at least this long is not copied.
const WORTH_A_SECOND_SLICE: usize = 4096;

impl Answer {
    /// A reader at the start of a link.
    #[must_use]
    pub(super) fn new(limits: HeadLimits) -> Self {
        Self { limits, state: State::Head, events: false }
    }

    /// Reads on, at most to the end of the answer. What the client gets is appended to `out`.
    ///
    /// # Errors
    /// When the answer breaks RFC 9112 or a limit; the link is of no use any more.
    pub(super) fn read(
        &mut self,
        input: &[u8],
        ask: Ask,
        shape: &Shape,
        out: &mut Vec<u8>,
    ) -> Result<Step, Reject> {
        let mut consumed = 0;
        while matches!(self.state, State::Head) {
            match self.read_head(&input[consumed..], ask, shape, out)? {
                0 => return Ok(Step { consumed, raw: 0..0, final_head: false, end: None }),
                len => consumed += len,
            }
        }
        if let State::Switched(end) = self.state {
            let raw = consumed..input.len();
            return Ok(Step { consumed: input.len(), raw, final_head: true, end: Some(end) });
        }
        self.read_body(input, consumed, out)
    }

    /// Whether the length of the present answer is not known until it ends.
    pub(super) fn has_no_length(&self) -> bool {
        matches!(&self.state, State::Body { decoder, .. } if decoder.has_no_length())
    }

    /// Whether the present answer is an event stream, by its media type.
    pub(super) fn is_event_stream(&self) -> bool {
        self.events && matches!(self.state, State::Body { .. })
    }

    /// The member closed the link. Says how the answer ended, if that ends it (RFC 9112 section 6.3, rule 8).
    pub(super) fn at_eof(&mut self, out: &mut Vec<u8>) -> Option<End> {
        let State::Body { decoder, encoder, end } = &mut self.state else { return None };
        decoder.at_eof().ok()?;
        encoder.finish(decoder.trailers(), out);
        let end = *end;
        self.state = State::Head;
        Some(end)
    }

    fn read_head(
        &mut self,
        input: &[u8],
        ask: Ask,
        shape: &Shape,
        out: &mut Vec<u8>,
    ) -> Result<usize, Reject> {
        if input.is_empty() {
            return Ok(0);
        }
        let mut fields = Fields::new();
        let Parsed::Head { head, len } = parse_response(input, &self.limits, ask, &mut fields)? else {
            return Ok(0);
        };
        if head.is_interim() {
            forward_interim(&head, ask, shape, out);
            return Ok(len);
        }
        if head.switches() {
            head.forward(ask, false, &shape.date, out);
            let end = End { close: true, reusable: false, switched: true, ..End::plain(head.status) };
            self.state = State::Switched(end);
            return Ok(len);
        }
        let refused = head.status >= 300;
        let close = shape.closing == Closing::Always || (shape.closing == Closing::IfRefused && refused);
        let outgoing = head.forward(ask, close, &shape.date, out);
        let old = head.minor_version == 0;
        let kept_for = head.keep_alive_timeout;
        let end = End {
            close: outgoing.close,
            reusable: head.keep_alive,
            old,
            kept_for,
            ..End::plain(head.status)
        };
        self.state = State::Body { decoder: BodyDecoder::new(head.body), encoder: outgoing.encoder, end };
        debug_assert!(head.body != BodyFraming::UntilClose || !end.reusable);
        let measured = matches!(head.body, BodyFraming::None | BodyFraming::Length(_));
        self.events = !measured && head.is_event_stream();
        Ok(len)
    }

    fn read_body(&mut self, input: &[u8], mut consumed: usize, out: &mut Vec<u8>) -> Result<Step, Reject> {
        let State::Body { decoder, encoder, end } = &mut self.state else {
            return Ok(Step { consumed, raw: 0..0, final_head: false, end: None });
        };
        let mut raw = 0..0;
        while !decoder.is_done() && consumed < input.len() && raw.is_empty() {
            let step = decoder.decode(&input[consumed..]).map_err(bad_body)?;
            let data = consumed + step.data.start..consumed + step.data.end;
            consumed += step.consumed;
            match encoder {
                BodyEncoder::Raw if data.len() >= WORTH_A_SECOND_SLICE => raw = data,
                _ => encoder.encode(&input[data], out),
            }
        }
        if !decoder.is_done() {
            return Ok(Step { consumed, raw, final_head: true, end: None });
        }
        encoder.finish(decoder.trailers(), out);
        let end = Some(*end);
        self.state = State::Head;
        Ok(Step { consumed, raw, final_head: true, end })
    }
}

/// RFC 9110 section 15.2: a proxy forwards 1xx, except to a client of HTTP/1.0.
fn forward_interim(head: &Response<'_, '_>, ask: Ask, shape: &Shape, out: &mut Vec<u8>) {
    if ask.minor_version > 0 {
        head.forward(ask, false, &shape.date, out);
    }
}

fn bad(detail: &'static str) -> Reject {
    Reject { cause: Cause::BadResponse, status: Cause::BadResponse.status(), detail }
}

fn bad_body(error: BodyError) -> Reject {
    match error {
        BodyError::BadChunk(detail) => bad(detail),
        BodyError::Truncated => bad("a body cut short"),
    }
}
