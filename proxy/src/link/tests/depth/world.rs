//! A simulation of clients, a proxy with one thread and a member, in virtual time. Pool and depth are the real ones.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::time::Duration;

use crate::config::QueueLimits;
use crate::event_loop::Nanos;
use crate::link::{Acquired, LinkId, Scheduler, Sharing};

use super::member::{Member, Model, Next};
use super::report::{Report, SLICE, SliceState};
use super::rng::Rng;

/// What is asked of which member.
#[derive(Clone, Copy)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) clients: usize,
    /// Between an answer and the client's next request, on average.
    pub(super) think: Nanos,
    /// Most links, and most in flight on one.
    pub(super) share: usize,
    pub(super) ceiling: u16,
    /// One in so many is a slow one.
    pub(super) slow_in: u64,
    /// The clients are spread over so many routes.
    pub(super) classes: usize,
    /// On a route of its own.
    pub(super) own_route: bool,
    pub(super) model: Model,
    /// In slices.
    pub(super) length: usize,
}

/// What the proxy's thread takes, in nanoseconds: 13 us for a request by itself, half of it among many.
const READ: Nanos = 3000;
const WRITE: Nanos = 3000;
const ANSWER: Nanos = 3500;
const REQUEST: Nanos = 3500;
const CONNECT: Nanos = 100_000;
const LOOK: Nanos = 2_000_000;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Asks(usize),
    Turn,
    Written(usize),
    ThreadDone(usize),
    WaitDone(usize),
    Connected(LinkId),
    Open,
    Look,
    SliceEnds,
}

struct Link {
    link_id: LinkId,
    /// Clients, in order, and when each request was written; the first `sent` were.
    flight: VecDeque<(usize, Nanos)>,
    sent: usize,
    arrived: usize,
    head_since: Nanos,
    closing: bool,
}

#[derive(Clone, Copy, Default)]
struct Client {
    asked: Nanos,
    slow: bool,
}

pub(super) struct World {
    scenario: Scenario,
    rng: Rng,
    events: BinaryHeap<Reverse<(Nanos, u64, Event)>>,
    count: u64,
    now: Nanos,
    scheduler: Scheduler<usize, usize>,
    links: Vec<Link>,
    clients: Vec<Client>,
    member: Member,
    inbox: VecDeque<usize>,
    readable: BTreeSet<usize>,
    dirty: BTreeSet<usize>,
    asleep: bool,
    open_at: Nanos,
    free_at: Nanos,
    budget: f64,
    report: Report,
}

impl World {
    pub(super) fn run(scenario: Scenario, seed: u64) -> Report {
        let mut links = crate::link::tests::links();
        links.pipeline = scenario.ceiling.try_into().unwrap();
        let queue = QueueLimits { max: scenario.clients, timeout: Duration::from_secs(60) };
        let report = Report { name: format!("{}, seed {seed}", scenario.name), ..Report::default() };
        let mut world = Self {
            rng: Rng(seed),
            events: BinaryHeap::new(),
            count: 0,
            now: 1,
            scheduler: Scheduler::new(&links, &queue, scenario.share, 1),
            links: Vec::new(),
            clients: vec![Client::default(); scenario.clients],
            member: Member::new(scenario.model, seed ^ 1),
            inbox: VecDeque::new(),
            readable: BTreeSet::new(),
            dirty: BTreeSet::new(),
            asleep: true,
            open_at: 0,
            free_at: 0,
            budget: 0.0,
            report,
            scenario,
        };
        world.go();
        world.report
    }

    fn go(&mut self) {
        for client in 0..self.clients.len() {
            let at = 1 + self.rng.next() % 2_000_000;
            self.at(at, Event::Asks(client));
        }
        self.at(SLICE, Event::SliceEnds);
        self.at(LOOK, Event::Look);
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            if at > self.scenario.length as Nanos * SLICE {
                break;
            }
            self.now = at;
            self.happens(event);
        }
    }

    fn at(&mut self, at: Nanos, event: Event) {
        self.count += 1;
        self.events.push(Reverse((at, self.count, event)));
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Asks(client) => {
                let slow = self.rng.one_in(self.scenario.slow_in);
                self.clients[client] = Client { asked: self.now, slow };
                self.inbox.push_back(client);
                self.wake();
            }
            Event::Turn => self.turn(),
            Event::Written(link) => {
                let Self { links, clients, member, .. } = self;
                let Link { flight, sent, .. } = &mut links[link];
                flight.iter_mut().skip(*sent).for_each(|(_, written)| *written = self.now);
                member.came(link, flight.iter().skip(*sent).map(|(client, _)| clients[*client].slow));
                *sent = flight.len();
            }
            Event::ThreadDone(link) => {
                let next = self.member.thread_done(link, self.now);
                self.next(next);
            }
            Event::WaitDone(link) => {
                let next = self.member.answered(link);
                self.next(next);
            }
            Event::Connected(link_id) => self.connected(link_id),
            Event::Open => self.open_more(),
            Event::Look => self.look(),
            Event::SliceEnds => self.slice_ends(),
        }
        while let Some(next) = self.member.begin(self.now) {
            self.next(next);
        }
    }

    fn next(&mut self, next: Next) {
        match next {
            Next::ThreadDone(link, at) => self.at(at, Event::ThreadDone(link)),
            Next::WaitDone(link, at) => self.at(at, Event::WaitDone(link)),
            Next::Answered(link) => {
                self.links[link].arrived += 1;
                self.readable.insert(link);
                self.wake();
            }
        }
    }

    fn wake(&mut self) {
        if std::mem::take(&mut self.asleep) {
            self.at(self.now.max(self.free_at), Event::Turn);
        }
    }

    /// One turn of the proxy's event loop; `now` goes on while it works.
    fn turn(&mut self) {
        for link in std::mem::take(&mut self.readable) {
            self.read(link);
        }
        for client in std::mem::take(&mut self.inbox) {
            self.now += REQUEST;
            self.budget = (self.budget + 0.1).min(1000.0);
            let sharing = if self.scheduler.depth.goes_alone(self.class(client)) {
                Sharing::Alone
            } else {
                Sharing::Shared
            };
            self.submit(client, sharing);
        }
        self.scheduler.turn_ended();
        self.now += WRITE * self.dirty.len() as Nanos;
        for link in std::mem::take(&mut self.dirty) {
            self.at(self.now, Event::Written(link));
        }
        (self.asleep, self.free_at) = (true, self.now);
        if !self.readable.is_empty() || !self.inbox.is_empty() {
            self.wake();
        }
    }

    fn class(&self, client: usize) -> u32 {
        let own = self.clients[client].slow && self.scenario.own_route;
        if own { 1 } else { 2 + (client % self.scenario.classes) as u32 }
    }

    fn read(&mut self, id: usize) {
        let count = std::mem::take(&mut self.links[id].arrived);
        self.now += READ + ANSWER * count as Nanos;
        let done: Vec<_> = self.links[id].flight.drain(..count).collect();
        let classes: Vec<_> = done.iter().map(|(client, _)| self.class(*client)).collect();
        let link = &mut self.links[id];
        link.sent -= count;
        let began = std::mem::replace(&mut link.head_since, self.now).max(done[0].1);
        let service = self.now - began;
        let (link_id, in_flight, closing) = (link.link_id, link.flight.len(), link.closing);
        self.scheduler.depth.observe(&classes, false, service, self.now);
        for (client, _) in done {
            let Client { asked, slow } = self.clients[client];
            self.report.answered(self.now, self.now - asked, slow);
            let think = 20_000 + self.rng.exponential(self.scenario.think);
            self.at(self.now + think, Event::Asks(client));
        }
        if closing && in_flight == 0 {
            self.scheduler.closed(link_id);
            return self.open_more();
        }
        self.scheduler.settle(link_id, in_flight, self.now);
        self.dispatch(id);
    }

    fn submit(&mut self, client: usize, sharing: Sharing) {
        if let Some((_, link, _)) = self.scheduler.place(sharing) {
            return self.send(client, link);
        }
        self.scheduler.wait(sharing, client, self.now).unwrap();
        self.open_more();
    }

    fn send(&mut self, client: usize, id: usize) {
        let link = &mut self.links[id];
        if link.flight.is_empty() {
            link.head_since = self.now;
        }
        link.flight.push_back((client, 0));
        self.dirty.insert(id);
        self.wake();
    }

    fn dispatch(&mut self, id: usize) {
        let link_id = self.links[id].link_id;
        while let Some((client, _, Acquired::Reused | Acquired::Opened | Acquired::Pipelined)) =
            self.scheduler.next_for(link_id, |_, _| true)
        {
            self.send(client, id);
        }
        self.open_more();
    }

    fn open_more(&mut self) {
        while let Some(link_id) = self.scheduler.open(self.now) {
            self.at(self.now + CONNECT, Event::Connected(link_id));
        }
        if let Some(at) = self.scheduler.next_opening(self.now).filter(|at| *at > self.open_at) {
            self.open_at = at;
            self.at(at, Event::Open);
        }
    }

    fn connected(&mut self, link_id: LinkId) {
        let id = self.links.len();
        let flight = VecDeque::new();
        self.links.push(Link { link_id, flight, sent: 0, arrived: 0, head_since: 0, closing: false });
        self.scheduler.connected(link_id, id, self.now);
        self.dispatch(id);
        for link in std::mem::take(&mut self.dirty) {
            self.at(self.now, Event::Written(link));
        }
    }

    /// What waits behind a head that takes too long is sent elsewhere, as far as the budget allows.
    fn look(&mut self) {
        self.at(self.now + LOOK, Event::Look);
        let Some(after) = self.scheduler.depth.rescue_after() else { return };
        let late = |l: &Link| {
            l.flight.len() > 1
                && l.arrived == 0
                && l.sent > 0
                && l.head_since.max(l.flight[0].1) + after < self.now
        };
        let late: Vec<_> = (0..self.links.len()).filter(|id| late(&self.links[*id])).collect();
        for id in late {
            let followers = self.links[id].flight.len() - 1;
            if self.budget < followers as f64 {
                break;
            }
            self.budget -= followers as f64;
            self.rescue(id);
        }
    }

    fn rescue(&mut self, id: usize) {
        self.scheduler.close_to_new(self.links[id].link_id);
        let followers: Vec<_> = self.links[id].flight.drain(1..).collect();
        self.member.cut(id);
        (self.links[id].closing, self.links[id].sent) = (true, 1);
        self.report.rescued(self.now, followers.len());
        let class = self.class(self.links[id].flight[0].0);
        self.scheduler.depth.rescued(class, followers.len() as u32, self.now);
        followers.into_iter().for_each(|(client, _)| self.submit(client, Sharing::Fresh));
    }

    fn slice_ends(&mut self) {
        let depth = &self.scheduler.depth;
        let state = SliceState {
            limit: depth.limit(),
            reason: depth.reason(),
            least: depth.least().unwrap_or(0),
            links: self.scheduler.used(),
            busy: self.links.iter().filter(|l| !l.flight.is_empty()).count(),
            waiting: self.scheduler.waiting(),
        };
        self.report.ends(self.now, state);
        self.at(self.now + SLICE, Event::SliceEnds);
    }
}
