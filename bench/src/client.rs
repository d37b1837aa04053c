//! Runs one client: connects, keeps its connection busy, aborts at random if configured, and reconnects.

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::connection::{Connection, Turn};
use crate::keys::Keys;
use crate::report::Loss;
use crate::request::Id;
use crate::rng::Rng;
use crate::schedule::Schedule;
use crate::shard::Shard;
use crate::socket;

/// The exchanges that a client may still start.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Budget {
    Left(u64),
    Until(Instant),
}

impl Budget {
    fn is_spent(&self) -> bool {
        match self {
            Self::Left(left) => *left == 0,
            Self::Until(end) => Instant::now() >= *end,
        }
    }

    /// Returns the earlier one of a time and the end.
    fn limit(&self, time: Instant) -> Instant {
        match self {
            Self::Left(_) => time,
            Self::Until(end) => time.min(*end),
        }
    }

    /// Takes one exchange out of the budget, if there is one.
    fn take(&mut self, now: Instant) -> bool {
        match self {
            Self::Left(0) => false,
            Self::Left(left) => {
                *left -= 1;
                true
            }
            Self::Until(end) => now < *end,
        }
    }
}

pub(crate) struct Client {
    shard: Rc<Shard>,
    number: u64,
    source: Option<Ipv4Addr>,
    rng: Rng,
    started: u64,
    keys: Keys,
    connection: Option<Connection>,
    /// The intended times of an open loop.
    schedule: Option<Schedule>,
    /// The intended time of the exchange that the client has nothing else to do than to wait for.
    waits_for: Option<Instant>,
    /// The number of failed connects and of connections without an answer, since the last answer.
    fruitless: u32,
}

/// The number of fruitless connects in a row after which a client with a count to reach gives up.
const PATIENCE: u32 = 8;
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_HESITATION_US: u64 = 2000;

impl Client {
    pub(crate) fn new(shard: Rc<Shard>, number: u64) -> Self {
        let sources = &shard.plan.sources;
        let source = (!sources.is_empty()).then(|| sources[number as usize % sources.len()]);
        let rng = Rng::new(shard.plan.seed, number);
        let keys = Keys::new(number, shard.plan.may_forget);
        Self {
            shard,
            number,
            source,
            rng,
            started: 0,
            keys,
            connection: None,
            schedule: None,
            waits_for: None,
            fruitless: 0,
        }
    }

    /// Connects, unless the client is connected.
    pub(crate) async fn connect(&mut self) {
        if self.connection.is_none() {
            self.connection = self.try_connect().await;
        }
    }

    async fn try_connect(&mut self) -> Option<Connection> {
        let (plan, began) = (&self.shard.plan, Instant::now());
        let connected = match timeout(plan.timeout, socket::connect(self.source, plan)).await {
            Ok(Ok(stream)) => Connection::new(self.number, stream, plan).map_err(|error| error.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("not connected after {:?}", plan.timeout)),
        };
        let mut tally = self.shard.tally();
        match connected {
            Ok(connection) => {
                tally.count_connection(began.elapsed());
                Some(connection)
            }
            Err(words) => {
                self.fruitless += 1;
                tally.errors.connect += 1;
                tally.note(format!("client {}: connect: {words}", self.number));
                None
            }
        }
    }

    /// Runs exchanges until the budget is used up and nothing is in flight.
    pub(crate) async fn work(&mut self, mut budget: Budget) {
        let (plan, begin) = (&self.shard.plan, Instant::now());
        self.schedule = plan.rate.map(|rate| Schedule::new(begin, rate, self.number, plan.clients));
        self.look();
        self.spend(&mut budget).await;
        if let (Some(schedule), Budget::Until(end)) = (self.schedule, budget) {
            self.shard.tally().unsent += schedule.missed(end.min(Instant::now()));
        }
    }

    async fn spend(&mut self, budget: &mut Budget) {
        while !self.is_done(*budget) {
            self.pause(*budget).await;
            self.connect().await;
            let Some(mut connection) = self.connection.take() else {
                if matches!(budget, Budget::Left(_)) && self.fruitless >= PATIENCE {
                    return;
                }
                continue;
            };
            let stays = self.drive(&mut connection, budget).await;
            connection.settle(&self.shard);
            if connection.in_flight() > 0 {
                self.keys.doubt();
            }
            if stays {
                self.connection = Some(connection);
            }
        }
    }

    /// Returns whether the client starts no more exchanges.
    fn is_done(&self, budget: Budget) -> bool {
        self.shard.is_stopped() || budget.is_spent()
    }

    /// Waits a little after fruitless attempts, so that a refusing address is not flooded.
    async fn pause(&self, budget: Budget) {
        if self.fruitless == 0 || self.connection.is_some() {
            return;
        }
        let pause = LONGEST_PAUSE.min(Duration::from_millis(5 << self.fruitless.min(10)));
        self.shard.timers.sleep_until(budget.limit(Instant::now() + pause), self.number).await;
    }

    /// Keeps the connection busy, and returns whether it can be kept.
    async fn drive(&mut self, connection: &mut Connection, budget: &mut Budget) -> bool {
        loop {
            if connection.in_flight() == 0 && !self.rest(connection, *budget).await {
                return false;
            }
            if self.start(connection, budget) {
                self.abort(connection).await;
                return false;
            }
            if connection.in_flight() == 0 {
                let leaves = connection.is_used_up() || (self.takes_turns() && self.is_done(*budget));
                return !leaves;
            }
            let due = self.schedule.filter(|_| self.has_place(connection, *budget)).map(|next| next.due());
            self.waits_for = due;
            match connection.turn(&self.shard, due).await {
                Turn::Progress => {}
                end => {
                    self.end(connection, end);
                    return false;
                }
            }
        }
    }

    /// Returns whether another exchange may start on the connection when its time comes.
    fn has_place(&self, connection: &Connection, budget: Budget) -> bool {
        connection.in_flight() < self.shard.plan.depth.max(1)
            && !connection.is_used_up()
            && !self.is_done(budget)
    }

    /// Returns whether others may wait for the place of this connection, so that it must not be kept without
    /// need.
    fn takes_turns(&self) -> bool {
        self.shard.plan.per_connection.is_some()
    }

    /// Rests as the plan says, and returns whether the connection is still open.
    async fn rest(&mut self, connection: &Connection, budget: Budget) -> bool {
        let twice = 2 * self.shard.plan.pause.as_micros() as u64;
        let due = self.schedule.map(|schedule| schedule.due());
        let now = Instant::now();
        if (twice == 0 && due.is_none()) || due.is_some_and(|due| due <= now) || self.is_done(budget) {
            return true;
        }
        let until = due.unwrap_or_else(|| now + Duration::from_micros(self.rng.below(twice)));
        self.waits_for = due;
        self.shard.timers.sleep_until(budget.limit(until), self.number).await;
        match connection.look(&self.shard) {
            Turn::Progress => true,
            end => {
                self.end(connection, end);
                false
            }
        }
    }

    /// Starts as many exchanges as depth and budget allow, and returns whether the last one is to be aborted.
    fn start(&mut self, connection: &mut Connection, budget: &mut Budget) -> bool {
        let depth = self.shard.plan.depth.max(1);
        if connection.in_flight() >= depth {
            return false;
        }
        let now = Instant::now();
        while connection.in_flight() < depth && !connection.is_used_up() {
            let intended = self.schedule.map_or(now, |schedule| schedule.due());
            if intended > now || self.shard.is_stopped() || !budget.take(now) {
                break;
            }
            if let Some(schedule) = &mut self.schedule {
                schedule.take();
                // A client that was busy at the intended time is late because of the server.
                if self.waits_for == Some(intended) {
                    self.shard.tally().count_lateness(now - intended);
                }
            }
            let id = Id { client: self.number, seq: self.started };
            self.started += 1;
            self.shard.tally().requests += 1;
            let (requests, keys) = (&self.shard.requests, &mut self.keys);
            connection.push(now, intended, |out| requests.write(id, &mut self.rng, keys, out));
            if self.shard.plan.abort_one_in.is_some_and(|n| self.rng.one_in(n)) {
                return true;
            }
        }
        if !self.shard.plan.stall.is_zero() {
            connection.stall();
        }
        false
    }

    /// Sends all requests, then closes: at once, after a moment, or in the middle of an answer.
    async fn abort(&mut self, connection: &mut Connection) {
        while !connection.is_flushed() {
            match connection.turn(&self.shard, None).await {
                Turn::Progress => {}
                end => return self.end(connection, end),
            }
        }
        match self.rng.below(3) {
            0 => {}
            1 => sleep(Duration::from_micros(self.rng.below(LONGEST_HESITATION_US))).await,
            _ => {
                // Few answers are as short, so that the abort is usually before the end.
                let most = 1 + self.rng.below(16) as usize;
                let _ = timeout(self.shard.plan.timeout, connection.nibble(&self.shard, most)).await;
            }
        }
        if self.rng.one_in(2) {
            connection.reset_on_close();
        }
        if connection.is_proven() {
            self.fruitless = 0;
        }
        self.shard.tally().aborted += connection.in_flight() as u64;
    }

    /// Counts the result of an ended connection.
    fn end(&mut self, connection: &Connection, end: Turn) {
        self.fruitless = if connection.is_proven() { 0 } else { self.fruitless + 1 };
        let left = connection.in_flight() as u64;
        let mut tally = self.shard.tally();
        let (loss, words) = match end {
            Turn::Progress => return,
            Turn::Closed if left == 0 => return,
            Turn::Closed => (Loss::ClosedEarly, format!("closed in order with {left} behind in flight")),
            Turn::Lost(loss, words) => (loss, words),
            Turn::Surplus(words) => {
                tally.errors.surplus += 1;
                (Loss::BadAnswer, words)
            }
        };
        tally.count_lost(loss, left);
        tally.note(format!("client {} at exchange {}: {loss:?}: {words}", self.number, self.started));
    }

    /// Checks whether the idle connection is open and silent, and closes it otherwise.
    pub(crate) fn look(&mut self) -> bool {
        let Some(connection) = self.connection.take() else { return false };
        match connection.look(&self.shard) {
            Turn::Progress => self.connection = Some(connection),
            end => self.end(&connection, end),
        }
        self.connection.is_some()
    }
}
