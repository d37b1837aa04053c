//! One worker with one member in virtual time: its clients in `asking` and `talking`, its links in the others.
//!
//! It panics where a promise is broken, with the seed and the last events.

mod asking;
mod due;
mod life;
mod links;
mod member;
mod reading;
mod talking;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use penstock::config::{Links, PerSource, PipelineMethods, QueueLimits, Vouched};
use penstock::link::{Consent, DepthLimit, Exchange, LinkEnd, LinkId, Queue, Scheduler, Sharing};

use crate::client::{Client, Ticket};
use crate::ledger::Ledger;
use crate::origin::{Around, Origin};
use crate::retry_budget::RetryBudget;
use crate::rng::Rng;
use crate::scene::Scene;

pub(crate) struct Waiter {
    to: Ticket,
    request: Exchange,
    head: Vec<u8>,
}

/// What the queue of a link should know of an exchange.
struct Place {
    /// Who awaits it; `None` once nobody does.
    to: Option<Ticket>,
    id: u64,
    sharing: Sharing,
    /// Bytes of its answer that were handed over.
    received: u64,
}

pub(crate) struct Link {
    link_id: LinkId,
    queue: Queue<Ticket>,
    origin: Origin,
    condemned: Option<LinkEnd>,
    /// It has ended, and waits until then for the member to close.
    parting: Option<u64>,
    settled: u64,
    places: VecDeque<Place>,
    /// It takes no more until it is empty.
    held: bool,
    rescued: bool,
    /// Bytes of the answer at its head that nobody awaited.
    wasted: usize,
}

impl Link {
    pub(crate) fn has_to_write(&self) -> bool {
        !self.queue.unwritten().is_empty()
    }

    pub(crate) fn has_to_read(&self, now: u64) -> bool {
        self.condemned.is_some() || self.origin.due().is_some_and(|due| due <= now)
    }
}

pub(crate) struct World {
    pub(crate) scene: Scene,
    pub(crate) rng: Rng,
    pub(crate) now: u64,
    pub(crate) pool: Scheduler<u64, Waiter>,
    pub(crate) links: BTreeMap<u64, Link>,
    /// Entries whose links are being connected.
    pub(crate) connecting: Vec<LinkId>,
    pub(crate) clients: Vec<Client>,
    pub(crate) ledger: Ledger,
    pub(crate) refusing: bool,
    /// No link stands and none could be opened: the member is taken for down.
    pub(crate) down: bool,
    budget: RetryBudget,
    /// When those behind a head are to be looked after.
    rescue_at: u64,
    broken: bool,
    /// When the member last closed a link amid a pipeline.
    offended: u64,
    opened: u64,
    out: Vec<u8>,
    pub(crate) steps: u64,
    /// Notes are taken only where they will be read.
    pub(crate) notes: bool,
    events: VecDeque<String>,
}

const EVENTS: usize = 60;
/// Requests that may be sent twice at once (`link/pool/retry_budget.rs`).
const BURST: u64 = 128;
/// Who broke the rules has another chance after so long (`link/pool/proof.rs`).
pub(crate) const PAUSE: u64 = 1_000_000_000;

/// Writes down what happens, to be shown if the run fails.
macro_rules! note {
    ($world:expr, $($what:tt)*) => { if $world.notes { $world.note(format!($($what)*)) } };
}
pub(crate) use note;

/// What the origin of a link has at hand.
macro_rules! around {
    ($world:expr, $link:expr) => {
        Around {
            scene: &$world.scene,
            rng: &mut $world.rng,
            ledger: &mut $world.ledger,
            now: $world.now,
            last: $link.places.back().map(|place| place.id),
        }
    };
}
use around;

impl World {
    pub(crate) fn new(scene: Scene, notes: bool) -> Self {
        let links = Links {
            min_rate: None,
            warm: 0,
            max_per_member: 64.try_into().expect("not 0"),
            max_tunnels: 1024,
            pipeline: scene.pipeline.try_into().expect("not 0"),
            vouched: Vouched::ByWord,
            pipeline_budget: Duration::from_millis(2),
            pipeline_methods: PipelineMethods::Safe, // the client decides what it wants of a link
            rescue_after: scene.rescue_after.map(Duration::from_millis),
            rescue_budget: scene.rescue_budget,
            max_per_source: PerSource::Quarter,
            evict_idle: None,
            idle_timeout: Duration::from_nanos(due::IDLE_TIMEOUT),
            max_age: None,
            max_requests: None,
            connect_timeout: Duration::from_secs(5),
        };
        let queue = QueueLimits { max: scene.queue_max, timeout: Duration::from_nanos(due::QUEUE_TIMEOUT) };
        Self {
            rng: Rng::new(scene.seed),
            now: 1,
            pool: Scheduler::new(&links, &queue, scene.share, 1),
            links: BTreeMap::new(),
            connecting: Vec::new(),
            clients: (0..scene.clients).map(|_| Client::new(0, 1)).collect(),
            ledger: Ledger::default(),
            refusing: false,
            down: false,
            budget: RetryBudget::new(scene.rescue_budget),
            rescue_at: u64::MAX,
            broken: false,
            offended: 0,
            opened: 0,
            out: Vec::new(),
            steps: 0,
            notes,
            events: VecDeque::new(),
            scene,
        }
    }

    fn is_present(&self, to: &Ticket) -> bool {
        self.clients[to.client].life == to.life
    }

    /// When the next bytes come from the member, or those behind a slow head are to be looked after.
    pub(crate) fn next_due(&self) -> Option<u64> {
        let rescue = (self.rescue_at != u64::MAX).then_some(self.rescue_at);
        self.links.values().filter_map(|link| link.origin.due()).chain(rescue).min()
    }

    /// What must hold at any time.
    pub(crate) fn check(&mut self) {
        let (used, share) = (self.pool.used(), self.scene.share);
        assert!(used <= share, "{used} links of {share}");
        assert_eq!(used, self.links.len() + self.connecting.len(), "entries and links");
        // Those for whom a link may still be opened wait for it, not for others.
        let own = share - used + self.connecting.len();
        assert!(
            self.pool.waiting() <= self.scene.queue_max + share.max(own),
            "the wait queue is over its limit"
        );
        let stuck = self.pool.waiting() > 0 && used == share && self.connecting.is_empty();
        let stands = |link: &&Link| link.condemned.is_none() && link.parting.is_none();
        let idle = self.links.values().filter(stands).find(|link| link.queue.in_flight() == 0);
        assert!(!stuck || idle.is_none(), "a link idles while one waits and no other may be opened");
        for (at, link) in &self.links {
            assert_eq!(link.places.len(), link.queue.in_flight(), "in flight on link {at}");
        }
        self.check_depth();
        self.check_budget();
    }

    fn check_depth(&mut self) {
        if self.broken && self.now - self.offended >= PAUSE {
            self.pool.depth.consent(Consent::Given);
        }
        let (limit, reason) = (self.pool.depth.limit(), self.pool.depth.reason());
        assert!((1..=self.scene.pipeline).contains(&limit), "depth {limit} of {}", self.scene.pipeline);
        let broken = reason == DepthLimit::Broken;
        assert!(!broken || limit == 1, "depth {limit} for one that broke the rules");
        let forgiven = self.broken && !broken;
        assert!(!forgiven || self.now - self.offended >= PAUSE, "it broke the rules just now");
        if broken != self.broken {
            self.broken = broken;
            self.ledger.count(if broken { "broke the rules" } else { "forgiven" });
        }
    }

    fn check_budget(&self) {
        let (sent, rescued) = (self.ledger.sent, self.ledger.rescued);
        let percent = u64::from(self.scene.rescue_budget);
        let saved = if percent == 0 { 0 } else { BURST * 100 };
        assert!(rescued * 100 <= saved + sent * percent, "{rescued} of {sent} were rescued");
        assert!(rescued == 0 || self.scene.rescue_after.is_some(), "rescue is off");
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
        if std::thread::panicking() && self.notes {
            eprintln!("\nPENSTOCK_SEED={:#x}, step {}, {:?}", self.scene.seed, self.steps, self.scene);
            eprintln!("the last events:");
            self.events.iter().for_each(|event| eprintln!("{event}"));
        }
    }
}
