//! Many clients at once, each of which asks one request after the other and looks whose answer it gets.
//!
//! All clients are tasks of one tokio runtime. They go in bursts: a burst begins when every client has ended the one
//! before, so that what a proxy has learned in one burst can be looked for in the next.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use crate::misbehaviour::protocol::{Ask, Heard, Protocol};

/// A request that has not ended after this time hangs: far above every time-out of the matrix' configurations.
const HANGS: Duration = Duration::from_secs(30);

/// What is to be asked.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) to: SocketAddr,
    pub(crate) protocol: Protocol,
    pub(crate) clients: u32,
    pub(crate) bursts: u32,
    /// Requests of each client in a burst.
    pub(crate) each: u32,
    /// Requests that provoke a misdeed are HEAD.
    pub(crate) head: bool,
}

/// What became of all requests.
#[derive(Default, Debug)]
pub(crate) struct Tally {
    /// Requests that got their own answer.
    pub(crate) answered: u64,
    /// Requests that got an error or lost their connection, by the status or what else was seen.
    pub(crate) errors: BTreeMap<String, u64>,
    /// Those among them that provoked nothing.
    pub(crate) innocents: u64,
    /// Requests that got what is not their answer, for each burst.
    pub(crate) mixups: Vec<u64>,
    /// Some of these, in words.
    pub(crate) examples: Vec<String>,
    /// Requests that never ended.
    pub(crate) hung: u64,
}

impl Tally {
    pub(crate) fn mixed_up(&self) -> u64 {
        self.mixups.iter().sum()
    }

    /// Requests that got an answer of any kind, as far as the proxy knows.
    pub(crate) fn with_status(&self) -> u64 {
        let errors = self.errors.iter().filter(|(name, _)| name.starts_with(|c: char| c.is_ascii_digit()));
        self.answered + self.mixed_up() + errors.map(|(_, count)| count).sum::<u64>()
    }

    /// All requests.
    pub(crate) fn all(&self) -> u64 {
        self.answered + self.mixed_up() + self.hung + self.errors.values().sum::<u64>()
    }

    fn note(&mut self, ask: Ask, burst: usize, heard: Outcome) {
        match heard {
            Outcome::Own => self.answered += 1,
            Outcome::Others(what) => {
                self.mixups[burst] += 1;
                if self.examples.len() < 3 {
                    self.examples.push(format!("{ask} got {what}"));
                }
            }
            Outcome::Failed(name) => {
                *self.errors.entry(name).or_default() += 1;
                self.innocents += u64::from(!ask.is_provoking());
            }
            Outcome::Hung => self.hung += 1,
        }
    }
}

enum Outcome {
    Own,
    Others(String),
    Failed(String),
    Hung,
}

impl Load {
    /// Runs it to its end.
    pub(crate) fn run(self) -> Tally {
        self.run_and(|| ())
    }

    /// As [`Load::run`], and does this behind each burst, while nothing is asked.
    pub(crate) fn run_and(self, behind: impl FnMut() + 'static) -> Tally {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let tally =
            Rc::new(RefCell::new(Tally { mixups: vec![0; self.bursts as usize], ..Tally::default() }));
        let tasks = tokio::task::LocalSet::new();
        let barrier = Rc::new(Barrier::new(self.clients as usize));
        let behind = Rc::new(RefCell::new(behind));
        for client in 0..self.clients {
            tasks.spawn_local(self.one(client, barrier.clone(), behind.clone(), tally.clone()));
        }
        runtime.block_on(tasks);
        Rc::into_inner(tally).expect("every client has ended").into_inner()
    }

    async fn one(
        self,
        client: u32,
        barrier: Rc<Barrier>,
        behind: Rc<RefCell<impl FnMut()>>,
        tally: Rc<RefCell<Tally>>,
    ) {
        let mut connection = None;
        for burst in 0..self.bursts {
            for number in burst * self.each..(burst + 1) * self.each {
                if tally.borrow().hung > 0 {
                    continue; // the row has failed, and its other requests may hang as well
                }
                let ask = Ask { client, number, head: false };
                let ask = Ask { head: self.head && ask.is_provoking(), ..ask };
                let outcome = tokio::time::timeout(HANGS, self.ask(&mut connection, ask)).await;
                let outcome = outcome.unwrap_or_else(|_| {
                    connection = None;
                    Outcome::Hung
                });
                tally.borrow_mut().note(ask, burst as usize, outcome);
            }
            if barrier.wait().await.is_leader() {
                behind.borrow_mut()();
            }
            barrier.wait().await;
        }
    }

    async fn ask(&self, connection: &mut Option<TcpStream>, ask: Ask) -> Outcome {
        let mut stream = match connection.take() {
            Some(stream) => stream,
            None => match TcpStream::connect(self.to).await {
                Ok(stream) => stream,
                Err(error) => return Outcome::Failed(format!("connect: {error}")),
            },
        };
        stream.set_nodelay(true).unwrap();
        if let Err(error) = stream.write_all(&self.protocol.request(ask)).await {
            return Outcome::Failed(error.kind().to_string());
        }
        let mut got = Vec::new();
        loop {
            if let Some(heard) = self.protocol.take_answer(ask, &mut got) {
                let (outcome, closes) = judge(ask, heard);
                if !got.is_empty() {
                    let more = String::from_utf8_lossy(&got[..got.len().min(80)]).into_owned();
                    return Outcome::Others(format!("more than its answer: {more:?}"));
                }
                *connection = Some(stream).filter(|_| !closes);
                return outcome;
            }
            match stream.read_buf(&mut got).await {
                Ok(0) => return Outcome::Failed("closed".to_owned()),
                Ok(_) => {}
                Err(error) => return Outcome::Failed(error.kind().to_string()),
            }
        }
    }
}

/// Whose answer it is, and whether it was the last on its connection.
fn judge(ask: Ask, heard: Heard) -> (Outcome, bool) {
    match heard {
        Heard::Answer { id, closes } if id == ask.to_string() => (Outcome::Own, closes),
        Heard::Answer { id, closes } => (Outcome::Others(format!("the answer of {id}")), closes),
        Heard::Error { name, closes } => (Outcome::Failed(name), closes),
        Heard::Garbage(what) => (Outcome::Others(format!("{what:?}")), true),
    }
}
