//! The state of a client: what it is reading, what is in flight, what is buffered, and the deadline that follows.

use std::cell::Cell;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;

use bytes::BytesMut;

use crate::backend::Assignment;
use crate::cause::Cause;
use crate::event_loop::{Nanos, nanos};
use crate::link::TunnelPermit;
use crate::metrics::{ClientClose, ClientState};
use crate::proto::framing::{ClientMode, Dialect, Pinning, Rest};
use crate::proto::http::Reject;
use crate::proto::http1::BodyDecoder;
use crate::proto::reread::Reread;
use crate::stream::Conn;

use super::record::{PendingRecord, PendingRecords};
use super::ticket::{ClientLink, ClientRequest, Ticket};
use super::upgraded::UpgradedTunnel;
use super::upload::HeldUpload;
use super::{Client, HttpDestination, HttpPool};

/// ```text
///            head with a body              end of the body
///   Head ───────────────────────▶ Body ────────────────────▶ Head, or Asking
///    │ long frame                     end of the frame
///    ├─────────────────────────▶ Frame ────────────────────▶ Head, or Talk
///    │ frame that keeps a link            frame that gives it back
///    ├──────────────────────────▶ Talk ────────────────────▶ Head
///    │ upgrade, CONNECT                    any other answer
///    ├─────────────────────────▶ Asking ───────────────────▶ Head
///    │                              └─ 101, 2xx ─▶ Tunnel ─▶ (closed)
///    │ close asked for, EOF, error  │
///    └──────────────┬───────────────┘
///                   ▼ all answered and written
///                 Done ─────────────▶ Linger ─────▶ (closed)
/// ```
#[derive(Debug)]
pub(super) enum Phase {
    /// Reads requests. In flight there may be any number.
    Head,
    /// Reads the body of the last request that was begun.
    Body { decoder: BodyDecoder },
    /// Reads the rest of the last frame, which is passed on while it comes; then goes on with what its client holds. Boxed: few
    /// clients ever have one.
    Frame { rest: Box<Rest>, pinning: Pinning },
    /// Reads what else belongs to the last exchange, which keeps its link until it is over.
    Talk { pinning: Pinning },
    /// Has asked for a tunnel: what it says meanwhile is kept, as nobody knows yet what it is.
    Asking,
    /// Is one end of a tunnel.
    Tunnel,
    /// Reads no more requests (RFC 9112 section 9.6).
    Done,
    /// All is written, and FIN sent: reads what may still come, so that the answer is not lost to a reset.
    Linger,
}

impl Phase {
    /// Whether more is to come of the last exchange that was begun.
    pub(super) fn awaits_more(&self) -> bool {
        matches!(self, Self::Body { .. } | Self::Frame { .. } | Self::Talk { .. })
    }
}

/// What must wait until the exchanges before it have ended.
#[derive(Debug)]
pub(super) enum Deferred {
    /// To be sent (again).
    Send { request: ClientRequest, head: Vec<u8>, cause: Cause },
    /// To be answered with an error.
    Fail { request: Option<ClientRequest>, reject: Reject },
}

/// What an idle client does not have.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// Bytes read and not yet understood, and how many of them were counted as held.
    pub(super) input: BytesMut,
    pub(super) input_counted: Cell<usize>,
    /// With fewer of them there is nothing to understand, unless something shows that there is.
    pub(super) wanted: usize,
    pub(super) reread: Reread,
    /// What stands there first cannot begin before all that is in flight has been answered.
    pub(super) stands_alone: bool,
    /// Nothing is read, because there is no room for it anywhere.
    pub(super) stalled: bool,
    /// Bytes of answers not yet written, and how many of them were counted as held.
    pub(super) output: BytesMut,
    pub(super) counted: usize,
    pub(super) deferred: VecDeque<Deferred>,
}

impl Buffers {
    /// What has come is not whole: it is worth reading again when there are so many bytes, or when `reread` shows it.
    pub(super) fn await_more(&mut self, wanted: usize, reread: Reread) {
        self.wanted = wanted;
        self.reread.turn_to(reread);
    }

    /// More has come.
    pub(super) fn take_in(&mut self, bytes: &[u8]) {
        let known = self.input.len();
        self.input.extend_from_slice(bytes);
        if self.reread.shows(&self.input, known) {
            self.wanted = 0;
        }
    }
}

/// What most clients never have.
#[derive(Default)]
pub(super) struct Cold {
    /// The configuration it is treated by, where its last request went elsewhere than that says by itself.
    pub(super) base: Option<Rc<HttpDestination>>,
    /// For whom the peer says that it speaks.
    pub(super) source: Option<IpAddr>,
    /// How much of the present body may still come, if that is limited.
    pub(super) body_left: u64,
    /// Until when what it still sends is read and thrown away.
    pub(super) lingers_until: Nanos,
    /// Since when it has had a link for good.
    pub(super) held_since: Nanos,
    /// What ties it to other backends, to which requests of it went before.
    pub(super) other_assignments: Vec<(Rc<HttpDestination>, Assignment<HttpPool>)>,
    /// The link that it keeps between its exchanges, too.
    pub(super) kept: Option<Rc<ClientLink>>,
    /// The request whose body is being read asks for a tunnel.
    pub(super) asks: bool,
    /// What may become a tunnel has its place among the member's tunnels before it asks.
    pub(super) place: Option<TunnelPermit>,
    pub(super) tunnel: Option<UpgradedTunnel>,
    /// A body that is read before its request takes a link, and that enough of it has been.
    pub(super) upload: Option<Box<HeldUpload>>,
    pub(super) release: bool,
    /// Bytes that it sent of long bodies, and took of long answers.
    pub(super) moved: u64,
    pub(super) records: PendingRecords,
}

impl Cold {
    /// So much more of a body came. Whether it may.
    pub(super) fn take(&mut self, content: usize) -> bool {
        let left = self.body_left.checked_sub(content as u64);
        self.body_left = left.unwrap_or(0);
        left.is_some()
    }
}

pub(super) struct ClientInner {
    /// Where its last request went.
    pub(super) destination: Rc<HttpDestination>,
    pub(super) assignment: Assignment<HttpPool>,
    /// Where its exchanges are in flight: all of them on one link, so that answers come in order.
    pub(super) link: Option<Rc<ClientLink>>,
    pub(super) cold: Option<Box<Cold>>,
    pub(super) buffers: Option<Box<Buffers>>,
    pub(super) phase: Phase,
    /// When the present phase, head or idleness began, or the body last moved.
    pub(super) since: Nanos,
    /// When it will be looked at.
    pub(super) armed: Nanos,
    /// Exchanges on its link; `look_ahead` at most.
    pub(super) in_flight: u16,
    pub(super) requests: u32,
    /// How many exchanges of it are in the gauge of those in flight. No client may have more (`look_ahead`).
    pub(super) counted: u16,
    pub(super) shown: ClientState,
    pub(super) close: Option<ClientClose>,
    /// What is to blame for exchanges that have not ended when it does.
    pub(super) blame: Cause,
    /// Its one exchange is in a wait queue.
    pub(super) waits: bool,
    pub(super) draining: bool,
    /// After the present body, or the answer to what was asked, there may be more requests.
    pub(super) keeps_reading: bool,
    /// Its last request was in HTTP/1.0; nothing else is in flight beside it.
    pub(super) old: bool,
    /// The link of its present exchange will be its own (NTLM, Negotiate).
    pub(super) binds: bool,
    /// The client may still be sending: closing at once could cost it the answer.
    pub(super) unread: bool,
    /// The client has ended its side; what it said before may not have been read yet.
    pub(super) heard_all: bool,
    /// What was begun last may take as long as it likes; nothing else is in flight beside it.
    pub(super) patient: bool,
    /// What it speaks, where its protocol has dialects.
    pub(super) dialect: Dialect,
}

/// How long a client may pause after FIN before it is closed (RFC 9112 section 9.6), and how long it may go on sending in
/// all. While bytes come that nobody reads, a close would be a reset, and the reset would cost the client the answer that
/// tells it to stop. The longer they are, the longer a slow client is told, and the longer one that never stops keeps its
/// descriptor; both are those of nginx (`lingering_timeout`, `lingering_time`).
const LINGER_PAUSE: Nanos = 5_000_000_000;
pub(super) const LINGER: Nanos = 30_000_000_000;
/// Deadlines of clients are bundled to this grain (67 ms), rounded up.
const GRAIN_BITS: u32 = 26;

impl ClientInner {
    pub(super) fn new(destination: Rc<HttpDestination>, now: Nanos) -> Self {
        Self {
            destination,
            assignment: Assignment::default(),
            link: None,
            cold: None,
            buffers: None,
            phase: Phase::Head,
            since: now,
            armed: Nanos::MAX,
            in_flight: 0,
            requests: 0,
            counted: 0,
            shown: ClientState::Idle,
            close: None,
            blame: Cause::ClientAbort,
            waits: false,
            draining: false,
            keeps_reading: true,
            old: false,
            binds: false,
            unread: false,
            heard_all: false,
            patient: false,
            dialect: Dialect::default(),
        }
    }

    /// How it stands before its next frame, of which this is what it holds.
    pub(super) fn mode(&self, pinning: Pinning) -> ClientMode {
        ClientMode { pinning, dialect: self.dialect }
    }

    /// The client has said all that the link it has for its own will ever carry: the member hears the end as well, answers
    /// what it would answer such a client, and closes.
    pub(super) fn pass_end_on(&self, conn: &Conn) {
        match &self.link {
            Some(link) => link.end_requests(),
            None => conn.fail(),
        }
    }

    /// In the middle of an exchange, whether it is the member's turn: to answer a word, to take more of a body, or to
    /// say that it may come.
    pub(super) fn awaits_member(&self) -> bool {
        let Some(link) = &self.link else { return false };
        match self.phase {
            Phase::Talk { pinning } => pinning != Pinning::Forever && link.owes(),
            Phase::Body { .. } | Phase::Frame { .. } => link.is_behind() || link.awaits_continue(),
            _ => false,
        }
    }

    /// An exchange of it is on this link now.
    pub(super) fn is_on(&mut self, me: &Rc<Client>, link: &Rc<ClientLink>) {
        self.reached();
        self.in_flight += 1;
        self.link = Some(link.clone());
        if std::mem::take(&mut self.binds) {
            link.keep(Ticket::of_keeper(me));
            self.cold().kept = Some(link.clone());
        }
    }

    /// The exchange behind those in flight comes to a link.
    pub(super) fn reached(&mut self) {
        if let Some(cold) = &mut self.cold {
            cold.records.reached(self.in_flight.into());
        }
    }

    /// What is noted of the exchange whose answer comes now, if anything is.
    pub(super) fn record(&mut self) -> Option<&mut PendingRecord> {
        self.cold.as_mut()?.records.record()
    }

    /// The configuration it is treated by: where its requests go if no rule says otherwise.
    pub(super) fn base(&self) -> &Rc<HttpDestination> {
        self.cold.as_ref().and_then(|cold| cold.base.as_ref()).unwrap_or(&self.destination)
    }

    fn held_since(&self) -> Nanos {
        self.cold.as_ref().map_or(0, |cold| cold.held_since)
    }

    /// Whether it keeps a link.
    pub(super) fn keeps_link(&self) -> bool {
        self.cold.as_ref().is_some_and(|cold| cold.kept.is_some())
    }

    /// The link that it keeps, which from now on it does not.
    pub(super) fn take_kept(&mut self) -> Option<Rc<ClientLink>> {
        self.cold.as_mut()?.kept.take()
    }

    pub(super) fn cold(&mut self) -> &mut Cold {
        self.cold.get_or_insert_default()
    }

    /// An exchange of it has left its link.
    pub(super) fn left_link(&mut self) {
        self.in_flight -= 1;
        if self.in_flight == 0 {
            self.link = None;
        }
    }

    /// The phase that follows a body that has been read to its end.
    pub(super) fn after_body(&mut self) -> Phase {
        let asks = self.cold.as_mut().is_some_and(|cold| std::mem::take(&mut cold.asks));
        match asks {
            // Where the answer has come already, this connection is about to end, and becomes no tunnel.
            true if self.is_busy() => Phase::Asking,
            _ if self.keeps_reading => Phase::Head,
            _ => Phase::Done,
        }
    }

    /// What it asked for last has been answered, and is no tunnel.
    pub(super) fn answered(&mut self) {
        if let Some(cold) = &mut self.cold {
            cold.place = None;
        }
        if matches!(self.phase, Phase::Asking) {
            self.phase = if self.keeps_reading { Phase::Head } else { Phase::Done };
        }
    }

    /// Whether it has asked for as much as it may.
    pub(super) fn is_spent(&self) -> bool {
        self.close == Some(ClientClose::LimitRequests)
    }

    pub(super) fn has_deferred(&self) -> bool {
        self.buffers.as_ref().is_some_and(|s| !s.deferred.is_empty())
    }

    /// An exchange comes back from its link or its queue. What was in flight was asked for before all that is to be done
    /// later, and of those that come back together the last one does so first.
    pub(super) fn put_back(&mut self, deferred: Deferred) {
        self.buffers().deferred.push_front(deferred);
    }

    /// Whether exchanges are under way.
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight > 0 || self.waits || self.has_deferred() || self.holds_upload()
    }

    /// Whether a request is held until its body has been read.
    fn holds_upload(&self) -> bool {
        self.cold.as_ref().and_then(|cold| cold.upload.as_ref()).is_some_and(|upload| upload.is_held())
    }

    /// Exchanges that were begun and whose answers have not ended.
    pub(super) fn unanswered(&self) -> u32 {
        let begun = |deferred: &&Deferred| !matches!(deferred, Deferred::Fail { request: None, .. });
        let deferred = self.buffers.as_ref().map_or(0, |s| s.deferred.iter().filter(begun).count());
        let held = u32::from(self.holds_upload());
        u32::from(self.in_flight) + u32::from(self.waits) + held + u32::try_from(deferred).unwrap_or(0)
    }

    /// Forgets what was to be done later; tells how many exchanges that were begun were among it.
    pub(super) fn drop_deferred(&mut self) -> u32 {
        let before = self.unanswered();
        if let Some(buffers) = &mut self.buffers {
            buffers.deferred.clear();
        }
        before - self.unanswered()
    }

    pub(super) fn unwritten(&self) -> usize {
        self.buffers.as_ref().map_or(0, |s| s.output.len())
    }

    pub(super) fn unread_input(&self) -> bool {
        self.buffers.as_ref().is_some_and(|s| !s.input.is_empty())
    }

    /// Whether of what could not begin yet more may be kept: `most` bytes, or what one frame needs.
    pub(super) fn looks_ahead(&self, most: usize) -> bool {
        self.buffers.as_ref().is_none_or(|s| s.input.len() < most.max(s.wanted))
    }

    /// Whether what was kept is worth reading now.
    pub(super) fn is_worth_reading(&self) -> bool {
        let is_worth = |s: &Buffers| s.input.len() >= s.wanted && !(s.stands_alone && self.in_flight > 0);
        self.buffers.as_deref().is_some_and(is_worth)
    }

    pub(super) fn buffers(&mut self) -> &mut Buffers {
        self.buffers.get_or_insert_default()
    }

    /// Gives back what an idle client should not have.
    pub(super) fn tidy(&mut self) {
        if let Some(s) = &self.buffers
            && s.input.is_empty()
            && s.output.is_empty()
            && s.deferred.is_empty()
            && s.input_counted.get() == 0
        {
            self.buffers = None;
        }
    }

    /// When something must have happened, and what its absence means.
    pub(super) fn deadline(&self, conn: &Conn) -> Option<(Nanos, Cause)> {
        let timeouts = &self.destination.listener.timeouts;
        let (limit, cause) = match self.phase {
            Phase::Linger => return Some((self.linger_deadline(), Cause::ClientSlow)),
            _ if conn.is_blocked() => (nanos(timeouts.write), Cause::ClientSlow),
            Phase::Talk { pinning: Pinning::Forever } | Phase::Tunnel => return self.tunnel_deadline(),
            Phase::Body { .. } | Phase::Frame { .. } | Phase::Talk { .. } if !self.waits => {
                (nanos(timeouts.body), Cause::BodyTimeout)
            }
            _ if self.is_busy() => return None,
            Phase::Head if self.shown == ClientState::Head => (nanos(timeouts.head), Cause::HeadTimeout),
            _ => (nanos(timeouts.idle), Cause::ClientAbort),
        };
        Some((rounded(self.since.saturating_add(limit)), cause))
    }

    fn linger_deadline(&self) -> Nanos {
        let until = self.cold.as_ref().map_or(0, |cold| cold.lingers_until);
        rounded(lingers_until(self.since, until))
    }

    /// A link that a client keeps for good is a tunnel, whatever passes through it.
    fn tunnel_deadline(&self) -> Option<(Nanos, Cause)> {
        let tunnel = &self.destination.listener.tunnel;
        let idle = tunnel.idle.map(|limit| self.since.saturating_add(nanos(limit)));
        let old = tunnel.age.map(|limit| self.held_since().saturating_add(nanos(limit)));
        idle.into_iter().chain(old).min().map(|at| (rounded(at), Cause::ClientAbort))
    }

    /// Whether it has had its link for as long as it may.
    pub(super) fn is_old(&self, now: Nanos) -> bool {
        let held = matches!(self.phase, Phase::Talk { .. } | Phase::Tunnel);
        let age = self.destination.listener.tunnel.age.filter(|_| held);
        age.is_some_and(|limit| now.saturating_sub(self.held_since()) >= nanos(limit))
    }
}

/// Given when the last bytes came, and until when any may.
fn lingers_until(last_bytes: Nanos, limit: Nanos) -> Nanos {
    last_bytes.saturating_add(LINGER_PAUSE).min(limit)
}

fn rounded(at: Nanos) -> Nanos {
    (at >> GRAIN_BITS).saturating_add(1) << GRAIN_BITS
}

#[cfg(test)]
mod tests {
    use super::{LINGER, LINGER_PAUSE, lingers_until};

    #[test]
    fn a_client_lingers_while_it_sends_up_to_a_limit() {
        let (fin, second) = (7_000_000_000, 1_000_000_000);
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
}
