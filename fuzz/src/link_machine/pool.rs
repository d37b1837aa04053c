//! The pool of links to one member: each request gets one place, alone where it must be, and no link too many stands.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU16;
use std::time::Duration;

use penstock::config::{Links, PerSource, PipelineMethods, QueueLimits, Vouched};
use penstock::link::{Acquired, Consent, LinkId, Scheduler, Sharing};

use super::super::input::Input;

/// A link that stands.
struct Line {
    name: u32,
    carries: VecDeque<Sharing>,
    answered: bool,
    barred: bool,
    held: bool,
    /// Its client keeps it between two exchanges.
    kept: bool,
}

struct World {
    scheduler: Scheduler<u32, (u32, Sharing)>,
    share: usize,
    queue_max: usize,
    connecting: BTreeSet<LinkId>,
    lines: BTreeMap<LinkId, Line>,
    waiting: BTreeMap<u32, Sharing>,
    /// Those who wait and have gone away.
    gone: BTreeSet<u32>,
    named: u32,
    now: u64,
}

const WANTS: [Sharing; 8] = [
    Sharing::Shared,
    Sharing::Alone,
    Sharing::Fresh,
    Sharing::Own,
    Sharing::Shared,
    Sharing::Shared,
    Sharing::Shared,
    Sharing::Shared,
];

/// Does all that the input says.
pub(super) fn run(input: &mut Input<'_>) {
    let (share, depth, queue_max) =
        (1 + input.below(4), input.pick([8, 32, 1, 2]), input.pick([16, 0, 2, 64]));
    let (links, queue) = (links(depth), QueueLimits { max: queue_max, timeout: Duration::from_secs(1) });
    let mut world = World {
        scheduler: Scheduler::new(&links, &queue, share, 1),
        share,
        queue_max,
        connecting: BTreeSet::new(),
        lines: BTreeMap::new(),
        waiting: BTreeMap::new(),
        gone: BTreeSet::new(),
        named: 0,
        now: 1,
    };
    while !input.is_empty() {
        world.act(input);
        world.check();
    }
}

fn links(depth: u16) -> Links {
    Links {
        min_rate: None,
        warm: 0,
        max_per_member: Links::NO_CAP,
        max_tunnels: 8,
        pipeline: NonZeroU16::new(depth).expect("not 0"),
        vouched: Vouched::ByWord,
        pipeline_budget: Duration::from_millis(2),
        pipeline_methods: PipelineMethods::Safe,
        rescue_after: Some(Duration::from_millis(20)),
        rescue_budget: 10,
        max_per_source: PerSource::Quarter,
        evict_idle: None,
        idle_timeout: Duration::from_secs(1),
        max_age: None,
        max_requests: None,
        connect_timeout: Duration::from_secs(5),
    }
}

impl World {
    fn act(&mut self, input: &mut Input<'_>) {
        self.now += 1;
        match input.below(16) {
            0..3 => self.ask(input.pick(WANTS)),
            3 | 4 => self.connect(input.below(8), input.flag()),
            5..8 => self.answer(input.below(8), input.below(8)),
            8 => self.scheduler.turn_ended(),
            9 => self.end(input.below(8)),
            10 => self.bar(input.below(8), input.flag()),
            11 => self.leave(input.below(8)),
            12 => self.now += 1 << input.below(40),
            13 => self.configure(1 + input.below(4)),
            14 => self.join(input.below(8)),
            _ => self.odd(input.below(6)),
        }
        self.open();
    }

    fn odd(&mut self, what: usize) {
        match what {
            0 => self.scheduler.depth.consent(Consent::Given),
            1 => self.scheduler.depth.consent(Consent::Withdrawn),
            2 => {
                if let Some(link_id) = self.scheduler.claim() {
                    assert!(self.connecting.insert(link_id));
                }
            }
            3 => {
                let old = self.scheduler.give_up_waiting(self.now.saturating_sub(1000));
                old.into_iter().for_each(|(name, sharing)| self.leaves(name, sharing));
            }
            _ => {
                let kept = self.nth_line(what, |line| line.carries.front() == Some(&Sharing::Own));
                if let Some(link_id) = kept {
                    self.scheduler.keep(link_id);
                    self.line(link_id).kept = true;
                }
            }
        }
    }

    /// `Pool::submit`.
    fn ask(&mut self, sharing: Sharing) {
        if let Some((link_id, name, how)) = self.scheduler.place(sharing) {
            return self.put(link_id, name, sharing, how);
        }
        self.named += 1;
        let coming = (self.share + self.connecting.len()).saturating_sub(self.scheduler.used());
        let full = self.scheduler.waiting() >= self.queue_max + coming;
        let who = (self.named, sharing);
        match self.scheduler.wait(sharing, who, self.now) {
            Ok(()) => {
                assert!(!full, "the wait queue is over its limit");
                self.waiting.insert(self.named, sharing);
            }
            Err(back) => assert!(full && back == who, "{back:?} is turned away"),
        }
    }

    /// A request comes on a link that can take it.
    fn put(&mut self, link_id: LinkId, name: u32, sharing: Sharing, how: Acquired) {
        let depth = usize::from(self.scheduler.depth.limit());
        let line = self.line(link_id);
        assert_eq!(line.name, name, "another link has that entry");
        assert!(!line.barred && !line.kept, "{name} takes no more");
        if how == Acquired::Pipelined {
            assert!(line.answered && !line.held, "{name} takes none behind another");
            assert!(
                sharing == Sharing::Shared && line.carries.iter().all(|w| *w == Sharing::Shared),
                "alone on {name}"
            );
            assert!(line.carries.len() < depth, "{} on {name} at depth {depth}", line.carries.len());
        } else {
            assert!(line.carries.is_empty(), "{name} carries {:?}", line.carries);
            assert_eq!(how == Acquired::Reused, line.answered);
        }
        line.carries.push_back(sharing);
    }

    fn open(&mut self) {
        while let Some(link_id) = self.scheduler.open(self.now) {
            assert!(
                self.connecting.insert(link_id) && !self.lines.contains_key(&link_id),
                "link_id {link_id} is taken"
            );
        }
    }

    fn connect(&mut self, nth: usize, works: bool) {
        let Some(link_id) = self.connecting.iter().nth(nth).copied() else { return };
        self.connecting.remove(&link_id);
        if !works {
            self.scheduler.not_connected(link_id, self.now);
            return self.use_idle();
        }
        self.named += 1;
        let carries = VecDeque::new();
        let line =
            Line { name: self.named, carries, answered: false, barred: false, held: false, kept: false };
        self.lines.insert(link_id, line);
        self.scheduler.connected(link_id, self.named, self.now);
        self.dispatch(link_id);
        self.use_idle();
    }

    /// `Pool::use_idle`.
    fn use_idle(&mut self) {
        while let Some(name) = self.scheduler.idle_for_waiting() {
            let (link_id, line) = self.lines.iter().find(|(_, line)| line.name == name).expect("it stands");
            assert!(line.carries.is_empty(), "{name} is not idle");
            let (link_id, waited) = (*link_id, self.scheduler.waiting());
            self.dispatch(link_id);
            assert!(self.scheduler.waiting() < waited, "{name} was to take one who waits");
        }
    }

    /// `Pool::dispatch`.
    fn dispatch(&mut self, link_id: LinkId) {
        loop {
            let before = self.scheduler.waiting();
            let gone = &self.gone;
            let Some(((who, sharing), since, how)) =
                self.scheduler.next_for(link_id, |(who, _), _| !gone.contains(who))
            else {
                self.forget_gone();
                return;
            };
            assert!(since <= self.now && self.scheduler.waiting() < before);
            assert!(!self.gone.contains(&who), "{who} is gone");
            assert_eq!(self.waiting.remove(&who), Some(sharing), "{who} did not wait");
            let name = self.line(link_id).name;
            self.put(link_id, name, sharing, how);
        }
    }

    /// Those who are gone are passed over whenever it is their turn; who of them still waits is asked here.
    fn forget_gone(&mut self) {
        let mut left = BTreeSet::new();
        let none = self.scheduler.remove_waiting(|(who, _)| {
            left.insert(*who);
            false
        });
        assert!(none.is_empty());
        let (gone, waiting) = (&mut self.gone, &mut self.waiting);
        gone.retain(|who| left.contains(who) || waiting.remove(who).is_none());
        assert!(left.iter().eq(waiting.keys()), "{left:?} wait, of {:?}", waiting.keys());
    }

    /// Some answers end; `Pool::answered`.
    fn answer(&mut self, nth: usize, count: usize) {
        let Some(link_id) = self.nth_line(nth, |line| !line.carries.is_empty()) else { return };
        let (now, line) = (self.now, self.line(link_id));
        let count = line.carries.len().min(count + 1);
        line.carries.drain(..count);
        line.answered = true;
        line.held &= !line.carries.is_empty();
        let (left, barred) = (line.carries.len(), line.barred);
        self.scheduler.depth.observe(&vec![0; count], false, 1000 * count as u64, now);
        self.scheduler.settle(link_id, left, now);
        if barred && left == 0 {
            return self.close(link_id);
        }
        self.dispatch(link_id);
    }

    fn bar(&mut self, nth: usize, for_good: bool) {
        let Some(link_id) = self.nth_line(nth, |_| true) else { return };
        if for_good {
            self.scheduler.close_to_new(link_id);
            self.line(link_id).barred = true;
            return;
        }
        self.scheduler.hold(link_id);
        let line = self.line(link_id);
        line.held |= !line.carries.is_empty() && !line.barred;
    }

    fn end(&mut self, nth: usize) {
        if let Some(link_id) = self.nth_line(nth, |_| true) {
            self.close(link_id);
        }
    }

    fn close(&mut self, link_id: LinkId) {
        self.lines.remove(&link_id);
        self.scheduler.closed(link_id);
        self.open();
        self.use_idle();
    }

    /// One who waits goes away, and nobody says so.
    fn leave(&mut self, nth: usize) {
        self.gone.extend(self.waiting.keys().nth(nth).copied());
    }

    fn leaves(&mut self, who: u32, sharing: Sharing) {
        assert_eq!(self.waiting.remove(&who), Some(sharing), "{who} did not wait");
        self.gone.remove(&who);
    }

    /// A client's second request goes where its first is.
    fn join(&mut self, nth: usize) {
        let shared = |line: &Line| line.carries.front() == Some(&Sharing::Shared) && !line.barred;
        let Some(link_id) = self.nth_line(nth, shared) else { return };
        if self.scheduler.has_room(link_id) {
            self.scheduler.join(link_id);
            let name = self.line(link_id).name;
            self.put(link_id, name, Sharing::Shared, Acquired::Pipelined);
        }
    }

    fn configure(&mut self, share: usize) {
        let queue = QueueLimits { max: self.queue_max, timeout: Duration::from_secs(1) };
        self.scheduler.configure(&links(8), &queue, share);
        self.share = share;
    }

    fn nth_line(&self, nth: usize, fits: impl Fn(&Line) -> bool) -> Option<LinkId> {
        self.lines.iter().filter(|(_, line)| fits(line)).nth(nth).map(|(link_id, _)| *link_id)
    }

    fn line(&mut self, link_id: LinkId) -> &mut Line {
        self.lines.get_mut(&link_id).expect("a link stands there")
    }

    /// What holds at any time.
    fn check(&mut self) {
        self.forget_gone();
        assert_eq!(self.scheduler.waiting(), self.waiting.len(), "who waits");
        assert_eq!(self.scheduler.used(), self.connecting.len() + self.lines.len(), "entries");
        assert_eq!(self.scheduler.links().count(), self.lines.len(), "links");
        let idle: BTreeSet<u32> = self.scheduler.idle_since(u64::MAX).into_iter().collect();
        let unused = |line: &&Line| line.carries.is_empty() && !line.barred && !line.kept;
        let due: BTreeSet<u32> = self.lines.values().filter(unused).map(|line| line.name).collect();
        assert_eq!(idle, due, "idle links");
        assert_eq!(self.scheduler.busy(), self.lines.len() - due.len(), "busy links");
        assert!(
            self.scheduler.surplus().len() <= self.scheduler.used().saturating_sub(self.share),
            "too many close"
        );
        assert_eq!(self.scheduler.oldest_waiting().is_some(), !self.waiting.is_empty());
    }
}
