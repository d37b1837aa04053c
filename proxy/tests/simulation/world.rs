//! One worker with one member in virtual time: its clients here, its links in `links`.
//! In: a seed and settings. Out: a panic where a promise is broken, with the seed and the last events.
//! Knows nothing of sockets.

mod links;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use penstock::cause::Cause;
use penstock::config::{Links, PipelineMethods, WaitQueue};
use penstock::link::{Broken, Pool, Queue, Request, SeatId, Want};

use crate::client::{Client, Later, Ticket};
use crate::ledger::{Ledger, asked_body};
use crate::origin::{Origin, Temper};
use crate::rng::Rng;

/// What differs from run to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    pub(crate) seed: u64,
    pub(crate) clients: usize,
    pub(crate) share: usize,
    pub(crate) pipeline: u16,
    pub(crate) all_methods: bool,
    pub(crate) queue_max: usize,
    pub(crate) max_requests: Option<u64>,
    pub(crate) temper: Temper,
}

pub(crate) struct Waiter {
    to: Ticket,
    request: Request,
    head: Vec<u8>,
}

pub(crate) struct Link {
    seat: SeatId,
    queue: Queue<Ticket>,
    origin: Origin,
    condemned: Option<Broken>,
    settled: u64,
    /// What is in flight, by its kind.
    wants: VecDeque<Want>,
}

pub(crate) struct World {
    pub(crate) scene: Scene,
    pub(crate) rng: Rng,
    pub(crate) now: u64,
    pub(crate) pool: Pool<u64, Waiter>,
    pub(crate) links: BTreeMap<u64, Link>,
    /// Seats whose links are being connected.
    pub(crate) connecting: Vec<SeatId>,
    pub(crate) clients: Vec<Client>,
    pub(crate) ledger: Ledger,
    pub(crate) refusing: bool,
    /// No link stands and none could be opened: the member is taken for down.
    pub(crate) down: bool,
    opened: u64,
    out: Vec<u8>,
    pub(crate) steps: u64,
    events: VecDeque<String>,
}

pub(crate) const RESPONSE_TIMEOUT: u64 = 40_000_000;
const QUEUE_TIMEOUT: u64 = 25_000_000;
const IDLE_TIMEOUT: u64 = 30_000_000;
const LOOK_AFTER: u64 = 10_000_000;
const EVENTS: usize = 40;

/// Writes down what happens, to be shown if the run fails.
macro_rules! note {
    ($world:expr, $($what:tt)*) => { $world.note(format!($($what)*)) };
}
pub(crate) use note;

impl World {
    pub(crate) fn new(scene: Scene) -> Self {
        let links = Links {
            warm: 0,
            max_per_member: 64.try_into().expect("not 0"),
            pipeline: scene.pipeline.try_into().expect("not 0"),
            pipeline_budget: Duration::from_millis(2),
            pipeline_methods: PipelineMethods::Safe, // the client decides what it wants of a link
            rescue_after: None,
            rescue_budget: 0,
            idle_timeout: Duration::from_nanos(IDLE_TIMEOUT),
            max_age: None,
            max_requests: None,
            connect_timeout: Duration::from_secs(5),
        };
        let queue = WaitQueue { max: scene.queue_max, timeout: Duration::from_nanos(QUEUE_TIMEOUT) };
        Self {
            scene,
            rng: Rng::new(scene.seed),
            now: 1,
            pool: Pool::new(&links, &queue, scene.share, 1),
            links: BTreeMap::new(),
            connecting: Vec::new(),
            clients: (0..scene.clients).map(|_| Client::new(0, 1)).collect(),
            ledger: Ledger::default(),
            refusing: false,
            down: false,
            opened: 0,
            out: Vec::new(),
            steps: 0,
            events: VecDeque::new(),
        }
    }

    /// `Client::begin`: false where it must wait for the exchanges before it.
    pub(crate) fn begin(&mut self, c: usize) -> bool {
        let client = &self.clients[c];
        if !client.may_ask() || (client.in_flight > 0 && client.minor_version == 0) {
            return false;
        }
        let joined = client.link.filter(|_| client.in_flight > 0);
        if joined.is_some_and(|link| !self.has_room(link)) {
            return false;
        }
        let id = client.unread.unwrap_or_else(|| self.ledger.begin(&mut self.rng, client.minor_version));
        let request = self.ledger.request(id, self.scene.all_methods, self.now);
        let client = &mut self.clients[c];
        client.unread = Some(id);
        if joined.is_some() && request.want != Want::Shared {
            return false;
        }
        client.unread = None;
        note!(self, "client {c} asks {id}: {:?} {:?}", request.ask.method, request.want);
        let client = &mut self.clients[c];
        client.asked.push_back(id);
        let head = self.ledger.head(id);
        (client.done, client.resent) = (!request.ask.keep_alive, false);
        client.body = (request.body).then_some((id, 0));
        let to = Ticket { client: c, life: client.life, id };
        match joined {
            Some(link) => self.join(link, to, request, head),
            None => self.submit(to, request, head, Cause::NoMember),
        }
        true
    }

    /// `Client::proceed`: does what had to wait for the exchanges before it.
    pub(crate) fn proceed(&mut self, c: usize) {
        while self.clients[c].is_idle()
            && let Some(next) = self.clients[c].later.pop_front()
        {
            match next {
                Later::Send { id, request, head, cause } => {
                    let to = Ticket { client: c, life: self.clients[c].life, id };
                    self.clients[c].resent = true;
                    self.submit(to, request, head, cause);
                }
                Later::Fail { id, cause } => {
                    note!(self, "exchange {id} fails: {cause:?}");
                    self.clients[c].fail(id, cause, &mut self.ledger);
                }
            }
        }
        let client = &self.clients[c];
        if (client.done || client.draining) && client.asked.is_empty() {
            self.renew(c);
        }
    }

    /// The client sends a part of its request's body.
    pub(crate) fn send_body(&mut self, c: usize) {
        let client = &mut self.clients[c];
        let Some((id, sent)) = client.body else { return };
        if client.waits || !client.later.is_empty() {
            return;
        }
        let body = asked_body(id, self.ledger.of(id).body);
        let data = &body[sent..];
        let data = &data[..self.rng.cut(data.len())];
        let last = sent + data.len() == body.len();
        client.body = (!last).then_some((id, sent + data.len()));
        let Some(at) = client.link else { return };
        let Some(link) = self.links.get_mut(&at) else { return };
        let bypassed = if link.queue.unwritten().is_empty() && self.rng.one_in(2) {
            self.rng.below(data.len() + 1)
        } else {
            0
        };
        let (now, temper) = (self.now, self.scene.temper);
        link.origin.written(&data[..bypassed], now, &temper, &mut self.rng, &mut self.ledger);
        if bypassed == data.len() {
            link.queue.body_bypassed(last, now);
        } else {
            link.queue.extend_body(|out| out.extend_from_slice(&data[bypassed..]), last);
        }
    }

    /// The client goes away, whatever it has asked for.
    pub(crate) fn abort(&mut self, c: usize) {
        let life = self.clients[c].life;
        note!(self, "client {c} goes away, waiting for {:?}", self.clients[c].asked);
        if let Some(link) = self.clients[c].link.and_then(|link| self.links.get_mut(&link))
            && !link.queue.abandon(|to| to.client == c && to.life == life)
        {
            link.condemned.get_or_insert(Broken::Abandoned);
        }
        self.renew(c);
    }

    fn renew(&mut self, c: usize) {
        let minor_version = u8::from(!self.rng.one_in(8));
        self.clients[c].renew(minor_version, &mut self.ledger);
    }

    fn is_present(&self, to: &Ticket) -> bool {
        self.clients[to.client].life == to.life
    }

    /// When the next bytes come from the member.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.links.values().filter_map(|link| link.origin.due()).min()
    }

    /// What must hold at any time.
    pub(crate) fn check(&self) {
        let (used, share) = (self.pool.used(), self.scene.share);
        assert!(used <= share, "{used} links of {share}");
        assert_eq!(used, self.links.len() + self.connecting.len(), "seats and links");
        // Those for whom a link may still be opened wait for it, not for others.
        let own = share - used + self.connecting.len();
        assert!(
            self.pool.waiting() <= self.scene.queue_max + share.max(own),
            "the wait queue is over its limit"
        );
        let stuck = self.pool.waiting() > 0 && used == share && self.connecting.is_empty();
        let idle = self.links.values().find(|l| l.queue.in_flight() == 0 && l.condemned.is_none());
        assert!(!stuck || idle.is_none(), "a link idles while one waits and no other may be opened");
        for (at, link) in &self.links {
            assert_eq!(link.wants.len(), link.queue.in_flight(), "in flight on link {at}");
        }
    }

    pub(crate) fn note(&mut self, event: String) {
        if self.events.len() == EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(format!("{:>7} {:>12} ns  {event}", self.steps, self.now));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("\nPENSTOCK_SEED={:#x}, step {}, {:?}", self.scene.seed, self.steps, self.scene);
            eprintln!("the last events:");
            self.events.iter().for_each(|event| eprintln!("{event}"));
        }
    }
}
