//! Declares every closed label of penstock's metrics, with its values.
//!
//! A value that code does not count fails a test (`proxy/tests/it/architecture/labels.rs`).

use super::Label;
use crate::cause::Cause;
use crate::event_loop::PanicSite;

labels! {
    /// The state of a client connection.
    ClientState = "state" {
        /// The connection is between two exchanges.
        Idle = "idle",
        /// A part of a request head has arrived.
        Head = "head",
        /// An exchange is in progress.
        Active = "active",
        /// The connection carries a tunnel.
        Tunnel = "tunnel",
        /// The last answer has been written, and the rest of the request is read and dropped.
        Closing = "closing",
    }

    /// The side that closed a client connection, and its reason.
    ClientClose = "reason" {
        /// The client closed it between two exchanges.
        Client = "client",
        /// The connection was idle for too long.
        IdleTimeout = "idle_timeout",
        /// The request head took too long.
        HeadTimeout = "head_timeout",
        /// The request body took too long.
        SlowBody = "slow_body",
        /// The answer said `Connection: close`.
        ServerClose = "server_close",
        /// The socket failed, or the client left in the middle of an exchange.
        Error = "error",
        /// The proxy drained.
        Drain = "drain",
        /// The client had to give way to others that waited for its link.
        Evicted = "evicted",
        /// The connection had carried as many requests as allowed.
        LimitRequests = "limit_requests",
        /// The connection had reached its maximum age.
        MaxAge = "max_age",
        /// The member of its tunnel was taken for down.
        MemberDown = "member_down",
    }

    /// The reason why a client was refused when it was accepted or right after.
    ClientReject = "reason" {
        /// The listener has its maximum number of clients.
        Max = "max",
        /// The PROXY header is missing, invalid, or from an untrusted address.
        ProxyHeader = "proxy_header",
        /// The process is short of descriptors.
        FdLimit = "fd_limit",
        /// The proxy drained.
        Draining = "draining",
    }

    /// The error of accept(2), or the reason why it was not called.
    AcceptError = "error" {
        /// This process has no descriptor left.
        Emfile = "emfile",
        /// The host has no descriptor left.
        Enfile = "enfile",
        /// The kernel is short of memory.
        Enobufs = "enobufs",
        /// The remaining descriptors are kept for links and the admin server, so that clients wait to be
        /// accepted.
        Reserve = "reserve",
        /// The client left before it was accepted.
        Aborted = "aborted",
        /// Another error occurred.
        Other = "other",
    }

    /// The class of the status code that a client got.
    CodeClass = "code" {
        /// 100 to 199.
        C1xx = "1xx",
        /// 200 to 299.
        C2xx = "2xx",
        /// 300 to 399.
        C3xx = "3xx",
        /// 400 to 499.
        C4xx = "4xx",
        /// 500 to 599.
        C5xx = "5xx",
    }

    /// The class of the status code that a member sent, if any.
    AttemptCode = "code" {
        /// 100 to 199.
        C1xx = "1xx",
        /// 200 to 299.
        C2xx = "2xx",
        /// 300 to 399.
        C3xx = "3xx",
        /// 400 to 499.
        C4xx = "4xx",
        /// 500 to 599.
        C5xx = "5xx",
        /// No answer came.
        None = "none",
    }

    /// The way in which a member failed a request.
    RequestFailure = "cause" {
        /// The member closed or reset the connection before its answer was complete.
        Reset = "reset",
        /// The member did not answer in time.
        Timeout = "timeout",
        /// The answer breaks the rules of its protocol.
        Invalid = "invalid",
    }

    /// The state of a link.
    LinkState = "state" {
        /// The link carries no exchange.
        Idle = "idle",
        /// The link carries at least one exchange.
        Busy = "busy",
        /// The link is being opened.
        Connecting = "connecting",
        /// The link carries a tunnel.
        Tunnel = "tunnel",
    }

    /// The side that closed a link, and its reason.
    LinkClose = "reason" {
        /// The member closed the link in order.
        Origin = "origin",
        /// The link was unused for too long.
        Idle = "idle",
        /// The link had reached its maximum age.
        MaxAge = "max_age",
        /// The link had carried as many requests as allowed.
        MaxRequests = "max_requests",
        /// The socket failed, the member did not answer, or the code of the link panicked.
        Error = "error",
        /// The member closed a link that it had answered on, with requests in flight.
        Stale = "stale",
        /// The member sent unrequested bytes or an invalid answer.
        Desync = "desync",
        /// The client left in the middle of an exchange.
        ClientAbort = "client_abort",
        /// The proxy drained, or the member was removed or taken for down.
        Drain = "drain",
        /// The link belonged to one client.
        Pinned = "pinned",
        /// The requests behind a slow answer had moved, and that answer has ended.
        Rescue = "rescue",
        /// The tunnel was idle while others waited for a link.
        Evicted = "evicted",
    }

    /// The reason why a busy link takes no more requests.
    HoldReason = "reason" {
        /// The first answer is late.
        Slow = "slow",
        /// The first answer is large.
        Large = "large",
        /// The client of the first answer does not read it.
        Reader = "reader",
        /// The requests on the link have as many bytes as a link may hold.
        Full = "full",
    }

    /// The reason for the depth limit of links.
    DepthReason = "reason" {
        /// Nothing is known of the member yet.
        Start = "start",
        /// The configured limit applies.
        Ceiling = "ceiling",
        /// The shortest service time allows no more within the budget.
        Budget = "budget",
        /// Some answers take much longer than most.
        Mixed = "mixed",
        /// The member gets more done over more links.
        Spread = "spread",
        /// The member has not been shown to keep the order.
        Unproven = "unproven",
        /// The member broke the rules of pipelining.
        Broken = "broken",
    }

    /// The way in which a member broke the rules of pipelining.
    PipelineFault = "kind" {
        /// The member sent unrequested bytes.
        Surplus = "surplus",
        /// The answer cannot belong to the request.
        Answer = "answer",
        /// The member sent fewer answers than it got requests.
        Missing = "missing",
        /// The member closed a connection with several unanswered requests.
        Closed = "closed",
        /// The response timeout ended with several unanswered requests.
        Timeout = "timeout",
        /// The member was silent for 5 s with several unanswered requests.
        Silence = "silence",
    }

    /// The reason why a link could not be opened.
    ConnectError = "cause" {
        /// The member refused the connection.
        Refused = "refused",
        /// The member did not answer in time.
        Timeout = "timeout",
        /// No local port was free (`EADDRNOTAVAIL`).
        NoPort = "no_port",
        /// Another error occurred.
        Other = "other",
    }

    /// The way in which an attempt got its link, or the reason why it got none.
    Acquire = "result" {
        /// The attempt got an idle link.
        Reused = "reused",
        /// The attempt got a new link.
        Opened = "opened",
        /// The attempt got a place behind others on a link.
        Pipelined = "pipelined",
        /// The wait queue was full.
        Rejected = "rejected",
        /// The wait was too long.
        Timeout = "timeout",
    }

    /// The reason for sending a request a second time.
    RetryReason = "reason" {
        /// The link could not be opened.
        Connect = "connect",
        /// The reused link was closed.
        Stale = "stale",
        /// The exchange before it on the link was slow.
        Rescue = "rescue",
    }

    /// The result of trying to send a request a second time.
    RetryResult = "result" {
        /// The request was sent again.
        Ok = "ok",
        /// The request may not be sent twice.
        NotAllowed = "not_allowed",
        /// The retry budget was used up.
        Budget = "budget",
    }

    /// The way in which a client found its member.
    Lookup = "result" {
        /// A known source used the same member as before.
        Hit = "hit",
        /// A source without clients came.
        New = "new",
        /// A known source used another member than before.
        Moved = "moved",
        /// The backend has no affinity.
        None = "none",
    }

    /// The reason why a known source moved to another member.
    Move = "reason" {
        /// The source moved for another reason than the one below: its member was down or left the
        /// configuration, or a new client of the source arrived at another member.
        MemberDown = "member_down",
        /// The first choice is up again.
        MemberBack = "member_back",
    }

    /// The health of a member.
    MemberState = "state" {
        /// The member gets requests.
        Up = "up",
        /// The member gets none until it answers again, or its checks succeed.
        Down = "down",
        /// The member has failed too many requests, and gets none for a time.
        Ejected = "ejected",
        /// The member keeps the sources that it has, and gets no new one.
        Drain = "drain",
        /// The operator has taken the member out.
        Maintenance = "maint",
    }

    /// The result of a check of a member.
    CheckResult = "result" {
        /// The member is well.
        Ok = "ok",
        /// No connection could be opened.
        Connect = "connect",
        /// The check took too long.
        Timeout = "timeout",
        /// The member closed the connection before its answer was complete.
        Closed = "closed",
        /// The status of the answer is not one of the good ones.
        Status = "status",
        /// The answer does not contain what is expected.
        Content = "content",
        /// The bytes are no answer of HTTP, or the answer is longer than a check reads.
        Malformed = "malformed",
    }

    /// The fate of a line of the access log.
    LogLine = "result" {
        /// The line was passed to the writing thread.
        Written = "written",
        /// The writing thread was too far behind.
        Dropped = "dropped",
    }

    /// The operation on the file of an access log that failed.
    LogFault = "operation" {
        /// The file could not be reopened; the old one stays in use.
        Open = "open",
        /// A block could not be written; its lines are lost.
        Write = "write",
    }

    /// The result of a reload.
    ReloadResult = "result" {
        /// The new configuration is in force.
        Ok = "ok",
        /// The new configuration is invalid; the old one stays in force.
        Rejected = "rejected",
    }
}

impl CodeClass {
    /// Returns the class of a status code; codes outside of 100 to 599 count as 5xx.
    #[must_use]
    pub const fn of(status: u16) -> Self {
        match status {
            100..200 => Self::C1xx,
            200..300 => Self::C2xx,
            300..400 => Self::C3xx,
            400..500 => Self::C4xx,
            _ => Self::C5xx,
        }
    }
}

impl AttemptCode {
    /// Returns the class of a status code; codes outside of 100 to 599 count as 5xx.
    #[must_use]
    pub const fn of(status: u16) -> Self {
        match CodeClass::of(status) {
            CodeClass::C1xx => Self::C1xx,
            CodeClass::C2xx => Self::C2xx,
            CodeClass::C3xx => Self::C3xx,
            CodeClass::C4xx => Self::C4xx,
            CodeClass::C5xx => Self::C5xx,
        }
    }
}

/// Makes an enum of another module a label. The enum has `ALL`, in the order of the discriminants, and
/// `name`.
macro_rules! label_elsewhere {
    ($of:ty, $label:literal) => {
        impl Label for $of {
            type Row<C> = [C; Self::ALL.len()];
            const LABEL: &'static str = $label;
            const VALUES: &'static [&'static str] = {
                const NAMES: [&str; <$of>::ALL.len()] = {
                    let mut names = [""; <$of>::ALL.len()];
                    let mut i = 0;
                    while i < names.len() {
                        names[i] = <$of>::ALL[i].name();
                        i += 1;
                    }
                    names
                };
                &NAMES
            };

            #[inline]
            fn index(self) -> usize {
                self as usize
            }

            fn row<C: Default>() -> Self::Row<C> {
                std::array::from_fn(|_| C::default())
            }
        }
    };
}

label_elsewhere!(Cause, "cause");
label_elsewhere!(PanicSite, "where");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_fall_into_their_class() {
        let cases = [(100, "1xx"), (199, "1xx"), (200, "2xx"), (304, "3xx"), (499, "4xx"), (504, "5xx")];
        for (status, class) in cases {
            assert_eq!(CodeClass::of(status).name(), class, "{status}");
            assert_eq!(AttemptCode::of(status).name(), class, "{status}");
        }
    }

    #[test]
    fn each_cause_is_a_value_at_its_own_place() {
        for cause in Cause::ALL {
            assert_eq!(Cause::VALUES[cause.index()], cause.name());
        }
    }

    #[test]
    fn each_site_is_a_value_at_its_own_place() {
        for site in PanicSite::ALL {
            assert_eq!(PanicSite::VALUES[site.index()], site.name());
        }
    }
}
