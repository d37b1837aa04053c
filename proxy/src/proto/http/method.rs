//! Request methods, and what they promise (RFC 9110 section 9).

/// A request method. Methods are case-sensitive (RFC 9110 section 9.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
    /// CONNECT.
    Connect,
    /// TRACE.
    Trace,
    /// PATCH.
    Patch,
    /// Any other token, whose text is forwarded unchanged.
    Other,
}

impl Method {
    /// Returns the method that a token names.
    pub(in crate::proto) fn of(token: &str) -> Self {
        match token {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            "CONNECT" => Self::Connect,
            "TRACE" => Self::Trace,
            "PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }

    /// Returns whether a request of this method may be in flight on a link together with others: GET, HEAD and OPTIONS. The
    /// caller keeps HEAD alone all the same, for the sake of its response.
    #[must_use]
    pub const fn is_safe_to_share(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options)
    }

    /// Returns whether the request may be sent again when no byte of its answer was seen (RFC 9110 section 9.2.2).
    #[must_use]
    pub const fn is_idempotent(self) -> bool {
        self.is_safe_to_share() || matches!(self, Self::Trace | Self::Put | Self::Delete)
    }
}
