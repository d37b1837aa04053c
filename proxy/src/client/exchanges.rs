//! The exchanges of a client: which are in flight, which must wait their turn, and how many are counted.
//!
//! All exchanges in flight are on one link, so that their answers come in order. An exchange that comes back from its link, and
//! an error whose answer belongs behind others, are deferred until nothing is in flight any more.

use std::collections::VecDeque;

use crate::cause::Cause;
use crate::link::TunnelPermit;
use crate::metrics::Gauge;
use crate::proto::http::Reject;

use super::http1::upload::HeldUpload;
use super::record::PendingRecords;
use super::ticket::ClientRequest;

/// Tells the exchanges how the link stands that they are on.
pub(super) trait Carrier: Clone {
    /// Returns whether the link takes one more request of the client.
    fn has_room(&self) -> bool;
    /// Returns whether the link takes no more of a body.
    fn is_full(&self) -> bool;
    /// Returns whether the member has yet to answer the last request.
    fn owes(&self) -> bool;
    /// Returns whether the member has yet to read what was sent, or to ask for the body.
    fn awaits_body_reader(&self) -> bool;
}

/// A step that must wait until the exchanges before it have ended.
#[derive(Debug)]
pub(super) enum Deferred {
    /// A request is to be sent, most often again. Where that cannot be done, `cause` is the error of its answer.
    Send { request: ClientRequest, head: Vec<u8>, cause: Cause },
    /// A request, or input that should have been one, is to be answered with an error.
    Fail { request: Option<ClientRequest>, reject: Reject },
}

impl Deferred {
    /// Returns whether the exchange was counted as begun.
    fn was_begun(&self) -> bool {
        !matches!(self, Self::Fail { request: None, .. })
    }
}

/// The peculiarity of the request that was begun last. Nothing is in flight beside a peculiar one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LastBegun {
    Http {
        /// The request was in HTTP/1.0, whose client may take an orderly close for the end of the answer.
        old: bool,
        /// The link that the request goes to becomes the client's own (NTLM, Negotiate).
        binds: bool,
    },
    Frame {
        /// The answer may take as long as it likes.
        patient: bool,
    },
}

/// State that most clients never need, kept apart so that a client stays small.
struct Rare<L> {
    deferred: VecDeque<Deferred>,
    /// The link that the client keeps between its exchanges.
    kept: Option<L>,
    /// The place among the member's tunnels, which is taken before a request asks for a tunnel.
    tunnel_permit: Option<TunnelPermit>,
    /// The number of bytes of the present body that may still come, if there is a limit.
    body_left: u64,
    /// A body that is read before its request takes a link, and that follows the request there.
    upload: Option<Box<HeldUpload>>,
    records: PendingRecords,
}

/// The exchanges of a client, over the links of type `L`.
pub(super) struct Exchanges<L> {
    link: Option<L>,
    rare: Option<Box<Rare<L>>>,
    /// The number of exchanges on the link: `look_ahead` at most.
    in_flight: u16,
    /// The number of exchanges that the gauge of those under way counts for this client: `look_ahead` at most.
    counted: u16,
    last: LastBegun,
    /// The client's one exchange is in a wait queue.
    waits: bool,
}

impl<L: Carrier> Exchanges<L> {
    pub(super) const fn new() -> Self {
        Self {
            link: None,
            rare: None,
            in_flight: 0,
            counted: 0,
            last: LastBegun::Http { old: false, binds: false },
            waits: false,
        }
    }

    fn rare(&mut self) -> &mut Rare<L> {
        self.rare.get_or_insert_with(|| {
            Box::new(Rare {
                deferred: VecDeque::new(),
                kept: None,
                tunnel_permit: None,
                body_left: 0,
                upload: None,
                records: PendingRecords::default(),
            })
        })
    }

    /// Returns the link that carries all exchanges in flight.
    pub(super) const fn link(&self) -> Option<&L> {
        self.link.as_ref()
    }

    pub(super) const fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// Returns whether the client's one exchange is in a wait queue.
    pub(super) const fn waits(&self) -> bool {
        self.waits
    }

    /// Returns whether the last exchange has no link yet, or has lost it.
    pub(super) fn is_off_link(&self) -> bool {
        self.waits || self.has_deferred()
    }

    /// Returns whether any exchange is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight > 0 || self.waits || self.has_deferred() || self.holds_upload()
    }

    /// Returns whether a request may begin. Exchanges stay in order: while some are in flight, the next one goes to the same
    /// link or waits. `look_ahead` is the number that may be in flight at once.
    pub(super) fn may_begin(&self, look_ahead: u32) -> bool {
        !self.is_off_link()
            && (self.in_flight == 0
                || u32::from(self.in_flight) < look_ahead && self.link.as_ref().is_some_and(L::has_room))
    }

    /// Returns whether the rest of the last exchange cannot go to its link now.
    pub(super) fn must_wait(&self) -> bool {
        self.is_off_link() || self.is_link_full()
    }

    pub(super) fn is_link_full(&self) -> bool {
        self.link.as_ref().is_some_and(L::is_full)
    }

    /// Returns whether the member has the turn: in a conversation (`talks`) to answer, else to take more of a body or to ask
    /// for it.
    pub(super) fn awaits_member(&self, talks: bool) -> bool {
        let awaits = if talks { L::owes } else { L::awaits_body_reader };
        self.link.as_ref().is_some_and(awaits)
    }

    /// Notes the peculiarity of the request that begins.
    pub(super) const fn begin(&mut self, last: LastBegun) {
        self.last = last;
    }

    /// Returns whether the exchange that was begun last may take as long as it likes.
    pub(super) fn is_patient(&self) -> bool {
        self.last == LastBegun::Frame { patient: true }
    }

    /// Returns whether the last request was in HTTP/1.0.
    pub(super) const fn is_old(&self) -> bool {
        matches!(self.last, LastBegun::Http { old: true, .. })
    }
}

// The gauge of exchanges under way.

impl<L: Carrier> Exchanges<L> {
    /// Counts one more exchange as under way.
    pub(super) fn count_begun(&mut self, gauge: &Gauge) {
        gauge.inc();
        self.counted += 1;
    }

    /// Counts exchanges as ended.
    pub(super) fn count_ended(&mut self, exchanges: u16, gauge: &Gauge) {
        gauge.add(-i64::from(exchanges));
        self.counted -= exchanges;
    }

    /// Counts all exchanges as ended that are still counted as under way.
    pub(super) fn count_all_ended(&mut self, gauge: &Gauge) {
        self.count_ended(self.counted, gauge);
    }

    /// Returns the number of exchanges that were begun and have no answer yet.
    pub(super) fn unanswered(&self) -> u32 {
        let deferred = self.deferred().filter(|deferred| deferred.was_begun()).count();
        u32::from(self.in_flight)
            + u32::from(self.waits)
            + u32::from(self.holds_upload())
            + u32::try_from(deferred).unwrap_or(0)
    }
}

// On a link, in a wait queue, off it again.

impl<L: Carrier> Exchanges<L> {
    /// Notes that an exchange waits for a link.
    pub(super) const fn wait(&mut self) {
        self.waits = true;
    }

    /// Notes that an exchange is on this link now. Returns whether the link becomes the client's own; the caller tells the
    /// link.
    pub(super) fn on_link(&mut self, link: &L) -> bool {
        self.waits = false;
        self.reached_link();
        self.in_flight += 1;
        self.link = Some(link.clone());
        let LastBegun::Http { binds, .. } = &mut self.last else { return false };
        // A request binds a link once: later ones find it in `kept`.
        let keeps = std::mem::take(binds);
        if keeps {
            self.rare().kept = Some(link.clone());
        }
        keeps
    }

    /// Notes that an exchange has joined those in flight.
    pub(super) fn joined(&mut self) {
        self.reached_link();
        self.in_flight += 1;
    }

    fn reached_link(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.records.reached(self.in_flight.into());
        }
    }

    /// Notes that an exchange has left its link. Returns whether it was the last.
    pub(super) fn left_link(&mut self) -> bool {
        self.in_flight -= 1;
        // Without an exchange the client is free to take another link.
        let last = self.in_flight == 0;
        if last {
            self.link = None;
        }
        last
    }

    /// Notes that an exchange has left its link or its wait queue without an answer.
    pub(super) fn left(&mut self) {
        if self.waits {
            self.waits = false;
        } else {
            self.left_link();
        }
    }

    /// Notes that the link has given up the last exchange. The others in flight end with the link.
    pub(super) fn given_up(&mut self) {
        self.in_flight -= 1;
        self.link = None;
    }

    /// Takes the link out, at the end of the client.
    pub(super) fn take_link(&mut self) -> Option<L> {
        self.link.take()
    }

    /// Leaves the wait queue. Returns whether an exchange was in one.
    pub(super) fn leave_queue(&mut self) -> bool {
        std::mem::take(&mut self.waits)
    }

    /// Returns whether the client keeps a link.
    pub(super) fn keeps_link(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.kept.is_some())
    }

    /// Keeps a link between two exchanges.
    pub(super) fn keep_link(&mut self, link: L) {
        self.rare().kept = Some(link);
    }

    /// Takes out the link that the client has kept until now.
    pub(super) fn take_kept_link(&mut self) -> Option<L> {
        self.rare.as_mut()?.kept.take()
    }

    /// Makes the next link of the last request the client's own, because the one that was its own is lost.
    pub(super) const fn bind_again(&mut self) {
        if let LastBegun::Http { binds, .. } = &mut self.last {
            *binds = true;
        }
    }
}

// Steps that wait their turn.

impl<L: Carrier> Exchanges<L> {
    fn deferred(&self) -> impl Iterator<Item = &Deferred> {
        self.rare.iter().flat_map(|rare| &rare.deferred)
    }

    pub(super) fn has_deferred(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.deferred.is_empty())
    }

    /// Defers a step behind everything that is deferred already, because its request came last.
    pub(super) fn defer(&mut self, deferred: Deferred) {
        self.rare().deferred.push_back(deferred);
    }

    /// Defers an exchange that comes back from its link or its wait queue. It goes before everything that is deferred already:
    /// its request came earlier, and of several that come back together the last one comes first.
    pub(super) fn put_back(&mut self, deferred: Deferred) {
        self.rare().deferred.push_front(deferred);
    }

    /// Takes out the next deferred step, if it may be done now.
    pub(super) fn next_deferred(&mut self) -> Option<Deferred> {
        if self.in_flight > 0 || self.waits {
            return None;
        }
        self.rare.as_mut()?.deferred.pop_front()
    }

    /// Drops all deferred steps. Returns how many of them belonged to exchanges that were begun.
    pub(super) fn drop_deferred(&mut self) -> u16 {
        let begun = self.deferred().filter(|deferred| deferred.was_begun()).count();
        if let Some(rare) = &mut self.rare {
            rare.deferred.clear();
        }
        u16::try_from(begun).unwrap_or(u16::MAX)
    }
}

// State of the last exchange, or of the one that is being answered.

impl<L: Carrier> Exchanges<L> {
    /// Limits the length of the body that comes next, in bytes.
    pub(super) fn limit_body(&mut self, most: u64) {
        self.rare().body_left = most;
    }

    /// Counts a part of a body whose length is limited. Returns false where the body becomes too long.
    pub(super) fn take_of_body(&mut self, bytes: usize) -> bool {
        let left = &mut self.rare().body_left;
        let (rest, is_too_long) = left.overflowing_sub(bytes as u64);
        *left = if is_too_long { 0 } else { rest };
        !is_too_long
    }

    pub(super) fn upload(&mut self) -> Option<&mut HeldUpload> {
        self.rare.as_mut()?.upload.as_deref_mut()
    }

    /// Returns whether content is kept that has not gone to a link.
    pub(super) fn has_upload(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.upload.is_some())
    }

    /// Returns whether a request is held until its body has been read.
    pub(super) fn holds_upload(&self) -> bool {
        let upload = self.rare.as_ref().and_then(|rare| rare.upload.as_ref());
        upload.is_some_and(|upload| upload.is_held())
    }

    pub(super) fn hold_upload(&mut self, upload: HeldUpload) {
        self.rare().upload = Some(Box::new(upload));
    }

    pub(super) fn take_upload(&mut self) -> Option<Box<HeldUpload>> {
        self.rare.as_mut()?.upload.take()
    }

    pub(super) fn set_tunnel_permit(&mut self, permit: Option<TunnelPermit>) {
        // Most clients never ask for a tunnel, and get no `Rare` for having none.
        if permit.is_some() || self.rare.is_some() {
            self.rare().tunnel_permit = permit;
        }
    }

    pub(super) fn take_tunnel_permit(&mut self) -> Option<TunnelPermit> {
        self.rare.as_mut()?.tunnel_permit.take()
    }

    /// Returns the records of the exchanges for the access log, in order, if there are any.
    pub(super) fn records(&mut self) -> Option<&mut PendingRecords> {
        self.rare.as_mut().map(|rare| &mut rare.records)
    }

    /// Returns the same records, and makes the place for them where there is none.
    pub(super) fn records_or_new(&mut self) -> &mut PendingRecords {
        &mut self.rare().records
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::link::tests::given::frames;
    use crate::link::{AnswerKind, Exchange, Sharing};

    fn exchange() -> Exchange {
        let frame = frames(AnswerKind::Frames { patient: false }, false);
        Exchange { sharing: Sharing::Shared, repeatable: true, ..frame }
    }

    /// A link that takes requests when its flag is set.
    #[derive(Clone, Default)]
    struct StandIn(Rc<Cell<bool>>);

    impl Carrier for StandIn {
        fn has_room(&self) -> bool {
            self.0.get()
        }

        fn is_full(&self) -> bool {
            !self.0.get()
        }

        fn owes(&self) -> bool {
            true
        }

        fn awaits_body_reader(&self) -> bool {
            false
        }
    }

    impl StandIn {
        fn with_room(has_room: bool) -> Self {
            Self(Rc::new(Cell::new(has_room)))
        }

        fn is(&self, other: Option<&Self>) -> bool {
            other.is_some_and(|other| Rc::ptr_eq(&self.0, &other.0))
        }
    }

    /// Returns a deferred request that the tests tell from others by its class.
    fn send(class: u32) -> Deferred {
        let request = Exchange { class, ..exchange() }.into();
        Deferred::Send { request, head: Vec::new(), cause: Cause::BackendReset }
    }

    fn fail(request: Option<Exchange>) -> Deferred {
        Deferred::Fail { request: request.map(Into::into), reject: Cause::BadRequest.into() }
    }

    fn classes(exchanges: &mut Exchanges<StandIn>) -> Vec<u32> {
        let mut classes = Vec::new();
        while let Some(next) = exchanges.next_deferred() {
            let Deferred::Send { request, .. } = next else { panic!("{next:?}") };
            classes.push(request.exchange.class);
        }
        classes
    }

    #[test]
    fn exchanges_in_flight_share_a_link_as_long_as_it_has_room() {
        let (mut exchanges, link) = (Exchanges::new(), StandIn::with_room(true));
        assert!(exchanges.may_begin(1) && !exchanges.is_busy());
        assert!(!exchanges.on_link(&link));
        assert!(!exchanges.may_begin(1), "no more than may be looked ahead");
        assert!(exchanges.may_begin(2));
        link.0.set(false);
        assert!(!exchanges.may_begin(2), "the link is full");
        exchanges.joined();
        assert!(!exchanges.left_link() && link.is(exchanges.link()));
        assert!(exchanges.left_link() && exchanges.link().is_none() && !exchanges.is_busy());
    }

    #[test]
    fn one_that_waits_for_a_link_is_alone() {
        let mut exchanges = Exchanges::new();
        exchanges.wait();
        assert!(!exchanges.may_begin(9) && exchanges.is_busy() && exchanges.must_wait());
        assert_eq!((exchanges.unanswered(), exchanges.in_flight()), (1, 0));
        exchanges.on_link(&StandIn::with_room(true));
        assert!(!exchanges.waits() && exchanges.may_begin(9));
        assert_eq!(exchanges.unanswered(), 1);
        exchanges.left();
        exchanges.wait();
        exchanges.left();
        assert_eq!((exchanges.unanswered(), exchanges.leave_queue()), (0, false));
    }

    #[test]
    fn those_that_come_back_go_before_what_was_asked_for_later() {
        let (mut exchanges, link) = (Exchanges::new(), StandIn::with_room(true));
        exchanges.on_link(&link);
        exchanges.joined();
        exchanges.defer(send(3));
        assert!(!exchanges.may_begin(9), "the next one would overtake it");
        exchanges.put_back(send(2)); // the last one comes back first
        exchanges.left();
        assert!(exchanges.next_deferred().is_none(), "one is still in flight");
        exchanges.put_back(send(1));
        exchanges.left();
        assert_eq!(classes(&mut exchanges), [1, 2, 3]);
    }

    #[test]
    fn what_is_deferred_waits_for_one_in_the_queue_as_well() {
        let mut exchanges: Exchanges<StandIn> = Exchanges::new();
        exchanges.defer(send(1));
        exchanges.defer(send(2));
        exchanges.next_deferred();
        exchanges.wait();
        assert!(exchanges.next_deferred().is_none());
        exchanges.on_link(&StandIn::with_room(true));
        assert!(exchanges.next_deferred().is_none());
        exchanges.left();
        assert_eq!(classes(&mut exchanges), [2]);
    }

    #[test]
    fn what_was_never_begun_is_not_unanswered() {
        let mut exchanges: Exchanges<StandIn> = Exchanges::new();
        exchanges.defer(fail(None));
        exchanges.defer(fail(Some(exchange())));
        exchanges.defer(send(1));
        assert_eq!((exchanges.unanswered(), exchanges.is_busy()), (2, true));
        assert_eq!((exchanges.drop_deferred(), exchanges.is_busy()), (2, false));
    }

    #[test]
    fn the_gauge_gets_back_what_it_got_wherever_a_client_ends() {
        let (mut exchanges, gauge) = (Exchanges::<StandIn>::new(), Gauge::default());
        for _ in 0..5 {
            exchanges.count_begun(&gauge);
        }
        exchanges.count_ended(2, &gauge);
        assert_eq!(gauge.get(), 3);
        exchanges.count_all_ended(&gauge);
        exchanges.count_all_ended(&gauge);
        assert_eq!(gauge.get(), 0);
    }

    #[test]
    fn a_link_that_a_request_binds_stays_the_clients_and_is_bound_again_when_it_is_lost() {
        let (mut exchanges, link) = (Exchanges::new(), StandIn::with_room(true));
        exchanges.begin(LastBegun::Http { old: false, binds: true });
        assert!(exchanges.on_link(&link) && exchanges.keeps_link());
        assert!(exchanges.left_link() && exchanges.keeps_link(), "between two exchanges, too");
        assert!(link.is(exchanges.take_kept_link().as_ref()));
        exchanges.bind_again();
        assert!(!exchanges.keeps_link());
        let other = StandIn::with_room(true);
        assert!(exchanges.on_link(&other) && other.is(exchanges.take_kept_link().as_ref()));
        exchanges.left();
        assert!(!exchanges.on_link(&link), "only that one");
    }

    #[test]
    fn a_limited_body_may_be_as_long_as_its_limit() {
        let mut exchanges: Exchanges<StandIn> = Exchanges::new();
        exchanges.limit_body(5);
        assert!(exchanges.take_of_body(3) && exchanges.take_of_body(2) && exchanges.take_of_body(0));
        assert!(!exchanges.take_of_body(1));
        exchanges.limit_body(1);
        assert!(!exchanges.take_of_body(2) && !exchanges.take_of_body(1), "what is too long stays so");
    }

    #[test]
    fn it_is_the_members_turn_only_on_a_link() {
        let mut exchanges = Exchanges::new();
        assert!(!exchanges.awaits_member(true));
        exchanges.on_link(&StandIn::default());
        assert!(exchanges.awaits_member(true) && !exchanges.awaits_member(false));
        assert!(exchanges.is_link_full() && exchanges.must_wait());
    }
}
