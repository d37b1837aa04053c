//! The reading half of a client: it knows which part of which message comes next. The bytes that are not understood yet are in
//! `input`.
//!
//! It decides from bytes, from the time and from how the exchanges stand ([`ExchangeStanding`]). What the bytes mean is for
//! `http1` and `frames` to say; both tell the reader what they have found.

use crate::cause::Cause;
use crate::config::{ClientTimeouts, TunnelLimits};
use crate::event_loop::{Nanos, nanos};
use crate::proto::framing::{ClientMode, Dialect, Pinning, Rest};
use crate::proto::http1::BodyDecoder;

use super::input::Input;
use super::tunnel::state::Lifetime;

/// The number of bytes, 64 KiB, of unread answers above which a client begins no more requests, and of unread requests above
/// which no more are read ahead. A higher limit lets a client pipeline further ahead of its own reading, at the price of memory
/// for each that does.
pub(super) const UNREAD: usize = 64 << 10;

/// How long a client may pause after FIN before it is closed (RFC 9112 section 9.6), and how long it may go on sending in
/// all. While bytes come that nobody reads, a close would be a reset, and the reset would cost the client the answer that
/// tells it to stop. The longer they are, the longer a slow client is told, and the longer one that never stops keeps its
/// descriptor; both are those of nginx (`lingering_timeout`, `lingering_time`).
const LINGER_PAUSE: Nanos = 5_000_000_000;
const LINGER: Nanos = 30_000_000_000;

/// The binary logarithm of the grain, in nanoseconds, to which deadlines of clients are rounded up: 67 ms. In grains a deadline
/// fits into 32 bits. A coarser grain ends clients later, a finer one brings the end of time nearer: 2^32 grains are 9 years.
const GRAIN_BITS: u32 = 26;

/// The part of a message that a client is sending.
///
/// ```text
///            first byte             whole, with a body          end of the body
///   Idle ─────────────▶ Head ───────────────────────▶ Body ────────────────────▶ Idle, or Asking
///    ▲                   │ long frame                        end of the frame
///    │                   ├─────────────────────────▶ Frame ───────────────────▶ Idle, or Talk
///    │                   │ frame that keeps a link           frame that gives it back
///    │                   ├──────────────────────────▶ Talk ───────────────────▶ Idle
///    │                   │                              └─ frame that keeps it for good ─▶ Pinned
///    │ whole, no body    │ upgrade, CONNECT                    any other answer
///    ├───────────────────┼─────────────────────────▶ Asking ──────────────────▶ Idle
///    │                   │                              └─ 101, 2xx ─▶ Tunnel ─▶ (closed)
///    │                   │ close asked for, EOF, error  │
///    │                   └──────────────┬───────────────┘
///    │                                  ▼ all answered and written
///    │                                Done ─────────────▶ Linger ─────▶ (closed)
/// ```
///
/// A head that comes in one piece never passes through `Head`: that phase is for heads of which a part came while nothing else
/// was under way. `T` is the tunnel of a client that is one end of one; the reader does not look into it.
#[derive(Debug)]
pub(super) enum Phase<T> {
    /// The client awaits answers, or is idle: no part of a next request has come whose rest is due soon.
    Idle,
    /// The client is in the middle of a head or a frame, and nothing is in flight.
    Head,
    /// The body of the request that was begun last is being read.
    Body { decoder: BodyDecoder },
    /// The rest of a long frame is being read and passed on as it comes; `pinning` says what its client holds of the link after
    /// it. The rest is boxed, because few clients ever send such a frame.
    Frame { rest: Box<Rest>, pinning: Pinning },
    /// The frames of a conversation are being read: one exchange, which keeps its link until it is over.
    Talk { pinning: Pinning },
    /// The client has kept its link for good since this time: whatever passes through it, that is a tunnel.
    Pinned { since: Nanos },
    /// The client has asked for a tunnel. Its bytes are kept meanwhile, because nobody knows yet what they are.
    Asking,
    /// The client is one end of a tunnel.
    Tunnel(T),
    /// No more requests are read (RFC 9112 section 9.6).
    Done,
    /// Everything is written, and FIN is sent. Bytes are read and dropped until this time at most, so that no reset destroys
    /// the answer.
    Linger { until: Nanos },
}

/// The state of the client's side of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ReadSide {
    /// The client may send more, and is read.
    Open,
    /// The client may be sending bytes that nobody reads: closing at once could cost it the answer.
    Ignored,
    /// The client has ended its side. The bytes that it sent before may not be understood yet.
    Ended,
}

/// The continuation of the connection after the request that is being read or answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Next {
    /// There may be more requests.
    pub(super) request: bool,
    /// The request asks for a tunnel, as soon as its body has been read.
    pub(super) tunnel: bool,
}

/// The step that remains when a client has sent everything that it will ever send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AfterEof {
    /// Nothing remains to be done now; an earlier exchange may have to end first.
    Nothing,
    /// The body or frame will never be whole, so the connection fails.
    CutShort,
    /// The client's link hears the end as well.
    EndLink,
}

/// Tells the reader how the exchanges of its client stand, as far as reading depends on it.
pub(super) trait ExchangeStanding {
    /// Returns how many exchanges are on the client's link.
    fn in_flight(&self) -> u16;
    /// Returns whether the client's one exchange is in a wait queue.
    fn waits(&self) -> bool;
    /// Returns whether any exchange is under way.
    fn is_busy(&self) -> bool;
    /// Returns whether a request may begin now.
    fn may_begin(&self) -> bool;
    /// Returns whether the rest of the last exchange cannot go to a link now.
    fn must_wait(&self) -> bool;
    /// Returns whether the link takes no more of a body.
    fn is_link_full(&self) -> bool;
    /// Returns whether the exchange that was begun last may take as long as it likes (BLPOP).
    fn is_patient(&self) -> bool;
    /// Returns whether the member has the turn: in a conversation (`talks`) to answer, else to take more of a body or to ask
    /// for it.
    fn awaits_member(&self, talks: bool) -> bool;
}

/// The reading half of a client.
#[derive(Debug)]
pub(super) struct Reader<T> {
    phase: Phase<T>,
    /// The time at which the present phase or idleness began, or the body last moved.
    since: Nanos,
    pub(super) input: Input,
    /// The number of requests that the client has sent.
    requests: u32,
    side: ReadSide,
    next: Next,
    /// The dialect that the client speaks, where its protocol has several.
    dialect: Dialect,
}

impl<T> Reader<T> {
    pub(super) fn new(now: Nanos) -> Self {
        Self {
            phase: Phase::Idle,
            since: now,
            input: Input::default(),
            requests: 0,
            side: ReadSide::Open,
            next: Next { request: true, tunnel: false },
            dialect: Dialect::default(),
        }
    }

    pub(super) const fn phase(&self) -> &Phase<T> {
        &self.phase
    }

    pub(super) const fn phase_mut(&mut self) -> &mut Phase<T> {
        &mut self.phase
    }

    /// Returns whether more is to come of the exchange that was begun last.
    pub(super) const fn awaits_more(&self) -> bool {
        use Phase::{Body, Frame, Pinned, Talk};
        matches!(self.phase, Body { .. } | Frame { .. } | Talk { .. } | Pinned { .. })
    }

    /// Returns whether no more requests are read.
    pub(super) const fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Done)
    }

    /// Returns whether the client has ended its side.
    pub(super) fn has_ended(&self) -> bool {
        self.side == ReadSide::Ended
    }

    /// Returns whether closing could cost the client its answer, because it may still be sending.
    pub(super) fn is_ignored(&self) -> bool {
        self.side == ReadSide::Ignored
    }

    pub(super) const fn since(&self) -> Nanos {
        self.since
    }

    /// Starts the client's time anew, because something moved or because the turn is the client's only now.
    pub(super) const fn touch(&mut self, now: Nanos) {
        self.since = now;
    }

    pub(super) const fn requests(&self) -> u32 {
        self.requests
    }

    /// Returns what the parser of frames must know of the client: what it holds of its link, and the dialect that it speaks.
    pub(super) const fn mode(&self, pinning: Pinning) -> ClientMode {
        ClientMode { pinning, dialect: self.dialect }
    }

    pub(super) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(super) const fn speaks(&mut self, dialect: Dialect) {
        self.dialect = dialect;
    }
}

// Heads, frames and bodies: what `http1` and `frames` have found.

impl<T> Reader<T> {
    /// Notes that a head or frame has begun that is not whole. Returns whether its deadline counts from now on: not while
    /// earlier exchanges are under way.
    pub(super) fn head_began(&mut self, exchanges: &impl ExchangeStanding, now: Nanos) -> bool {
        let begins = matches!(self.phase, Phase::Idle) && !exchanges.is_busy();
        if begins {
            self.phase = Phase::Head;
            self.since = now;
        }
        begins
    }

    /// Returns when the first byte of a request came that is whole now.
    pub(super) const fn began(&self, now: Nanos) -> Nanos {
        if matches!(self.phase, Phase::Head) { self.since } else { now }
    }

    /// Counts a request that begins. If it is whole, another one may begin.
    pub(super) fn request_began(&mut self) {
        self.requests += 1;
        if matches!(self.phase, Phase::Head) {
            self.phase = Phase::Idle;
        }
    }

    /// Counts a request that gets its answer without having begun.
    pub(super) const fn request_refused(&mut self) {
        self.requests += 1;
    }

    /// Goes on to what follows a head of HTTP: its body, the answer that makes it a tunnel, or the `next` request.
    pub(super) fn head_ended(&mut self, body: Option<BodyDecoder>, next: Next, now: Nanos) {
        self.next = next;
        if let Some(decoder) = body {
            self.phase = Phase::Body { decoder };
            self.since = now;
        } else if next.tunnel {
            self.phase = Phase::Asking;
        } else if !next.request {
            self.phase = Phase::Done;
        }
    }

    /// Goes on behind a body that has been read to its end. Where its exchange is over already, because the answer came early,
    /// the connection does not become a tunnel.
    pub(super) fn body_ended(&mut self, is_busy: bool) {
        self.phase = if self.next.tunnel && is_busy { Phase::Asking } else { self.after_exchange() };
    }

    /// Notes that the last request has its answer, and that the answer opens no tunnel.
    pub(super) fn answered(&mut self) {
        if matches!(self.phase, Phase::Asking) {
            self.phase = self.after_exchange();
        }
    }

    const fn after_exchange(&self) -> Phase<T> {
        if self.next.request { Phase::Idle } else { Phase::Done }
    }

    /// Goes on to the rest of a frame, which is passed on as it comes.
    pub(super) fn frame_goes_on(&mut self, rest: Rest, pinning: Pinning, now: Nanos) {
        self.phase = Phase::Frame { rest: Box::new(rest), pinning };
        self.since = now;
    }

    /// Goes on behind a frame or a conversation, to the phase that `pinning` asks for. A client that holds its link for good
    /// does so from `now` on.
    pub(super) fn hold(&mut self, pinning: Pinning, now: Nanos) {
        self.phase = match pinning {
            Pinning::Free => Phase::Idle,
            Pinning::Forever => Phase::Pinned { since: now },
            Pinning::Watching | Pinning::Multi => Phase::Talk { pinning },
        };
    }
}

// The end of it.

impl<T> Reader<T> {
    /// Reads no more requests, because the proxy has nothing more to say to the client.
    pub(super) fn finish(&mut self) {
        self.phase = Phase::Done;
    }

    /// Reads no more requests, because something is wrong with the input or with the exchange that it belongs to.
    pub(super) fn refuse(&mut self) {
        self.phase = Phase::Done;
        self.ignore();
    }

    /// Reads no more requests, because the last answer announced that the connection closes. Returns whether it would have read
    /// more.
    pub(super) fn close_announced(&mut self) -> bool {
        let reads_on = !self.is_done();
        if reads_on {
            self.refuse();
        }
        reads_on
    }

    /// Notes that the client may be sending bytes that nobody reads.
    pub(super) fn ignore(&mut self) {
        if !self.has_ended() {
            self.side = ReadSide::Ignored;
        }
    }

    /// Notes that FIN has been sent: input is read and thrown away from now on.
    pub(super) fn linger(&mut self, now: Nanos) {
        self.phase = Phase::Linger { until: now.saturating_add(LINGER) };
        self.since = now;
    }

    /// Notes that the client has ended its side.
    pub(super) const fn at_eof(&mut self) {
        self.side = ReadSide::Ended;
    }

    /// Returns the step that remains for a client that has ended its side, of whose input as much as possible has been read.
    pub(super) fn after_eof(&mut self, exchanges: &impl ExchangeStanding) -> AfterEof {
        let may_go = !exchanges.must_wait();
        match self.phase {
            // Everything that was sent has been read.
            Phase::Idle | Phase::Head if self.input.is_empty() => self.phase = Phase::Done,
            // Half a head is left, and nobody will send the rest.
            Phase::Idle | Phase::Head if !exchanges.is_busy() && exchanges.may_begin() => {
                self.input.clear();
                self.phase = Phase::Done;
            }
            Phase::Body { .. } | Phase::Frame { .. } if may_go => return AfterEof::CutShort,
            Phase::Talk { .. } | Phase::Pinned { .. } if may_go => return AfterEof::EndLink,
            _ => {}
        }
        // Redis answers a blocking command at once, or drops it, when its client has ended its side. Else the command would
        // take elements that other clients wait for.
        if exchanges.is_patient() && exchanges.in_flight() > 0 && may_go {
            return AfterEof::EndLink;
        }
        AfterEof::Nothing
    }

    /// Becomes one end of a tunnel. The bytes that were kept go there first.
    pub(super) fn open_tunnel(&mut self, tunnel: impl FnOnce(&[u8]) -> T, now: Nanos) {
        self.phase = Phase::Tunnel(tunnel(self.input.bytes()));
        self.input = Input::default();
        self.side = ReadSide::Open;
        self.since = now;
    }

    /// Takes the tunnel out, because it has ended.
    pub(super) fn take_tunnel(&mut self) -> Option<T> {
        match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Tunnel(tunnel) => Some(tunnel),
            other => {
                self.phase = other;
                None
            }
        }
    }
}

// When to read, and until when something must have come.

impl<T> Reader<T> {
    /// Returns whether more should be read from the socket.
    pub(super) fn wants_input(&self, exchanges: &impl ExchangeStanding) -> bool {
        match self.phase {
            Phase::Linger { .. } => true,
            // The relay reads from the socket itself.
            Phase::Tunnel(_) => false,
            // The bytes that come now are not used, but a read notices that the client has gone.
            Phase::Done => exchanges.is_busy() && self.side == ReadSide::Open,
            _ if self.has_ended() => false,
            Phase::Asking => self.input.has_room(UNREAD),
            Phase::Idle | Phase::Head => {
                let in_flight = exchanges.in_flight() > 0;
                // A client that waits for others (BLPOP) may leave, whatever it has sent meanwhile.
                let ahead = !in_flight || self.input.has_room(UNREAD);
                let patient = || exchanges.is_patient() && in_flight;
                self.input.is_empty() || ahead && (patient() || exchanges.may_begin())
            }
            // A reset must be noticed while the request waits for a link.
            Phase::Body { .. } | Phase::Frame { .. } | Phase::Talk { .. } | Phase::Pinned { .. }
                if exchanges.waits() =>
            {
                self.input.has_room(UNREAD)
            }
            Phase::Body { .. } | Phase::Frame { .. } | Phase::Talk { .. } | Phase::Pinned { .. } => {
                !exchanges.is_link_full()
            }
        }
    }

    /// Returns the time by which something must have happened, and the cause that is counted if it has not. A tunnel has
    /// deadlines of its own.
    pub(super) fn deadline(
        &self,
        timeouts: &ClientTimeouts,
        tunnel: &TunnelLimits,
        is_blocked: bool,
        exchanges: &impl ExchangeStanding,
    ) -> Option<(Nanos, Cause)> {
        let (limit, cause) = match self.phase {
            Phase::Linger { until } => {
                return Some((rounded(lingers_until(self.since, until)), Cause::ClientSlow));
            }
            // A blocked client makes no progress of any other kind, so its time to take bytes comes first.
            _ if is_blocked => (timeouts.write, Cause::ClientSlow),
            Phase::Pinned { since } => {
                let at = Lifetime { began: since, moved: self.since }.deadline(tunnel)?;
                return Some((rounded(at), Cause::ClientAbort));
            }
            Phase::Tunnel(_) => return None,
            Phase::Body { .. } | Phase::Frame { .. } | Phase::Talk { .. } if !exchanges.waits() => {
                (timeouts.body, Cause::BodyTimeout)
            }
            // Every other wait is for the member, whose link has its own deadlines.
            _ if exchanges.is_busy() => return None,
            Phase::Head => (timeouts.head, Cause::HeadTimeout),
            _ => (timeouts.idle, Cause::ClientAbort),
        };
        Some((rounded(self.since.saturating_add(nanos(limit))), cause))
    }

    /// Returns whether a client that keeps its link for good has had it for as long as it may.
    pub(super) fn is_too_old(&self, tunnel: &TunnelLimits, now: Nanos) -> bool {
        let Phase::Pinned { since } = self.phase else { return false };
        Lifetime { began: since, moved: self.since }.is_too_old(tunnel, now)
    }

    /// Returns whether the member has the turn in the middle of an exchange.
    pub(super) fn awaits_member(&self, exchanges: &impl ExchangeStanding) -> bool {
        match self.phase {
            Phase::Talk { .. } => exchanges.awaits_member(true),
            Phase::Body { .. } | Phase::Frame { .. } => exchanges.awaits_member(false),
            _ => false,
        }
    }
}

/// Returns until when a client lingers: `last_bytes` is when it last sent, and `limit` the end of all lingering.
fn lingers_until(last_bytes: Nanos, limit: Nanos) -> Nanos {
    last_bytes.saturating_add(LINGER_PAUSE).min(limit)
}

/// Rounds a deadline up to the grain in which deadlines are bundled.
pub(super) const fn rounded(at: Nanos) -> Nanos {
    (at >> GRAIN_BITS).saturating_add(1) << GRAIN_BITS
}

/// Returns a deadline in grains, rounded up. A deadline that is too late for 32 bits becomes `u32::MAX`, which never comes.
pub(super) fn grains(at: Nanos) -> u32 {
    u32::try_from(at.saturating_add((1 << GRAIN_BITS) - 1) >> GRAIN_BITS).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::proto::http::BodyFraming;
    use crate::proto::reread::Reread;

    const SECOND: Nanos = 1_000_000_000;

    /// Exchanges that stand as a test says.
    #[derive(Clone, Copy, Default)]
    struct StandIn {
        in_flight: u16,
        waits: bool,
        is_busy: bool,
        may_begin: bool,
        must_wait: bool,
        is_link_full: bool,
        is_patient: bool,
        owes: bool,
    }

    impl ExchangeStanding for StandIn {
        fn in_flight(&self) -> u16 {
            self.in_flight
        }

        fn waits(&self) -> bool {
            self.waits
        }

        fn is_busy(&self) -> bool {
            self.is_busy
        }

        fn may_begin(&self) -> bool {
            self.may_begin
        }

        fn must_wait(&self) -> bool {
            self.must_wait
        }

        fn is_link_full(&self) -> bool {
            self.is_link_full
        }

        fn is_patient(&self) -> bool {
            self.is_patient
        }

        fn awaits_member(&self, talks: bool) -> bool {
            self.owes == talks
        }
    }

    /// Nothing is under way.
    const NOTHING: StandIn = StandIn {
        in_flight: 0,
        waits: false,
        is_busy: false,
        may_begin: true,
        must_wait: false,
        is_link_full: false,
        is_patient: false,
        owes: false,
    };
    /// An exchange is in flight, and more may be.
    const ONE: StandIn = StandIn { in_flight: 1, is_busy: true, ..NOTHING };
    /// An exchange waits for a link.
    const WAITING: StandIn =
        StandIn { waits: true, is_busy: true, may_begin: false, must_wait: true, ..NOTHING };

    const MORE: Next = Next { request: true, tunnel: false };
    const LAST: Next = Next { request: false, tunnel: false };

    /// Returns a reader whose tunnels are letters.
    fn reader() -> Reader<char> {
        Reader::new(0)
    }

    fn body() -> Option<BodyDecoder> {
        Some(BodyDecoder::of_request(BodyFraming::Length(3)))
    }

    /// Returns a reader in each phase that can be reached without a frame, with the name of the phase.
    fn phases() -> Vec<(&'static str, Reader<char>)> {
        let with = |name, change: fn(&mut Reader<char>)| {
            let mut reader = reader();
            change(&mut reader);
            (name, reader)
        };
        vec![
            with("idle", |_| ()),
            with("head", |reader| _ = reader.head_began(&NOTHING, 0)),
            with("body", |reader| reader.head_ended(body(), MORE, 0)),
            with("talk", |reader| reader.hold(Pinning::Multi, 0)),
            with("pinned", |reader| reader.hold(Pinning::Forever, 0)),
            with("asking", |reader| reader.head_ended(None, Next { tunnel: true, ..MORE }, 0)),
            with("tunnel", |reader| reader.open_tunnel(|_| 't', 0)),
            with("done", Reader::finish),
            with("refused", Reader::refuse),
            with("linger", |reader| reader.linger(0)),
        ]
    }

    fn name(reader: &Reader<char>) -> &'static str {
        match reader.phase() {
            Phase::Idle => "idle",
            Phase::Head => "head",
            Phase::Body { .. } => "body",
            Phase::Frame { .. } => "frame",
            Phase::Talk { .. } => "talk",
            Phase::Pinned { .. } => "pinned",
            Phase::Asking => "asking",
            Phase::Tunnel(_) => "tunnel",
            Phase::Done if reader.is_ignored() => "refused",
            Phase::Done => "done",
            Phase::Linger { .. } => "linger",
        }
    }

    #[test]
    fn a_head_begins_where_nothing_is_under_way_and_ends_when_it_is_whole() {
        let mut reader = reader();
        assert!(!reader.head_began(&ONE, 5), "others before it are under way");
        assert_eq!((name(&reader), reader.began(7)), ("idle", 7));
        assert!(reader.head_began(&NOTHING, 8));
        assert!(!reader.head_began(&NOTHING, 9), "it began once");
        assert_eq!((name(&reader), reader.began(10)), ("head", 8));
        reader.request_began();
        assert_eq!((name(&reader), reader.began(11), reader.requests()), ("idle", 11, 1));
    }

    #[test]
    fn what_follows_a_head_is_its_body_the_answer_or_the_next() {
        for (body, next, phase) in [
            (body(), MORE, "body"),
            (body(), Next { request: false, tunnel: true }, "body"),
            (None, MORE, "idle"),
            (None, LAST, "done"),
            (None, Next { request: true, tunnel: true }, "asking"),
            (None, Next { request: false, tunnel: true }, "asking"),
        ] {
            let mut reader = reader();
            reader.head_ended(body, next, 3);
            assert_eq!(name(&reader), phase, "{next:?}");
            assert_eq!(reader.since(), if phase == "body" { 3 } else { 0 });
        }
    }

    #[test]
    fn what_follows_a_body_depends_on_whether_its_exchange_is_over() {
        for (next, is_busy, phase) in [
            (MORE, true, "idle"),
            (LAST, true, "done"),
            (Next { request: true, tunnel: true }, true, "asking"),
            (Next { request: true, tunnel: true }, false, "idle"),
            (Next { request: false, tunnel: true }, false, "done"),
        ] {
            let mut reader = reader();
            reader.head_ended(body(), next, 0);
            reader.body_ended(is_busy);
            assert_eq!(name(&reader), phase, "{next:?} {is_busy}");
        }
    }

    #[test]
    fn an_answer_ends_the_asking_and_nothing_else() {
        for (before, mut reader) in phases() {
            reader.answered();
            assert_eq!(name(&reader), if before == "asking" { "idle" } else { before });
        }
        let mut last = reader();
        last.head_ended(None, Next { request: false, tunnel: true }, 0);
        last.answered();
        assert_eq!(name(&last), "done");
    }

    #[test]
    fn what_a_client_of_frames_holds_decides_what_it_is_in() {
        for (pinning, phase) in [
            (Pinning::Free, "idle"),
            (Pinning::Watching, "talk"),
            (Pinning::Multi, "talk"),
            (Pinning::Forever, "pinned"),
        ] {
            let mut reader = reader();
            reader.hold(pinning, 0);
            assert_eq!(name(&reader), phase);
            assert_eq!(reader.awaits_more(), phase != "idle");
        }
    }

    #[test]
    fn a_client_that_has_ended_its_side_is_not_waited_for() {
        let mut reader = reader();
        reader.refuse();
        assert_eq!(name(&reader), "refused");
        reader.at_eof();
        assert_eq!(name(&reader), "done");
        reader.refuse();
        reader.ignore();
        assert_eq!(name(&reader), "done");
        assert!(!reader.close_announced(), "it was read no more before");
    }

    #[test]
    fn the_end_of_the_client_is_what_its_phase_makes_of_it() {
        use AfterEof::{CutShort, EndLink, Nothing};
        for (before, mut reader) in phases() {
            let kept = reader.after_eof(&WAITING);
            let idle = matches!(before, "idle" | "head");
            assert_eq!(
                (kept, name(&reader)),
                (Nothing, if idle { "done" } else { before }),
                "one has to go to a link first"
            );
        }
        for (before, mut reader) in phases() {
            let (after, phase) = match before {
                "idle" | "head" => (Nothing, "done"),
                "body" => (CutShort, "body"),
                "talk" | "pinned" => (EndLink, before),
                _ => (Nothing, before),
            };
            assert_eq!((reader.after_eof(&NOTHING), name(&reader)), (after, phase), "{before}");
        }
    }

    #[test]
    fn half_a_head_is_nothing_when_no_more_comes() {
        let mut half = reader();
        half.input.keep(b"GET / HT");
        assert_eq!((half.after_eof(&ONE), name(&half)), (AfterEof::Nothing, "idle"), "not yet");
        assert_eq!(
            (half.after_eof(&NOTHING), name(&half), !half.input.is_empty()),
            (AfterEof::Nothing, "done", false)
        );
        let patient = StandIn { is_patient: true, ..ONE };
        let mut reader = reader();
        reader.input.keep(b"half");
        assert_eq!(
            reader.after_eof(&patient),
            AfterEof::EndLink,
            "what a blocking command waits for is for others"
        );
        assert_eq!(reader.after_eof(&StandIn { must_wait: true, ..patient }), AfterEof::Nothing);
    }

    #[test]
    fn whether_more_is_read_follows_from_the_phase_and_the_exchanges() {
        let full = StandIn { is_link_full: true, may_begin: false, ..ONE };
        for (phase, reader) in phases() {
            let wants = [NOTHING, ONE, full, WAITING].map(|exchanges| reader.wants_input(&exchanges));
            let expected = match phase {
                "idle" | "head" | "asking" | "linger" => [true; 4],
                "body" | "talk" | "pinned" => [true, true, false, true],
                "tunnel" | "refused" => [false; 4],
                _ => [false, true, true, true], // whether it is still there is asked while it awaits an answer
            };
            assert_eq!(wants, expected, "{phase}");
        }
        for (phase, mut reader) in phases() {
            reader.at_eof();
            assert_eq!(reader.wants_input(&ONE), phase == "linger", "{phase}, at its end");
        }
    }

    #[test]
    fn no_more_is_read_ahead_than_may_be_kept() {
        let no_room = StandIn { may_begin: false, ..ONE };
        let mut reader = reader();
        reader.input.keep(b"x");
        assert!(!reader.wants_input(&no_room), "what is here has to begin first");
        assert!(reader.wants_input(&ONE));
        assert!(
            reader.wants_input(&StandIn { is_patient: true, ..no_room }),
            "who waits for others may leave"
        );
        reader.input.keep_more(&[b'x'; UNREAD]);
        assert!(!reader.wants_input(&ONE));
        assert!(reader.wants_input(&NOTHING), "with nothing in flight one request may be as long as it is");
        reader.input.await_more(2 * UNREAD, Reread::Never);
        assert!(reader.wants_input(&ONE), "one frame needs more");
    }

    #[test]
    fn each_phase_has_its_deadline() {
        let seconds = Duration::from_secs;
        let timeouts =
            ClientTimeouts { idle: seconds(1), head: seconds(2), body: seconds(3), write: seconds(4) };
        let tunnel = TunnelLimits { idle: Some(seconds(5)), age: Some(seconds(6)), splice: false };
        let at = |reader: &Reader<char>, blocked, exchanges: &StandIn| {
            let deadline = reader.deadline(&timeouts, &tunnel, blocked, exchanges);
            deadline.map(|(at, cause)| (at / SECOND, cause))
        };
        for (phase, mut reader) in phases() {
            reader.touch(10 * SECOND);
            let (idle, busy) = match phase {
                "head" => (Some((12, Cause::HeadTimeout)), None),
                "body" | "talk" => (Some((13, Cause::BodyTimeout)), Some((13, Cause::BodyTimeout))),
                "pinned" => (Some((6, Cause::ClientAbort)), Some((6, Cause::ClientAbort))),
                "tunnel" => (None, None),
                "linger" => (Some((15, Cause::ClientSlow)), Some((15, Cause::ClientSlow))),
                _ => (Some((11, Cause::ClientAbort)), None),
            };
            assert_eq!((at(&reader, false, &NOTHING), at(&reader, false, &ONE)), (idle, busy), "{phase}");
            let waiting = at(&reader, false, &WAITING);
            assert_eq!(waiting, if matches!(phase, "body" | "talk") { None } else { busy }, "{phase}");
            let blocked = if phase == "linger" { idle } else { Some((14, Cause::ClientSlow)) };
            assert_eq!(at(&reader, true, &ONE), blocked, "{phase}");
        }
    }

    #[test]
    fn a_client_lingers_while_it_sends_up_to_a_limit() {
        let (fin, second) = (7 * SECOND, SECOND);
        let limit = fin + LINGER;
        assert_eq!(lingers_until(fin, limit), fin + LINGER_PAUSE, "it never sent");
        assert_eq!(
            lingers_until(fin + 3 * second, limit),
            fin + 3 * second + LINGER_PAUSE,
            "it sent for 3 s"
        );
        assert_eq!(lingers_until(limit - second, limit), limit, "it still sends");
        assert_eq!(lingers_until(u64::MAX, limit), limit);
    }

    #[test]
    fn a_client_that_keeps_its_link_is_too_old_when_it_has_had_it_for_so_long() {
        let limits = TunnelLimits { idle: None, age: Some(Duration::from_secs(2)), splice: false };
        let mut reader = reader();
        assert!(!reader.is_too_old(&limits, Nanos::MAX));
        reader.hold(Pinning::Forever, SECOND);
        assert!(!reader.is_too_old(&limits, 3 * SECOND - 1) && reader.is_too_old(&limits, 3 * SECOND));
    }

    #[test]
    fn the_member_has_its_turn_in_the_middle_of_an_exchange_only() {
        for (phase, reader) in phases() {
            let owes = reader.awaits_member(&StandIn { owes: true, ..ONE });
            assert_eq!(owes, phase == "talk", "{phase}: it owes an answer");
            let is_behind = reader.awaits_member(&StandIn { owes: false, ..ONE });
            assert_eq!(is_behind, phase == "body", "{phase}: it has not read the body");
        }
    }

    #[test]
    fn a_tunnel_gets_what_was_kept_and_is_given_up_once() {
        let mut reader = reader();
        reader.at_eof();
        reader.input.keep(b"early");
        reader.open_tunnel(|input| if input == b"early" { 'e' } else { '-' }, 9);
        assert!(!reader.has_ended() && reader.input.is_empty() && reader.since() == 9);
        assert_eq!((reader.take_tunnel(), reader.take_tunnel()), (Some('e'), None));
        let mut idle = self::reader();
        assert_eq!((idle.take_tunnel(), name(&idle)), (None, "idle"));
    }

    #[test]
    fn deadlines_are_rounded_up_to_grains() {
        let grain = 1 << GRAIN_BITS;
        assert_eq!((rounded(0), rounded(grain - 1), rounded(grain)), (grain, grain, 2 * grain));
        assert_eq!((grains(0), grains(1), grains(grain), grains(grain + 1)), (0, 1, 1, 2));
        assert_eq!(grains(Nanos::MAX), u32::MAX);
    }
}
