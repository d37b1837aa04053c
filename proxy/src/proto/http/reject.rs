//! The refusal of a head, with its reason.

use crate::cause::Cause;

/// The refusal of a head. The bytes behind it on the connection cannot be trusted, so the proxy answers and closes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reject {
    /// The cause, for the metric and the log.
    pub cause: Cause,
    /// The status of the answer to the client.
    pub status: u16,
    /// The reason in words, for the log.
    pub detail: &'static str,
}

/// Makes the refusal that the cause itself names.
impl From<Cause> for Reject {
    fn from(cause: Cause) -> Self {
        Self { cause, status: cause.status(), detail: "" }
    }
}

impl Reject {
    /// Refuses a request that breaks RFC 9112: 400.
    pub(in crate::proto) const fn request(detail: &'static str) -> Self {
        Self { cause: Cause::BadRequest, status: 400, detail }
    }

    /// Refuses a request for something that the proxy does not do; `status` says of which kind.
    pub(in crate::proto) const fn unsupported(status: u16, detail: &'static str) -> Self {
        Self { cause: Cause::Unsupported, status, detail }
    }

    /// Refuses a request head over a limit: 431 (RFC 6585 section 5).
    pub(in crate::proto) const fn head_too_large(detail: &'static str) -> Self {
        Self { cause: Cause::HeadTooLarge, status: 431, detail }
    }

    /// Refuses a request line over the limit: 414 (RFC 9112 section 3).
    pub(in crate::proto) const fn target_too_long() -> Self {
        Self { cause: Cause::TargetTooLong, status: 414, detail: "the request line is over the limit" }
    }

    /// Refuses content over the limit: 413 (RFC 9110 section 15.5.14).
    pub(in crate::proto) const fn body_too_large() -> Self {
        Self { cause: Cause::BodyTooLarge, status: 413, detail: "the content is over the limit" }
    }

    /// Refuses a request that has come through this proxy before: 508 (RFC 5842 section 7.2).
    pub(in crate::proto) const fn loop_detected() -> Self {
        Self { cause: Cause::LoopDetected, status: 508, detail: "Via names this proxy" }
    }

    /// Refuses an answer that breaks RFC 9112: 502.
    pub(in crate::proto) const fn response(detail: &'static str) -> Self {
        Self { cause: Cause::BadResponse, status: 502, detail }
    }

    /// Refuses a response head over a limit: 502.
    pub(in crate::proto) const fn response_too_large(detail: &'static str) -> Self {
        Self { cause: Cause::ResponseTooLarge, status: 502, detail }
    }
}
