//! Reads the HTTP responses on a link: where each ends, and what may follow it.

use std::ops::Range;

use crate::cause::Cause;
use crate::config::HeadLimits;
use crate::proto::http::{Ask, BodyFraming, Reject, ResponseHead};
use crate::proto::http1::{BodyDecoder, BodyError, FieldRoom, Parsed, parse_response};

use super::answer::AnswerEnd;
use super::sink::{Awaited, Data, Sink};

/// A reader of the HTTP responses on one link.
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
    /// An unusual 1xx came, or one with content, and nobody knows what follows it: the link ends with its answer.
    odd: bool,
    /// The place of the value of the `Server` field of a final head in the input that is being read; empty where there is none.
    server: Option<Range<usize>>,
}

#[derive(Debug)]
enum AnswerState {
    Head,
    Body {
        decoder: BodyDecoder,
        end: AnswerEnd,
    },
    /// The link is a tunnel now, and nothing more is read here.
    Switched(AnswerEnd),
}

/// The result of reading one step.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::link) struct AnswerStep {
    /// The number of bytes of the input that are done with; 0 when more are needed.
    pub consumed: usize,
    /// The part of the input that goes to the client unchanged, behind the output.
    pub raw: Range<usize>,
    /// The final head has been read, now or before.
    pub final_head: bool,
    /// The end of the answer, if it has ended.
    pub end: Option<AnswerEnd>,
    /// The place in the input of the `Server` field of a final head that was read in this step; empty where the head has none.
    pub server: Option<Range<usize>>,
}

impl HttpAnswerReader {
    /// Returns a reader at the start of a link.
    #[must_use]
    pub(in crate::link) fn new(limits: HeadLimits) -> Self {
        Self { limits, state: AnswerState::Head, events: false, odd: false, server: None }
    }

    /// Reads on, at most to the end of the answer. `uploading` says that content of the request is still to come.
    ///
    /// # Errors
    /// Fails when the answer breaks RFC 9112 or a limit, or when its client does not take it; the link is of no use then.
    pub(in crate::link) fn read<T, S: Sink<T>>(
        &mut self,
        input: &[u8],
        ask: Ask,
        uploading: bool,
        client: &mut Awaited<'_, T, S>,
    ) -> Result<AnswerStep, Reject> {
        let mut consumed = 0;
        self.server = None;
        // Interim heads may precede the final one, all in one piece of input.
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

    /// Returns whether the length of the present answer is unknown until it ends.
    pub(in crate::link) fn has_no_length(&self) -> bool {
        matches!(&self.state, AnswerState::Body { decoder, .. } if decoder.has_no_length())
    }

    /// Returns whether the present answer is an event stream, by its media type.
    pub(in crate::link) fn is_event_stream(&self) -> bool {
        self.events && matches!(self.state, AnswerState::Body { .. })
    }

    /// Returns whether nothing follows the present answer on its link, as far as its head tells.
    pub(in crate::link) fn is_last(&self) -> bool {
        matches!(&self.state, AnswerState::Body { end, .. } if !end.reusable)
    }

    /// Takes the end of the member's side. Returns how the answer ended, if that ends it (RFC 9112 section 6.3, rule 8).
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
        // Only a request whose content is still coming can have an early answer, which is rare.
        let early = uploading && client.is_awaited() && ends_early(&head, &input[len..]);
        self.server = Some(head.server.map_or(0..0, |value| place_of(value, whole)));
        // The doubt about an interim head ends with the answer that it came before.
        let odd = std::mem::take(&mut self.odd);
        client.head(&head, early)?;
        let old = head.minor_version == 0;
        let kept_for = head.keep_alive_timeout;
        let end =
            AnswerEnd { reusable: head.keep_alive && !odd, old, kept_for, ..AnswerEnd::plain(head.status) };
        self.state = AnswerState::Body { decoder: BodyDecoder::of_answer(head.body), end };
        // An answer that lasts until close is the last on its link.
        debug_assert!(head.body != BodyFraming::UntilClose || !end.reusable);
        // A stream of events of known length ends by itself.
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
            // One unchanged part a step: the client gets the output first, then this part.
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

/// Returns whether an answer that began before all of the request's body had come will also end before: it is a refusal, or
/// complete, or its member closes behind it. Other answers may follow the body to its end, as an echo does.
#[cold]
fn ends_early(head: &ResponseHead<'_, '_>, mut content: &[u8]) -> bool {
    if head.status >= 300 || !head.keep_alive {
        return true;
    }
    let mut decoder = BodyDecoder::of_answer(head.body);
    while !decoder.is_done() && !content.is_empty() {
        // A fault ends the answer as well.
        let Ok(step) = decoder.decode(content) else { return true };
        content = &content[step.consumed..];
    }
    decoder.is_done()
}

/// Returns the place of the part `value` in `whole`.
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
