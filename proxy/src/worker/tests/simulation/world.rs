//! One worker, its clients and its members, and what happens to them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::task::AbortOnDropHandle;

use crate::client;
use crate::config::{Address, Framing};
use crate::event_loop::clock;
use crate::frontend::{ClientPermit, Incoming};
use crate::link::{ProbeTask, Proof};
use crate::listener::AnyFrontend;
use crate::mailbox::WorkerHandle;
use crate::metrics::{MemberState, Registry};
use crate::shared::Shared;
use crate::stream::Stream;
use crate::stream::sim::{self, End, Knock, Peer};

use super::Run;
use super::clients::{self, Client};
use super::exchanges::Exchanges;
use super::members::{self, Link};
use super::rng::Rng;
use super::scene::{FIRST_PORT, Scene};
use crate::worker::Worker;

/// Who is at one address of a member.
#[derive(Default)]
struct Place {
    knocks: Vec<Knock>,
    links: Vec<Link>,
    refusing: bool,
    /// It has restarted, and nobody has connected since.
    was_away: bool,
}

/// What members have at hand.
macro_rules! around {
    ($world:expr, $now:expr) => {
        members::Around {
            now: $now,
            temper: $world.scene.temper,
            framing: $world.framing.as_ref(),
            rng: &mut $world.rng,
            exchanges: &mut $world.exchanges,
        }
    };
}

/// What clients have at hand.
macro_rules! with {
    ($world:expr) => {
        clients::Around {
            framing: $world.framing.as_ref(),
            rng: &mut $world.rng,
            exchanges: &mut $world.exchanges,
        }
    };
}

mod counts;
mod scenarios;

pub(super) struct World {
    /// What is spoken; HTTP without it.
    framing: Option<Framing>,
    scene: Scene,
    rng: Rng,
    shared: Arc<Shared>,
    worker: Worker,
    _tasks: [AbortOnDropHandle<()>; 2],
    rung: UnboundedReceiver<Arc<Proof>>,
    tasks: VecDeque<(Arc<Proof>, ProbeTask)>,
    places: Vec<Place>,
    clients: Vec<Client>,
    /// Connections that have ended, for what passed over them.
    past: (Vec<Peer>, Vec<Peer>),
    accepted: u64,
    /// How many members the configuration names now.
    members: usize,
    exchanges: Exchanges,
    steps: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self::of(Scene::new(seed))
    }

    fn of(scene: Scene) -> Self {
        sim::enter();
        let settings = scene.settings(scene.members);
        let framing = settings.listeners[0].framing.as_deref().cloned();
        let (bell, rung) = unbounded_channel();
        let shared = Shared::new(settings, Registry::new(1), vec![WorkerHandle::new().0], bell);
        let mut worker = Worker::new(0, shared.clone());
        let tasks = worker.begin();
        worker.take(&shared.settings());
        let mut world = Self {
            framing,
            rng: Rng::new(scene.seed),
            shared,
            worker,
            _tasks: tasks,
            rung,
            tasks: VecDeque::new(),
            places: (0..scene.members).map(|_| Place::default()).collect(),
            clients: Vec::new(),
            past: (Vec::new(), Vec::new()),
            accepted: 0,
            members: scene.members,
            exchanges: Exchanges::default(),
            steps: 0,
            scene,
        };
        for _ in 0..world.scene.clients {
            let client = world.newcomer();
            world.clients.push(client);
        }
        world
    }

    fn frontend(&self) -> Rc<client::HttpFrontend> {
        match &self.worker.frontends["web"] {
            AnyFrontend::Http(frontend) => frontend.clone(),
            AnyFrontend::Tcp(_) => panic!("the listener speaks HTTP"),
        }
    }

    fn newcomer(&mut self) -> Client {
        let source = 1 + self.rng.below(20) as u8;
        self.newcomer_from(source)
    }

    fn newcomer_from(&mut self, source: u8) -> Client {
        let frontend = self.frontend();
        let (socket, peer) = sim::pair(self.scene.room);
        let permit = ClientPermit::new(&self.shared.workers[0].load, &frontend.open);
        let source = SocketAddr::from(([127, 0, 0, source], 9));
        client::Client::admit(
            &frontend,
            Incoming { stream: Stream::Sim(socket), source, proxy_info: None, permit, link: None },
        );
        self.accepted += 1;
        let minor_version = u8::from(!self.rng.one_in(8) || self.framing.is_some());
        Client::new(peer, minor_version)
    }

    fn now(&self) -> u64 {
        crate::event_loop::nanos(clock().saturating_duration_since(self.worker.event_loop.started()))
    }

    /// One thing happens, chosen by the seed; then everybody whom it concerns has a turn.
    pub(super) async fn step(&mut self) {
        self.steps += 1;
        self.exchanges.trace.step = self.steps;
        let stormy = !self.scene.is_calm();
        let c = self.rng.below(self.clients.len());
        match self.rng.below(100) {
            0..14 => self.ask(c),
            14..30 => self.clients[c].send(&mut with!(self)),
            30..46 => self.read(c),
            46..62 => self.on_link(false),
            62..78 => self.on_link(true),
            78..82 => self.answer_knock(),
            82..90 => return self.pass_time().await,
            90 => self.clients[c].stalled = self.rng.one_in(3),
            91 if self.rng.one_in(6) => self.clients[c].finish(&mut self.exchanges),
            92 if self.rng.one_in(6) => self.leave(c),
            93 if stormy && self.rng.one_in(6) => self.break_off(),
            94 if stormy && self.rng.one_in(6) => self.say_unasked(),
            95 if self.scene.refuses && self.rng.one_in(6) => self.restart(),
            96 if self.rng.one_in(20) => self.reload(),
            97 if self.scene.refuses => self.places.iter_mut().for_each(|place| place.refusing = false),
            _ => {}
        }
        let pause = self.rng.range(0, 2_000);
        self.turn(pause).await;
    }

    /// Everybody who is ready does what is to be done, a little later.
    pub(super) async fn turn(&mut self, pause: u64) {
        tokio::time::advance(Duration::from_nanos(pause)).await;
        // Those whom a timer has woken have their turn after all others.
        tokio::task::yield_now().await;
        for knock in sim::knocks() {
            let Address::Ip(to) = &knock.to else { panic!("members have IP addresses") };
            self.places[usize::from(to.port() - FIRST_PORT)].knocks.push(knock);
        }
        self.attend();
        self.check();
    }

    /// What the prober does: here each probe is passed.
    fn attend(&mut self) {
        while let Ok(proof) = self.rung.try_recv() {
            let task = proof.next_task(clock());
            self.tasks.extend(task.map(|task| (proof, task)));
        }
        for _ in 0..self.tasks.len() {
            let Some((proof, task)) = self.tasks.pop_front() else { break };
            if task.due > clock() {
                self.tasks.push_back((proof, task));
                continue;
            }
            proof.conclude(&task, Ok(()), clock());
            let next = proof.next_task(clock());
            self.tasks.extend(next.map(|task| (proof, task)));
        }
    }

    /// What must hold at any time.
    fn check(&mut self) {
        for place in &mut self.places {
            place.links.iter_mut().for_each(Link::check);
            let standing = place.links.iter().filter(|link| !link.is_over() && !link.is_tunnel()).count();
            let coming = place.knocks.iter().filter(|knock| knock.is_awaited()).count();
            let cap = self.scene.cap;
            assert!(standing + coming <= cap, "{standing} and {coming} links of {cap}");
        }
        let waiting = self.shared.registry.backend(0, "app").waiting.get();
        let most = self.scene.members * (self.scene.queue_max + self.scene.cap);
        assert!((0..=most as i64).contains(&waiting), "{waiting} wait, of {most}");
    }

    fn ask(&mut self, c: usize) {
        let count = self.rng.pick(&[1, 1, 2, 6]);
        for i in 0..count {
            let c = (c + i) % self.clients.len();
            self.clients[c].ask(false, &mut with!(self));
            if self.rng.one_in(2) {
                self.clients[c].send(&mut with!(self));
            }
        }
    }

    fn read(&mut self, c: usize) {
        let client = &mut self.clients[c];
        if !client.stalled && !client.read(&mut with!(self)) {
            self.renew(c);
        }
    }

    /// The client has gone; another comes in its place.
    fn renew(&mut self, c: usize) {
        self.clients[c].close(&mut self.exchanges);
        let next = self.newcomer();
        let old = std::mem::replace(&mut self.clients[c], next);
        self.past.0.push(old.peer);
    }

    fn leave(&mut self, c: usize) {
        self.exchanges.count("left");
        if self.rng.one_in(2) {
            self.clients[c].peer.reset();
        }
        self.renew(c);
    }

    /// Something happens at the other end of a link: as a rule of one at which there is something to be done.
    fn on_link(&mut self, speaks: bool) {
        let (now, any) = (self.now(), self.rng.one_in(8));
        let fit = |link: &Link| match speaks {
            true => link.due().is_some_and(|due| due <= now),
            false => link.peer.waiting() > 0,
        };
        let links = self.places.iter_mut().flat_map(|place| &mut place.links);
        let mut links: Vec<_> = links.filter(|link| any || fit(link)).collect();
        if links.is_empty() {
            return;
        }
        let at = self.rng.below(links.len());
        let what = if speaks { "says something: link" } else { "reads something: link" };
        self.exchanges.trace.note(what, at as u64);
        match speaks {
            true => {
                links[at].say(&mut around!(self, now));
                if links[at].expects_no_more() {
                    self.exchanges.count("said that it closes");
                }
            }
            false => links[at].hear(&mut around!(self, now)),
        }
        self.bury();
    }

    fn bury(&mut self) {
        for place in &mut self.places {
            for link in place.links.extract_if(.., |link| link.is_over()) {
                link.check_tunnel_end(&self.exchanges);
                self.past.1.push(link.peer);
            }
        }
    }

    fn answer_knock(&mut self) {
        let i = self.rng.below(self.places.len());
        let place = &mut self.places[i];
        if place.knocks.is_empty() {
            return;
        }
        let knock = place.knocks.remove(self.rng.below(place.knocks.len()));
        if !knock.is_awaited() {
            return self.exchanges.count("connect timeout");
        }
        if place.refusing {
            self.exchanges.count("connect refused");
            return knock.refuse();
        }
        self.exchanges.count("connected");
        if std::mem::take(&mut place.was_away) {
            self.exchanges.count("came back");
        }
        place.links.push(Link::new(knock.accept(self.scene.room), self.scene.room));
    }

    /// As a rule to when something comes; now and then past a timeout.
    async fn pass_time(&mut self) {
        let now = self.now();
        let due = self.places.iter().flat_map(|place| &place.links).filter_map(Link::due).min();
        let far = !self.scene.is_calm() || self.clients.iter().all(Client::is_content);
        let pause = match self.rng.below(200) {
            0 if far => 250_000_000,
            1..10 if far => self.rng.range(0, 8_000_000),
            _ => due.map_or(0, |due| due.saturating_sub(now)).min(8_000_000),
        };
        self.wait(pause).await;
    }

    /// Time passes in small steps: a worker that finds it has passed at once takes it that it stood still.
    async fn wait(&mut self, pause: u64) {
        let mut left = pause;
        while left > 0 {
            let part = left.min(20_000_000);
            left -= part;
            self.turn(part).await;
        }
        self.turn(0).await;
    }

    fn break_off(&mut self) {
        let mut links: Vec<_> = self.places.iter_mut().flat_map(|place| &mut place.links).collect();
        if !links.is_empty() {
            let at = self.rng.below(links.len());
            links[at].break_off(&mut self.rng);
            self.exchanges.count("broken off");
        }
    }

    fn say_unasked(&mut self) {
        let links: Vec<_> = self.places.iter_mut().flat_map(|place| &mut place.links).collect();
        if !links.is_empty() {
            let at = self.rng.below(links.len());
            if links[at].say_unasked() {
                self.exchanges.count("said unasked");
            }
        }
    }

    /// A member restarts: all its links end at once, and for a moment it accepts none.
    fn restart(&mut self) {
        let i = self.rng.below(self.places.len());
        (self.places[i].refusing, self.places[i].was_away) = (true, true);
        let now = self.now();
        let mut around = around!(self, now);
        self.places[i].links.iter_mut().for_each(|link| link.die(&mut around));
        self.exchanges.count("restarted");
    }

    /// The configuration is read anew: members may come and go.
    fn reload(&mut self) {
        // One comes or goes at a time.
        let members = match self.rng.one_in(2) {
            true => (self.members + 1).min(self.scene.members),
            false => (self.members - 1).max(1),
        };
        self.members = members;
        self.scene.queue_max = self.rng.pick(&[8, 100, 1000]).max(self.scene.queue_max);
        self.shared.change(self.scene.settings(members));
        let settings = self.shared.settings();
        self.worker.take(&settings);
        self.exchanges.count("reloaded");
    }

    /// Nobody asks for more, members behave: all that was begun must end.
    pub(super) async fn come_to_rest(&mut self) {
        self.scene.temper.faults = 0;
        self.places.iter_mut().for_each(|place| place.refusing = false);
        let mut rounds = 0;
        while !self.clients.iter().all(Client::is_content) {
            rounds += 1;
            let open = self.clients.iter().filter(|client| !client.is_content()).count();
            assert!(rounds < 20_000, "{open} clients wait for ever");
            self.round().await;
        }
        self.all_come_back().await;
    }

    /// Whoever was away is found to be back.
    async fn all_come_back(&mut self) {
        for _ in 0..200 {
            let down = (0..self.members).filter(|i| self.is_down(*i)).count();
            if down == 0 {
                return;
            }
            for _ in 0..self.scene.members * self.scene.cap {
                self.answer_knock();
            }
            self.wait(20_000_000).await;
        }
        panic!("a member is taken for down for ever");
    }

    fn is_down(&self, i: usize) -> bool {
        let member = self.shared.registry.member(0, "app", &format!("m{i}"));
        member.state[MemberState::Down].get() > 0
    }

    async fn round(&mut self) {
        self.steps += 1;
        for c in 0..self.clients.len() {
            self.clients[c].stalled = false;
            self.clients[c].send(&mut with!(self));
            if self.clients[c].is_talking() {
                self.clients[c].ask(true, &mut with!(self));
            }
            if self.clients[c].has_link() {
                self.leave(c); // nobody talks for ever
            }
            if self.clients[c].is_in_tunnel() {
                self.clients[c].finish(&mut self.exchanges);
            }
            self.read(c);
        }
        let now = self.now();
        for link in self.places.iter_mut().flat_map(|place| &mut place.links) {
            link.hear(&mut around!(self, now));
            link.say(&mut around!(self, now));
        }
        self.bury();
        for _ in 0..self.scene.members * self.scene.cap {
            self.answer_knock();
        }
        let due = self.places.iter().flat_map(|place| &place.links).filter_map(Link::due).min();
        let pause = due.map_or(100_000, |due| due.saturating_sub(now).clamp(1_000, 1_000_000));
        self.turn(pause).await;
    }

    /// The worker drains: afterwards nothing is left, and every count is that of the other ends.
    pub(super) async fn end(mut self) -> Run {
        self.drain().await;
        for _ in 0..2_000 {
            for client in &mut self.clients {
                client.peer.take(usize::MAX);
                client.close(&mut self.exchanges);
            }
            let now = self.now();
            for link in self.places.iter_mut().flat_map(|place| &mut place.links) {
                link.hear(&mut around!(self, now));
                link.say(&mut around!(self, now));
            }
            self.bury();
            self.wait(1_000_000).await;
            let knocks: Vec<_> = self.places.iter_mut().flat_map(|place| place.knocks.drain(..)).collect();
            knocks.into_iter().for_each(Knock::refuse);
            self.turn(0).await;
            if self.is_over() {
                break;
            }
        }
        self.count();
        sim::leave();
        let mut counts = self.counted();
        counts.extend(self.exchanges.counts.iter().map(|(what, count)| ((*what).to_owned(), *count)));
        Run { steps: self.steps, counts, digest: self.exchanges.trace.digest }
    }

    /// Whoever awaits nothing is sent away by a worker that drains.
    async fn drain(&mut self) {
        self.worker.event_loop.drain();
        for _ in 0..5 {
            self.turn(1_000_000).await;
        }
        for client in &self.clients {
            let stays = client.is_content() && client.peer.proxy_end() == End::Open;
            assert!(!stays || client.peer.has_ended(), "an idle client stays with a worker that drains");
        }
    }

    fn is_over(&self) -> bool {
        let links = self.places.iter().all(|place| place.links.is_empty());
        links && self.worker.cells.connections.get() == 0
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (seed, steps) = (self.scene.seed, self.steps);
            let before = seed.wrapping_sub(super::SEED).saturating_mul(super::STEPS);
            println!("\nPENSTOCK_SEED={seed:#x}, step {steps}, {:?}", self.scene);
            println!("so many steps of seeds before it: {before}; its last events:");
            self.exchanges.trace.print();
            let metrics = self.shared.registry.render();
            let counted = metrics.lines().filter(|line| line.contains("_total{") && !line.ends_with(" 0"));
            counted.for_each(|line| println!("  {line}"));
        }
    }
}
