//! Every closed label of penstock's metrics, with its values.
//!
//! A value that code does not count fails a test (`proxy/tests/it/architecture/labels.rs`).

use super::Label;
use crate::cause::Cause;
use crate::event_loop::PanicSite;

labels! {
    /// What a client connection is doing.
    ClientState = "state" {
        /// Between two exchanges.
        Idle = "idle",
        /// A request head has begun and is not whole.
        Head = "head",
        /// An exchange is in progress.
        Active = "active",
        /// It carries a tunnel.
        Tunnel = "tunnel",
        /// The last answer is written; the rest of the request is read and dropped.
        Closing = "closing",
    }

    /// Who closed a client connection, and why.
    ClientClose = "reason" {
        /// The client, between two exchanges.
        Client = "client",
        /// It was idle for too long.
        IdleTimeout = "idle_timeout",
        /// Its request head took too long.
        HeadTimeout = "head_timeout",
        /// Its request body took too long.
        SlowBody = "slow_body",
        /// The answer said `Connection: close`.
        ServerClose = "server_close",
        /// The socket failed, or the client left in the middle of an exchange.
        Error = "error",
        /// The proxy was draining.
        Drain = "drain",
        /// Nothing moved in it, and it made room for another client.
        Evicted = "evicted",
        /// It carried as many requests as it may.
        LimitRequests = "limit_requests",
        /// It was too old.
        MaxAge = "max_age",
    }

    /// Why a client was refused at or right after accept.
    ClientReject = "reason" {
        /// The listener is full.
        Max = "max",
        /// The PROXY header is missing or wrong.
        ProxyHeader = "proxy_header",
        /// The process is short of descriptors.
        FdLimit = "fd_limit",
        /// The proxy was draining.
        Draining = "draining",
    }

    /// How accept(2) failed, or why it was not called.
    AcceptError = "error" {
        /// This process has no descriptor left.
        Emfile = "emfile",
        /// The host has no descriptor left.
        Enfile = "enfile",
        /// The kernel is short of memory.
        Enobufs = "enobufs",
        /// What descriptors are left are kept for links and the admin server: clients wait to be accepted.
        Reserve = "reserve",
        /// The client left before it was accepted.
        Aborted = "aborted",
        /// Anything else.
        Other = "other",
    }

    /// The class of the status a client was answered.
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

    /// The class of the status a member answered, if it did.
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

    /// What a link is doing.
    LinkState = "state" {
        /// It carries no exchange.
        Idle = "idle",
        /// It carries at least one exchange.
        Busy = "busy",
        /// It is being opened.
        Connecting = "connecting",
        /// It carries a tunnel.
        Tunnel = "tunnel",
    }

    /// Who closed a link, and why.
    LinkClose = "reason" {
        /// The member, orderly.
        Origin = "origin",
        /// It was unused for too long.
        Idle = "idle",
        /// It was too old.
        MaxAge = "max_age",
        /// It carried as many requests as it may.
        MaxRequests = "max_requests",
        /// The socket failed or the answer made no sense.
        Error = "error",
        /// It was found dead when it was to be used again.
        Stale = "stale",
        /// The member sent bytes nobody had asked for.
        Desync = "desync",
        /// The client left in the middle of an exchange.
        ClientAbort = "client_abort",
        /// The proxy was draining, or the member was removed.
        Drain = "drain",
        /// It had been taken over by one client.
        Pinned = "pinned",
        /// Those behind its head had been sent elsewhere, and its head has ended.
        Rescue = "rescue",
        /// Nothing moved in it, and others waited for a link.
        Evicted = "evicted",
    }

    /// Why a link that carries something takes no more.
    HoldReason = "reason" {
        /// The answer at its head is late.
        Slow = "slow",
        /// The answer at its head is large.
        Large = "large",
        /// The client at its head does not read.
        Reader = "reader",
        /// The requests on it have as many bytes as a link may hold.
        Full = "full",
    }

    /// What decides how many exchanges a link carries.
    DepthReason = "reason" {
        /// Nothing is known of the member yet.
        Start = "start",
        /// The configuration.
        Ceiling = "ceiling",
        /// The least service time.
        Budget = "budget",
        /// Some answers take much longer than most.
        Mixed = "mixed",
        /// The member answers more links as quickly as it does these.
        Spread = "spread",
        /// It was not shown to keep order.
        Unproven = "unproven",
        /// It broke the rules of pipelining.
        Broken = "broken",
    }

    /// How a member broke the rules of pipelining.
    PipelineFault = "kind" {
        /// Bytes came that nobody had asked for.
        Surplus = "surplus",
        /// What came cannot be the answer to what was asked.
        Answer = "answer",
        /// Fewer answers came than requests were sent.
        Missing = "missing",
        /// It closed a connection with several requests unanswered.
        Closed = "closed",
        /// The response timeout ended with several requests unanswered.
        Timeout = "timeout",
        /// It was silent for 5 s with several requests unanswered.
        Silence = "silence",
    }

    /// Why a link could not be opened.
    ConnectError = "cause" {
        /// The member refused.
        Refused = "refused",
        /// The member did not answer in time.
        Timeout = "timeout",
        /// No local port was free (`EADDRNOTAVAIL`).
        NoPort = "no_port",
        /// Anything else.
        Other = "other",
    }

    /// How an attempt got its link.
    Acquire = "result" {
        /// An idle link.
        Reused = "reused",
        /// A new link.
        Opened = "opened",
        /// A place behind others on a link.
        Pipelined = "pipelined",
        /// None: the wait queue was full.
        Rejected = "rejected",
        /// None: the wait was too long.
        Timeout = "timeout",
    }

    /// Why a request was, or would have been, sent again.
    RetryReason = "reason" {
        /// The link could not be opened.
        Connect = "connect",
        /// A reused link was dead.
        Stale = "stale",
        /// The exchange ahead of it held it up.
        Rescue = "rescue",
    }

    /// What came of it.
    RetryResult = "result" {
        /// The request was sent again.
        Ok = "ok",
        /// The request may not be sent twice.
        NotAllowed = "not_allowed",
        /// Too many were sent twice of late.
        Budget = "budget",
    }

    /// How a client found its member.
    Lookup = "result" {
        /// A known source at the same member.
        Hit = "hit",
        /// A source seen for the first time.
        New = "new",
        /// A known source at another member.
        Moved = "moved",
        /// The backend has no affinity, or no member is up.
        None = "none",
    }

    /// Why a known source went to another member.
    Move = "reason" {
        /// Its member is down.
        MemberDown = "member_down",
        /// Its first choice is up again.
        MemberBack = "member_back",
    }

    /// Whether a member is given exchanges.
    MemberState = "state" {
        /// It is.
        Up = "up",
        /// It is not, until it answers again.
        Down = "down",
    }

    /// What became of a line of the access log.
    LogLine = "result" {
        /// It was handed over to the thread that writes.
        Written = "written",
        /// That thread was too far behind.
        Dropped = "dropped",
    }

    /// What went wrong with the file of an access log.
    LogFault = "operation" {
        /// It could not be opened anew; the old one stays in use.
        Open = "open",
        /// It could not be written; lines are lost.
        Write = "write",
    }

    /// What became of a configuration that was read again.
    ReloadResult = "result" {
        /// It is in force.
        Ok = "ok",
        /// It was wrong; the old one stays.
        Rejected = "rejected",
    }
}

impl CodeClass {
    /// The class of a status; what is out of range counts as 5xx.
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
    /// The class of a status; what is out of range counts as 5xx.
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

/// An enum of another module as a label: it has `ALL`, in the order of the discriminants, and `name`.
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
