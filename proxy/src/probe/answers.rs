//! Reads the answers on a probe's connection, and finds out which requests they belong to.
//!
//! Bytes go in, and a verdict comes out. An answer is recognized by its [`Signature`]: the parts in which two
//! answers to the same request agreed when it was sent alone. Fields that differ between answers by nature
//! (`Date`, `Age`, `Set-Cookie`, `Keep-Alive`) are ignored.

use crate::config::HeadLimits;
use crate::proto::http::{Ask, BodyFraming, Method, Reject, ResponseHead};
use crate::proto::http1::{BodyDecoder, FieldRoom, Parsed, parse_response};

use super::fault::Fault;

/// The size in bytes of the largest body that a probe keeps. Requests with longer answers are not used for a
/// probe.
pub(super) const LONGEST_BODY: usize = 256 << 10;

/// A complete answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// The status code of the final head.
    pub(super) status: u16,
    /// Whether the connection may carry another request after this answer.
    pub(super) keeps_link: bool,
    /// The final head as it was received.
    pub(super) head: Vec<u8>,
    /// The content, without its framing.
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// Returns the value of the first field with this name, without surrounding blanks.
    #[must_use]
    pub(super) fn field(&self, name: &str) -> Option<&[u8]> {
        self.head.split(|b| *b == b'\n').skip(1).find_map(|line| {
            let (found, value) = line.split_at_checked(name.len())?;
            let value = value.strip_prefix(b":")?;
            found.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
        })
    }

    /// Returns whether these bytes occur in the head or in the content.
    #[must_use]
    pub(super) fn contains(&self, bytes: &[u8]) -> bool {
        [&self.head, &self.body].iter().any(|part| memchr::memmem::find(part, bytes).is_some())
    }
}

/// The reason why no answer could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// The bytes are no HTTP/1.1 answer.
    Malformed(&'static str),
    /// The content is longer than a probe keeps.
    TooLong,
}

/// The progress of reading an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReplyRead {
    /// More bytes are needed.
    Partial,
    /// The answer is complete. Its bytes were removed from the buffer.
    Whole(Box<Reply>),
}

/// Removes the answer to a request of `method` from the front of `came`, if it is complete.
///
/// # Errors
/// Returns why the bytes are no answer, or that the answer is longer than a probe keeps.
pub(super) fn take(came: &mut Vec<u8>, method: Method, ended: bool) -> Result<ReplyRead, Unreadable> {
    let mut at = 0;
    let reply = loop {
        let mut fields = FieldRoom::new();
        let parsed = parse_response(&came[at..], &HeadLimits::default(), ask(method), &mut fields);
        let Parsed::Head { head, len } = parsed.map_err(malformed)? else { return Ok(ReplyRead::Partial) };
        let text = &came[at..at + len];
        at += len;
        if head.switches() {
            return Err(Unreadable::Malformed("it switched protocols"));
        }
        // Interim answers precede the one that counts.
        if !head.is_interim() {
            let Some((body, end)) = body(&head, &came[at..], ended)? else { return Ok(ReplyRead::Partial) };
            at += end;
            let keeps_link = head.keep_alive && head.minor_version == 1;
            break Reply { status: head.status, keeps_link, head: text.to_vec(), body };
        }
    };
    came.drain(..at);
    Ok(ReplyRead::Whole(Box::new(reply)))
}

fn ask(method: Method) -> Ask {
    Ask { method, upgrade: false, chunked: false }
}

fn malformed(reject: Reject) -> Unreadable {
    Unreadable::Malformed(reject.detail)
}

/// The content at the front of `input` and how many bytes it took there, once all of it has come.
fn body(
    head: &ResponseHead<'_, '_>,
    input: &[u8],
    ended: bool,
) -> Result<Option<(Vec<u8>, usize)>, Unreadable> {
    if matches!(head.body, BodyFraming::Length(n) if n > LONGEST_BODY as u64) {
        return Err(Unreadable::TooLong);
    }
    let mut decoder = BodyDecoder::of_answer(head.body);
    let (mut body, mut at) = (Vec::new(), 0);
    while !decoder.is_done() && at < input.len() {
        let step = decoder.decode(&input[at..]).map_err(|_| Unreadable::Malformed("a broken chunk"))?;
        body.extend_from_slice(&input[at + step.data.start..at + step.data.end]);
        at += step.consumed;
        if body.len() > LONGEST_BODY {
            return Err(Unreadable::TooLong);
        }
    }
    if !decoder.is_done() && ended {
        decoder.at_eof().map_err(|_| Unreadable::Malformed("an answer cut short"))?;
    }
    Ok(decoder.is_done().then_some((body, at)))
}

/// The fields of an answer that depend on the request rather than on the time. `ETag` is missing because
/// Apache's is weak within a second after a file was written, and strong later.
const LOOKED_AT: [&str; 3] = ["content-type", "location", "allow"];

/// The field that an answer may lack.
const LENGTH: &str = "content-length";

/// The constant part of the answers to one request: everything in which two of them agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    status: u16,
    /// The value of each field, or its absence; `None` if the two answers differed.
    fields: [Option<Option<Vec<u8>>>; LOOKED_AT.len()],
    /// The length of the content, also for HEAD; `None` if the answers differed or one did not say (chunked,
    /// or HEAD).
    length: Option<Vec<u8>>,
    /// The content; `None` if the two answers differed.
    body: Option<Vec<u8>>,
    /// Whether there is content; `None` if the two answers differed.
    has_content: Option<bool>,
}

impl Signature {
    /// Returns the common part of two answers to the same request, or `None` if even their status codes
    /// differ.
    #[must_use]
    pub(super) fn of(first: &Reply, second: &Reply) -> Option<Self> {
        let fields = LOOKED_AT.map(|name| {
            let value = first.field(name);
            (value == second.field(name)).then(|| value.map(<[u8]>::to_vec))
        });
        let length = first.field(LENGTH).filter(|_| first.field(LENGTH) == second.field(LENGTH));
        let length = length.map(<[u8]>::to_vec);
        let body = (first.body == second.body).then(|| first.body.clone());
        let empty = first.body.is_empty();
        let has_content = (empty == second.body.is_empty()).then_some(!empty);
        let status = first.status;
        (status == second.status).then_some(Self { status, fields, length, body, has_content })
    }

    /// Returns whether an answer has this signature.
    #[must_use]
    pub(super) fn fits(&self, reply: &Reply) -> bool {
        let mut fields = self.fields.iter().zip(LOOKED_AT);
        self.status == reply.status
            && fields.all(|(value, name)| value.as_ref().is_none_or(|v| v.as_deref() == reply.field(name)))
            && self.length.as_deref().is_none_or(|own| reply.field(LENGTH).is_none_or(|other| own == other))
            && self.body.as_ref().is_none_or(|body| *body == reply.body)
            && self.has_content.is_none_or(|has| has != reply.body.is_empty())
    }

    /// Returns whether no answer can have both signatures, because a constant part of them differs.
    #[must_use]
    pub(super) fn differs_from(&self, other: &Self) -> bool {
        self.status != other.status
            || self.fields.iter().zip(&other.fields).any(|(a, b)| are_steady_and_differ(a, b))
            || are_steady_and_differ(&self.length, &other.length)
            || are_steady_and_differ(&self.body, &other.body)
            || are_steady_and_differ(&self.has_content, &other.has_content)
    }
}

fn are_steady_and_differ<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
    matches!((a, b), (Some(a), Some(b)) if a != b)
}

/// The expected answer to one request of a pipeline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'s> {
    /// The signature of its answers.
    pub(super) signature: &'s Signature,
    /// The token of the request, if the service echoes it.
    pub(super) token: Option<&'s str>,
}

impl Expected<'_> {
    /// Returns whether an answer belongs to the request. A token is proof, so that the rest of the answer may
    /// vary then.
    fn fits(&self, reply: &Reply) -> bool {
        match self.token {
            Some(token) => reply.contains(token.as_bytes()),
            None => self.signature.fits(reply),
        }
    }
}

/// Checks the answer that came as number `index` of a pipeline against the expected answers of all its
/// requests.
///
/// # Errors
/// Returns [`Fault::Surplus`] if the previous request had this answer already, [`Fault::Reordered`] if the
/// answer belongs to a later request, and [`Fault::Differs`] if it belongs to none.
pub(super) fn judge(reply: &Reply, index: usize, expected: &[Expected<'_>]) -> Result<(), Fault> {
    let (before, rest) = expected.split_at(index.min(expected.len()));
    let Some((own, after)) = rest.split_first() else { return Err(Fault::Surplus) };
    if own.fits(reply) {
        return Ok(());
    }
    Err(match (before.last(), after) {
        (Some(last), _) if last.fits(reply) => Fault::Surplus,
        (_, after) if after.iter().any(|later| later.fits(reply)) => Fault::Reordered,
        _ => Fault::Differs,
    })
}
