//! Why a head is refused.

use crate::cause::Cause;

/// Why a head is refused. Nothing after it on the connection can be trusted: answer and close.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reject {
    /// For the metric and the log.
    pub cause: Cause,
    /// The status to answer the client with.
    pub status: u16,
    /// In words, for the log.
    pub detail: &'static str,
}

/// The answer that the cause itself names, with nothing to add.
impl From<Cause> for Reject {
    fn from(cause: Cause) -> Self {
        Self { cause, status: cause.status(), detail: "" }
    }
}

impl Reject {
    /// The request breaks RFC 9112: 400.
    pub(in crate::proto) const fn request(detail: &'static str) -> Self {
        Self { cause: Cause::BadRequest, status: 400, detail }
    }

    /// The request asks for what we do not do; `status` says which kind.
    pub(in crate::proto) const fn unsupported(status: u16, detail: &'static str) -> Self {
        Self { cause: Cause::Unsupported, status, detail }
    }

    /// A limit on the request head is exceeded: 431 (RFC 6585 section 5).
    pub(in crate::proto) const fn head_too_large(detail: &'static str) -> Self {
        Self { cause: Cause::HeadTooLarge, status: 431, detail }
    }

    /// The request line is over the limit: 414 (RFC 9112 section 3).
    pub(in crate::proto) const fn target_too_long() -> Self {
        Self { cause: Cause::TargetTooLong, status: 414, detail: "the request line is over the limit" }
    }

    /// The request's content is over the limit: 413 (RFC 9110 section 15.5.14).
    pub(in crate::proto) const fn body_too_large() -> Self {
        Self { cause: Cause::BodyTooLarge, status: 413, detail: "the content is over the limit" }
    }

    /// The request has come through here before: 508 (RFC 5842 section 7.2).
    pub(in crate::proto) const fn loop_detected() -> Self {
        Self { cause: Cause::LoopDetected, status: 508, detail: "Via names this proxy" }
    }

    /// The answer breaks RFC 9112: 502.
    pub(in crate::proto) const fn response(detail: &'static str) -> Self {
        Self { cause: Cause::BadResponse, status: 502, detail }
    }

    /// A limit on the response head is exceeded: 502.
    pub(in crate::proto) const fn response_too_large(detail: &'static str) -> Self {
        Self { cause: Cause::ResponseTooLarge, status: 502, detail }
    }
}
