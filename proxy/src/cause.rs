//! Defines the causes of failed exchanges, which the metric, the access log and the response share.
//!
//! The name and the status follow from the cause (D8 in `docs/http-rules.md`).

/// The reason why the proxy answered an exchange itself or cut it short.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Cause {
    /// The request breaks RFC 9112 or a rule of the proxy.
    BadRequest,
    /// The request head is over a limit (RFC 6585 section 5).
    HeadTooLarge,
    /// The request target is over a limit (RFC 9110 section 15.5.15).
    TargetTooLong,
    /// The request body is over a limit (RFC 9110 section 15.5.14).
    BodyTooLarge,
    /// The request head did not arrive in time.
    HeadTimeout,
    /// The request body did not arrive in time.
    BodyTimeout,
    /// The request has a method, coding or version that the proxy does not implement.
    Unsupported,
    /// The request has passed through this proxy before (RFC 9110 section 7.6.3).
    LoopDetected,
    /// The member speaks HTTP/1.0, and the length of the request's body is unknown (RFC 9112 section 6.1).
    LengthRequired,
    /// No member of the backend is up.
    NoMember,
    /// The wait queue is full.
    QueueFull,
    /// No link became free in time.
    QueueTimeout,
    /// The member has as many tunnels as the configuration allows.
    TunnelLimit,
    /// The member refused the connection.
    ConnectRefused,
    /// The member did not accept the connection in time.
    ConnectTimeout,
    /// No local port (`EADDRNOTAVAIL`) or no descriptor (`EMFILE`) was free.
    ConnectNoPort,
    /// Connecting failed in another way.
    ConnectOther,
    /// A link died before its answer began, and the request may not be sent again.
    StaleNonidempotent,
    /// The member closed or reset the link before the answer began.
    BackendReset,
    /// The member did not answer in time.
    BackendTimeout,
    /// The answer breaks RFC 9112.
    BadResponse,
    /// The answer's head is over a limit.
    ResponseTooLarge,
    /// The member closed the link in the middle of an answer.
    Truncated,
    /// The client went away.
    ClientAbort,
    /// The client did not read its answer in time.
    ClientSlow,
    /// The client held a link that others waited for, and sent or read too slowly.
    SlowHolder,
    /// The exchange had lasted for long, and was ended for others that waited for its link.
    MadeWay,
    /// The proxy has a fault.
    Internal,
}

impl Cause {
    /// All causes, in the order of their discriminants.
    pub const ALL: [Self; 28] = [
        Self::BadRequest,
        Self::HeadTooLarge,
        Self::TargetTooLong,
        Self::BodyTooLarge,
        Self::HeadTimeout,
        Self::BodyTimeout,
        Self::Unsupported,
        Self::LoopDetected,
        Self::LengthRequired,
        Self::NoMember,
        Self::QueueFull,
        Self::QueueTimeout,
        Self::TunnelLimit,
        Self::ConnectRefused,
        Self::ConnectTimeout,
        Self::ConnectNoPort,
        Self::ConnectOther,
        Self::StaleNonidempotent,
        Self::BackendReset,
        Self::BackendTimeout,
        Self::BadResponse,
        Self::ResponseTooLarge,
        Self::Truncated,
        Self::ClientAbort,
        Self::ClientSlow,
        Self::SlowHolder,
        Self::MadeWay,
        Self::Internal,
    ];

    /// Returns the name in the metric's label and in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::HeadTooLarge => "head_too_large",
            Self::TargetTooLong => "target_too_long",
            Self::BodyTooLarge => "body_too_large",
            Self::HeadTimeout => "head_timeout",
            Self::BodyTimeout => "body_timeout",
            Self::Unsupported => "unsupported",
            Self::LoopDetected => "loop_detected",
            Self::LengthRequired => "length_required",
            Self::NoMember => "no_member",
            Self::QueueFull => "queue_full",
            Self::QueueTimeout => "queue_timeout",
            Self::TunnelLimit => "tunnel_limit",
            Self::ConnectRefused => "connect_refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::ConnectNoPort => "connect_no_port",
            Self::ConnectOther => "connect_other",
            Self::StaleNonidempotent => "stale_nonidempotent",
            Self::BackendReset => "backend_reset",
            Self::BackendTimeout => "backend_timeout",
            Self::BadResponse => "bad_response",
            Self::ResponseTooLarge => "response_too_large",
            Self::Truncated => "truncated",
            Self::ClientAbort => "client_abort",
            Self::ClientSlow => "client_slow",
            Self::SlowHolder => "slow_holder",
            Self::MadeWay => "made_way",
            Self::Internal => "internal",
        }
    }

    /// Returns whether this member could not be connected, so that another one may be tried.
    #[must_use]
    pub const fn is_of_member(self) -> bool {
        matches!(self, Self::ConnectRefused | Self::ConnectTimeout | Self::ConnectOther)
    }

    /// Returns the status code of the response, unless the rejection has a more specific one (501 or 505 for
    /// `Unsupported`).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest | Self::ClientAbort => 400,
            Self::HeadTooLarge => 431,
            Self::TargetTooLong => 414,
            Self::BodyTooLarge => 413,
            Self::HeadTimeout | Self::BodyTimeout | Self::ClientSlow | Self::SlowHolder => 408,
            Self::Unsupported => 501,
            Self::LoopDetected => 508,
            Self::LengthRequired => 411,
            Self::StaleNonidempotent
            | Self::BackendReset
            | Self::BadResponse
            | Self::ResponseTooLarge
            | Self::Truncated => 502,
            Self::NoMember
            | Self::QueueFull
            | Self::QueueTimeout
            | Self::TunnelLimit
            | Self::ConnectRefused
            | Self::ConnectNoPort
            | Self::ConnectOther
            | Self::MadeWay => 503,
            Self::ConnectTimeout | Self::BackendTimeout => 504,
            Self::Internal => 500,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cause;

    #[test]
    fn all_lists_each_cause_once_in_order() {
        for (i, cause) in Cause::ALL.iter().enumerate() {
            assert_eq!(*cause as usize, i, "{}", cause.name());
        }
    }
}
