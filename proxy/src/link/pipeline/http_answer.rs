//! Reads the HTTP responses on a link: where each ends, and what may follow it.

use std::ops::Range;

use crate::cause::Cause;
use crate::config::HeadLimits;
use crate::proto::http::{Ask, BodyFraming, Reject, ResponseHead};
use crate::proto::http1::{BodyDecoder, BodyError, FieldRoom, Parsed, parse_response};

use super::answer::AnswerEnd;
use super::sink::{Awaited, Data, Sink};

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
pub(in crate::link) struct HttpAnswerReader {
    limits: HeadLimits,
    state: AnswerState,
    /// The present answer is an event stream.
    events: bool,
    /// Nobody knows what follows a 1xx of a kind that is not usual, or with content: the link ends with its answer.
    odd: bool,
    /// Where the value of the `Server` field of a final head stands in the input that is being read; empty without one.
    server: Option<Range<usize>>,
}

#[derive(Debug)]
enum AnswerState {
    Head,
    Body {
        decoder: BodyDecoder,
        end: AnswerEnd,
    },
    /// Nothing more is read here.
    Switched(AnswerEnd),
}

/// What was read in one step.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::link) struct AnswerStep {
    /// Bytes of the input that are done with; 0 when more are needed.
    pub consumed: usize,
    /// The part of the input that goes to the client as it is, after what was appended to the output.
    pub raw: Range<usize>,
    /// The final head has been read, now or before.
    pub final_head: bool,
    /// The answer has ended.
    pub end: Option<AnswerEnd>,
    /// Where in the input the `Server` field of a final head is that was read now; empty where the head has none.
    pub server: Option<Range<usize>>,
}

impl HttpAnswerReader {
    /// A reader at the start of a link.
    #[must_use]
    pub(in crate::link) fn new(limits: HeadLimits) -> Self {
        Self { limits, state: AnswerState::Head, events: false, odd: false, server: None }
    }

    /// Reads on, at most to the end of the answer. `uploading`: some of the request's content is still to come.
    ///
    /// # Errors
    /// When the answer breaks RFC 9112 or a limit, or is none that its client takes; the link is of no use any more.
    pub(in crate::link) fn read<T, S: Sink<T>>(
        &mut self,
        input: &[u8],
        ask: Ask,
        uploading: bool,
        client: &mut Awaited<'_, T, S>,
    ) -> Result<AnswerStep, Reject> {
        let mut consumed = 0;
        self.server = None;
        while matches!(self.state, AnswerState::Head) {
            match self.read_head(input, consumed, ask, uploading, client)? {
                0 => {
                    return Ok(AnswerStep {
                        consumed,
                        raw: 0..0,
                        final_head: false,
                        end: None,
                        server: None,
                    });
                }
                len => consumed += len,
            }
        }
        if let AnswerState::Switched(end) = self.state {
            let raw = match client.data(&input[consumed..]) {
                Data::Copied => 0..0,
                Data::AsIs => consumed..input.len(),
            };
            return Ok(AnswerStep {
                consumed: input.len(),
                raw,
                final_head: true,
                end: Some(end),
                server: None,
            });
        }
        self.read_body(input, consumed, client)
    }

    /// Whether the length of the present answer is not known until it ends.
    pub(in crate::link) fn has_no_length(&self) -> bool {
        matches!(&self.state, AnswerState::Body { decoder, .. } if decoder.has_no_length())
    }

    /// Whether the present answer is an event stream, by its media type.
    pub(in crate::link) fn is_event_stream(&self) -> bool {
        self.events && matches!(self.state, AnswerState::Body { .. })
    }

    /// The member closed the link. Says how the answer ended, if that ends it (RFC 9112 section 6.3, rule 8).
    pub(in crate::link) fn at_eof<T, S: Sink<T>>(
        &mut self,
        client: &mut Awaited<'_, T, S>,
    ) -> Option<AnswerEnd> {
        let AnswerState::Body { decoder, end } = &mut self.state else { return None };
        decoder.at_eof().ok()?;
        client.end(decoder.trailers());
        let end = *end;
        self.state = AnswerState::Head;
        Some(end)
    }

    fn read_head<T, S: Sink<T>>(
        &mut self,
        whole: &[u8],
        at: usize,
        ask: Ask,
        uploading: bool,
        client: &mut Awaited<'_, T, S>,
    ) -> Result<usize, Reject> {
        let input = &whole[at..];
        if input.is_empty() {
            return Ok(0);
        }
        let mut fields = FieldRoom::new();
        let Parsed::Head { head, len } = parse_response(input, &self.limits, ask, &mut fields)? else {
            return Ok(0);
        };
        if head.is_interim() {
            self.odd |= head.odd_content || !matches!(head.status, 100 | 102 | 103);
            client.head(&head, false)?;
            return Ok(len);
        }
        if head.switches() {
            client.head(&head, false)?;
            let end =
                AnswerEnd { close: true, reusable: false, switched: true, ..AnswerEnd::plain(head.status) };
            self.state = AnswerState::Switched(end);
            return Ok(len);
        }
        let early = uploading && client.is_awaited() && ends_early(&head, &input[len..]);
        self.server = Some(head.server.map_or(0..0, |value| place_of(value, whole)));
        let odd = std::mem::take(&mut self.odd);
        client.head(&head, early)?;
        let old = head.minor_version == 0;
        let kept_for = head.keep_alive_timeout;
        let end =
            AnswerEnd { reusable: head.keep_alive && !odd, old, kept_for, ..AnswerEnd::plain(head.status) };
        self.state = AnswerState::Body { decoder: BodyDecoder::of_answer(head.body), end };
        debug_assert!(head.body != BodyFraming::UntilClose || !end.reusable);
        let measured = matches!(head.body, BodyFraming::None | BodyFraming::Length(_));
        self.events = !measured && head.is_event_stream();
        Ok(len)
    }

    fn read_body<T, S: Sink<T>>(
        &mut self,
        input: &[u8],
        mut consumed: usize,
        client: &mut Awaited<'_, T, S>,
    ) -> Result<AnswerStep, Reject> {
        let server = self.server.take();
        let AnswerState::Body { decoder, end } = &mut self.state else {
            return Ok(AnswerStep { consumed, raw: 0..0, final_head: false, end: None, server: None });
        };
        let mut raw = 0..0;
        while !decoder.is_done() && consumed < input.len() && raw.is_empty() {
            let step = decoder.decode(&input[consumed..]).map_err(bad_body)?;
            let data = consumed + step.data.start..consumed + step.data.end;
            consumed += step.consumed;
            if client.data(&input[data.clone()]) == Data::AsIs {
                raw = data;
            }
        }
        if !decoder.is_done() {
            return Ok(AnswerStep { consumed, raw, final_head: true, end: None, server });
        }
        client.end(decoder.trailers());
        let end = Some(*end);
        self.state = AnswerState::Head;
        Ok(AnswerStep { consumed, raw, final_head: true, end, server })
    }
}

/// Whether an answer that began before the request's body had come will also end before: it is a refusal, or all of it is
/// here, or its member closes with it. One that is still being said may follow the body to its end, as an echo does.
#[cold]
fn ends_early(head: &ResponseHead<'_, '_>, mut content: &[u8]) -> bool {
    if head.status >= 300 || !head.keep_alive {
        return true;
    }
    let mut decoder = BodyDecoder::of_answer(head.body);
    while !decoder.is_done() && !content.is_empty() {
        // A fault is the end as well.
        let Ok(step) = decoder.decode(content) else { return true };
        content = &content[step.consumed..];
    }
    decoder.is_done()
}

/// Where in `whole` its part `value` is.
fn place_of(value: &[u8], whole: &[u8]) -> Range<usize> {
    let begin = (value.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    debug_assert!(begin + value.len() <= whole.len());
    begin..begin + value.len()
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
