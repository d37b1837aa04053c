//! Decides where content ends, from Content-Length and Transfer-Encoding (RFC 9112 section 6.3, D4 in `docs/http-rules.md`).

use super::text::digits;
use crate::proto::http::coding::Codings;
use crate::proto::http::framing::BodyFraming;
use crate::proto::http::name::{is_tchar, list};
use crate::proto::http::reject::Reject;

/// The framing of a request, as far as its fields have named it. One line of one of the two fields is allowed, and everything
/// that could be read in two ways is refused.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct RequestFraming {
    length: Option<u64>,
    chunked: bool,
}

impl RequestFraming {
    /// Takes a Content-Length line: digits only, and only once (RFC 9112 section 6.3 rule 5).
    pub(super) fn content_length(&mut self, value: &[u8]) -> Result<(), Reject> {
        if self.length.is_some() {
            return Err(Reject::request("more than one Content-Length"));
        }
        self.length = Some(digits(value).ok_or(Reject::request("Content-Length is not a number"))?);
        Ok(())
    }

    /// Takes a Transfer-Encoding line: `chunked` alone, and only once (RFC 9112 section 6.1).
    pub(super) fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Reject> {
        if self.chunked {
            return Err(Reject::request("more than one Transfer-Encoding"));
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(refused_coding(value));
        }
        self.chunked = true;
        Ok(())
    }

    /// Returns the framing, once all fields are seen.
    pub(super) fn decide(self, minor_version: u8) -> Result<BodyFraming, Reject> {
        match (self.chunked, self.length) {
            // RFC 9112 section 6.1: two readers may choose differently, which is how requests are smuggled.
            (true, Some(_)) => Err(Reject::request("both Transfer-Encoding and Content-Length")),
            // RFC 9112 section 6.1: the framing of such a message is faulty.
            (true, None) if minor_version == 0 => Err(Reject::request("Transfer-Encoding in HTTP/1.0")),
            (true, None) => Ok(BodyFraming::Chunked),
            (false, Some(n)) => Ok(BodyFraming::length(n)),
            (false, None) => Ok(BodyFraming::None),
        }
    }
}

/// Refuses a transfer coding: a single unknown one with 501 (RFC 9112 section 6.1), and everything that may be a disguise of
/// `chunked`, or leaves the length open (section 6.3 rule 4), with 400.
fn refused_coding(value: &[u8]) -> Reject {
    let token = !value.is_empty() && value.iter().copied().all(is_tchar);
    let disguise = value.windows(7).any(|w| w.eq_ignore_ascii_case(b"chunked"));
    if !token || disguise || value.eq_ignore_ascii_case(b"identity") {
        return Reject::request("Transfer-Encoding is not `chunked` alone");
    }
    Reject::unsupported(501, "unknown transfer coding")
}

/// The framing of a response, as far as its fields have named it.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct ResponseFraming {
    length: Option<u64>,
    /// The head gave Content-Length more than once, always with the same value.
    pub(super) repeated_length: bool,
    /// The head has a Transfer-Encoding line.
    pub(super) coded: bool,
    chunked: bool,
    /// The codings under the chunked one, or without it. They stay on the content that the proxy passes on.
    pub(super) others: Codings,
    /// The head names a coding that nobody has registered.
    pub(super) unknown: bool,
}

impl ResponseFraming {
    /// Takes a Content-Length line. Repeated equal values count once (RFC 9110 section 8.6).
    pub(super) fn content_length(&mut self, value: &[u8]) -> Result<(), Reject> {
        if let (None, Some(n)) = (self.length, digits(value)) {
            self.length = Some(n);
            return Ok(());
        }
        let bad = Reject::response("Content-Length is not one number");
        let mut elements = value.split(|b| *b == b',').map(<[u8]>::trim_ascii);
        let agreed = elements.try_fold(self.length, |said, element| {
            let n = digits(element)?;
            (said.is_none() || said == Some(n)).then_some(Some(n))
        });
        self.length = agreed.ok_or(bad)?;
        self.repeated_length = true;
        Ok(())
    }

    /// Takes a Transfer-Encoding line. Several lines are one list.
    pub(super) fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Reject> {
        self.coded = true;
        for coding in list(value) {
            if self.chunked {
                // RFC 9112 section 6.1: chunked is the last coding and never applied twice, so nobody knows which end is meant.
                return Err(Reject::response("a transfer coding on top of chunked"));
            }
            match Codings::of(coding) {
                Some(coding) => self.others.add(coding),
                None if coding.eq_ignore_ascii_case(b"chunked") => self.chunked = true,
                None => self.unknown |= !is_identity(coding),
            }
        }
        Ok(())
    }

    /// Returns whether the content has a coding other than `chunked`. `identity` is none, nor is a field without a value.
    pub(super) fn has_others(&self) -> bool {
        self.unknown || self.others != Codings::NONE
    }

    /// Returns whether the content has a coding without an end of its own, and a length that the coding overrides (rule 3). A
    /// member that sends both has the length in mind, and the client would wait until it closes.
    pub(super) fn is_endless_with_length(&self) -> bool {
        self.has_others() && !self.chunked && self.length.is_some()
    }

    /// Returns whether the head has a Content-Length line.
    pub(super) fn has_length(&self) -> bool {
        self.length.is_some()
    }

    /// Returns the value of Content-Length, unless Transfer-Encoding overrides it (rule 3).
    pub(super) fn said_length(&self) -> Option<u64> {
        self.length.filter(|_| !self.chunked && !self.has_others())
    }

    /// Returns whether the head has both fields. That is a sign of smuggling or of a broken member, so that its link is not
    /// used again (RFC 9112 section 6.1).
    pub(super) fn is_ambiguous(&self) -> bool {
        self.coded && self.length.is_some()
    }

    /// Returns the framing of a response that may have content.
    pub(super) fn decide(&self) -> BodyFraming {
        match self.length {
            _ if self.chunked => BodyFraming::Chunked,
            _ if self.has_others() => BodyFraming::UntilClose,
            Some(n) => BodyFraming::length(n),
            None => BodyFraming::UntilClose,
        }
    }
}

/// Returns whether this is the coding that changes nothing, which RFC 2616 section 3.6 still had.
pub(super) fn is_identity(coding: &[u8]) -> bool {
    coding.eq_ignore_ascii_case(b"identity")
}
