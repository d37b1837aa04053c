//! Worlds in which one thing is looked at, and what happens there at once.

use super::super::members;
use super::super::scene::Scene;
use super::{Link, World, clients};

/// So often clients ask who ask whenever they may, in ns; of a slow member, a few times while it answers once.
const TURN: u64 = 200_000;

impl World {
    pub(in super::super) fn tame() -> Self {
        Self::of(Scene::tame())
    }

    /// The first client asks for something small and gets it, each time all at once.
    pub(in super::super) async fn exchange(&mut self) {
        let client = &mut self.clients[0];
        client.ask_plainly(&mut self.exchanges);
        self.turn(0).await;
        self.answer_knock();
        self.turn(0).await;
        let now = self.now();
        for link in self.places.iter_mut().flat_map(|place| &mut place.links) {
            while link.peer.waiting() > 0 {
                link.hear(&mut around!(self, now));
            }
        }
        self.turn(self.scene.temper.pace + 1).await;
        let now = self.now();
        for link in self.places.iter_mut().flat_map(|place| &mut place.links) {
            while link.due().is_some() {
                link.say(&mut around!(self, now));
            }
        }
        self.turn(0).await;
        while self.clients[0].peer.waiting() > 0 {
            self.read(0);
        }
        assert!(self.clients[0].is_content(), "it is answered");
    }

    /// Eight clients of one source, behind them eight of another, and one link, which carries one request at a time.
    pub(in super::super) fn of_two_sources() -> Self {
        let speaks = "protocol: lines\n    framing: { max_length: 4KiB }".to_owned();
        let mut world = Self::of(Scene { clients: 0, queue_max: 1000, speaks, ..Scene::tame() });
        for source in [1; 8].into_iter().chain([2; 8]) {
            let client = world.newcomer_from(source);
            world.clients.push(client);
        }
        world
    }

    /// 16 clients who speak in lines, and one member with few links.
    pub(in super::super) fn of_lines(pipeline: u16) -> Self {
        let speaks = "protocol: lines\n    framing: { max_length: 4KiB }".to_owned();
        Self::of(Scene { clients: 16, cap: 2, pipeline, queue_max: 1000, speaks, ..Scene::tame() })
    }

    /// 16 clients who speak in lines that may be repeated; whoever is behind a slow answer is rescued.
    pub(in super::super) fn of_repeatable_lines() -> Self {
        let speaks = "protocol: lines\n    framing: { max_length: 4KiB, repeatable: true }".to_owned();
        let (rescue, rescue_budget) = ("2ms", "100%");
        let lines = Scene { clients: 16, cap: 4, pipeline: 32, queue_max: 1000, speaks, ..Scene::tame() };
        Self::of(Scene { rescue, rescue_budget, ..lines })
    }

    /// 16 clients of Redis, and one member that takes long for one of its commands.
    pub(in super::super) fn of_redis(pace: u64, slow: u64) -> Self {
        let tame = Scene::tame();
        let temper = members::Temper { pace, slow, ..tame.temper };
        let speaks = "protocol: resp\n    framing: { max_length: 4KiB }".to_owned();
        Self::of(Scene { clients: 16, cap: 4, pipeline: 32, queue_max: 1000, speaks, temper, ..tame })
    }

    /// 16 clients of HTTP, and one member with one link.
    pub(in super::super) fn of_http() -> Self {
        let tame = Scene::tame();
        let temper = members::Temper { pace: 6_000, ..tame.temper };
        Self::of(Scene { clients: 16, pipeline: 32, queue_max: 1000, temper, ..tame })
    }

    /// So many clients ask. With the head of the first answer the member says that it is the last one of the link; its content is
    /// still to come.
    pub(in super::super) async fn tell_the_last(&mut self, askers: usize) {
        for client in &mut self.clients[..askers] {
            client.ask_plainly(&mut self.exchanges);
        }
        self.turn(0).await;
        self.scene.temper.closes = true;
        let now = self.now();
        for link in self.places.iter_mut().flat_map(|place| &mut place.links) {
            while link.peer.waiting() > 0 {
                link.hear(&mut around!(self, now));
            }
        }
        self.scene.temper.closes = false;
        self.turn(self.scene.temper.pace + 1).await;
        let now = self.now();
        let link = &mut self.places[0].links[0];
        while link.to_say() > 1 {
            link.say(&mut around!(self, now));
        }
        assert!(link.expects_no_more(), "the head of the last answer has gone to the proxy");
        self.turn(0).await;
    }

    /// From now on an answer takes so many ns at most.
    pub(in super::super) fn set_pace(&mut self, pace: u64) {
        self.scene.temper.pace = pace;
    }

    /// The depth that the member's links may have now.
    pub(in super::super) fn depth(&self) -> u16 {
        let text = self.shared.registry.render();
        let line = text.lines().find(|line| line.starts_with("penstock_backend_pipeline_depth_limit{"));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("a depth")
    }

    /// All clients ask whenever they may, for so many milliseconds. All that is due happens at once.
    pub(in super::super) async fn run(&mut self, milliseconds: u64) {
        let until = self.now() + milliseconds * 1_000_000;
        while self.now() < until {
            self.all_ask();
            self.go_on(TURN.max(self.scene.temper.pace / 4)).await;
        }
    }

    /// All that is due for so many ns happens at once.
    pub(in super::super) async fn go_on(&mut self, nanoseconds: u64) {
        let until = self.now() + nanoseconds;
        while self.now() < until {
            self.all_happens().await;
            let now = self.now();
            let due = self.places.iter().flat_map(|place| &place.links).filter_map(Link::due).min();
            let next = until.min(now + 1_000_000); // so that timers are on time
            let pause = due.unwrap_or(next).clamp(now + 1, next) - now;
            self.turn(pause).await;
        }
    }

    pub(in super::super) fn all_ask(&mut self) {
        for c in 0..self.clients.len() {
            if self.clients[c].has_link() {
                self.leave(c); // nobody talks for ever
            }
            let client = &mut self.clients[c];
            if client.is_content() && self.framing.is_none() {
                client.ask_plainly(&mut self.exchanges);
            } else if client.is_content() || client.is_talking() {
                client.ask(true, &mut with!(self));
                client.send_all();
            }
        }
    }

    async fn all_happens(&mut self) {
        self.turn(0).await;
        for _ in 0..self.scene.cap {
            self.answer_knock();
        }
        let now = self.now();
        for link in self.places.iter_mut().flat_map(|place| &mut place.links) {
            while link.peer.waiting() > 0 {
                link.hear(&mut around!(self, now));
            }
            while link.due().is_some_and(|due| due <= now) {
                link.say(&mut around!(self, now));
            }
        }
        self.bury();
        self.turn(0).await;
        for c in 0..self.clients.len() {
            while self.clients[c].peer.waiting() > 0 {
                self.read(c);
            }
            self.read(c); // whoever was closed is followed by another
        }
    }

    /// Nobody asks for so many milliseconds.
    pub(in super::super) async fn rest(&mut self, milliseconds: u64) {
        self.wait(milliseconds * 1_000_000).await;
    }

    /// All ask, and the member says nothing for so many ns on the link on which it has most to answer. Returns how many are behind
    /// the first one there.
    pub(in super::super) async fn hang(&mut self, nanoseconds: u64) -> usize {
        self.all_ask();
        self.turn(0).await;
        let now = self.now();
        for link in self.places.iter_mut().flat_map(|place| &mut place.links) {
            while link.peer.waiting() > 0 {
                link.hear(&mut around!(self, now));
            }
        }
        let links = self.places.iter_mut().flat_map(|place| &mut place.links);
        let link = links.max_by_key(|link| link.to_say()).expect("a link");
        link.hang(nanoseconds);
        link.to_say() - 1
    }

    /// The first client sends half of a request with content, and resets its connection.
    pub(in super::super) async fn leave_amid_an_upload(&mut self) {
        let id = self.exchanges.begin_upload();
        let request = self.exchanges.request(id, 1);
        self.clients[0].peer.send(&request[..request.len() / 2]);
        self.turn(0).await;
        self.answer_knock();
        self.turn(0).await;
        self.clients[0].peer.reset();
        self.renew(0);
        self.turn(0).await;
        self.bury();
    }

    /// How many clients were refused because no link was free in time.
    pub(in super::super) fn refused(&self) -> u64 {
        self.exchanges.counts.get("refused: 503").copied().unwrap_or(0)
    }

    /// How many clients wait for an answer.
    pub(in super::super) fn awaiting(&self) -> usize {
        self.clients.iter().filter(|client| !client.is_content()).count()
    }

    /// How often it was asked behind a request of the slow class, and how many of these there were.
    pub(in super::super) fn harm(&self) -> (u64, u64) {
        let count = |what| self.exchanges.counts.get(what).copied().unwrap_or(0);
        (count("behind a slow one"), count("of the slow class"))
    }

    /// The member restarts while its links are busy; when it is back, clients ask again.
    pub(in super::super) async fn restart_amid_pipelines(&mut self) {
        self.all_ask();
        self.turn(0).await;
        self.restart();
        self.turn(0).await;
        self.bury();
        self.run(20).await;
        self.places.iter_mut().for_each(|place| place.refusing = false);
    }

    /// All ask, and the member closes its links with a pipeline on them unanswered.
    pub(in super::super) async fn break_pipelines(&mut self) {
        for _ in 0..100 {
            self.run(20).await; // so that links have answered
            self.all_ask();
            self.turn(0).await;
            self.places.iter_mut().flat_map(|place| &mut place.links).for_each(|link| link.peer.reset());
            self.turn(0).await;
            self.bury();
            self.all_happens().await;
            if self.depth() == 1 {
                return;
            }
        }
        panic!("no link is closed amid a pipeline");
    }

    /// How often the proxy has read from the first client and written to it, and the same of the first link.
    pub(in super::super) fn calls(&self) -> [u64; 4] {
        let (client, link) = (&self.clients[0].peer, &self.places[0].links[0].peer);
        let ((from, to), (back, forth)) = (client.traffic(), link.traffic());
        [from.calls, to.calls, back.calls, forth.calls]
    }

    /// All clients ask once, in order. Returns in which order they were answered.
    pub(in super::super) async fn order_of_answers(&mut self) -> Vec<usize> {
        self.all_ask();
        let mut order = Vec::new();
        for _ in 0..1_000 {
            self.all_happens().await;
            let answered = (0..self.clients.len()).filter(|c| self.clients[*c].is_content());
            let new: Vec<_> = answered.filter(|c| !order.contains(c)).collect();
            order.extend(new);
            self.turn(self.scene.temper.pace).await;
        }
        order
    }
}
