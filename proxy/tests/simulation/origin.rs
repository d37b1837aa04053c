//! A member's end of one link: it reads requests, answers them in order, and misbehaves at random.
//!
//! `http` and `frames` have what is read and answered.

mod frames;
mod http;

use std::collections::VecDeque;

use crate::client::READ;
use crate::ledger::Ledger;
use crate::rng::Rng;
use crate::scene::Scene;

pub(crate) use http::Framing;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Open,
    /// Reads no more; EOF when all has been sent.
    Closing,
    Reset,
}

/// What reading from it gives.
pub(crate) enum Read {
    Nothing,
    Bytes(Vec<u8>),
    Eof,
    Reset,
}

pub(crate) struct Origin {
    input: Vec<u8>,
    output: VecDeque<(u64, Vec<u8>)>,
    busy_until: u64,
    state: State,
    early: bool,
    talk: frames::Talk,
}

/// What a member has at hand while it reads.
pub(crate) struct Around<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) rng: &'a mut Rng,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) now: u64,
    /// The exchange that was put on the link last: the only one there, if it must be alone.
    pub(crate) last: Option<u64>,
}

/// What may go wrong with an answer, one as likely as the other; see `Fault::of`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    CutShort,
    Reset,
    GarbageBehind,
    GarbageBefore,
    Http10,
    UntilClose,
    Closing,
    Switching,
    Unknown,
    TooLate,
    Halting,
}

const FAULTS: [Fault; 13] = [
    Fault::CutShort,
    Fault::CutShort,
    Fault::Reset,
    Fault::GarbageBehind,
    Fault::GarbageBehind,
    Fault::GarbageBefore,
    Fault::Http10,
    Fault::UntilClose,
    Fault::Closing,
    Fault::Switching,
    Fault::Unknown,
    Fault::TooLate,
    Fault::Halting,
];
/// The proxy's patience with an answer.
pub(crate) const PATIENCE: u64 = 100_000_000;
/// A hiccup takes as long at most.
const HICCUP: u64 = 60_000_000;

impl Origin {
    pub(crate) fn new(now: u64) -> Self {
        Self {
            input: Vec::new(),
            output: VecDeque::new(),
            busy_until: now,
            state: State::Open,
            early: false,
            talk: frames::Talk::default(),
        }
    }

    /// The proxy has written this.
    pub(crate) fn written(&mut self, bytes: &[u8], around: &mut Around<'_>) {
        self.input.extend_from_slice(bytes);
        match &around.scene.framing {
            Some(framing) => self.hear(framing, around),
            None => self.read_requests(around),
        }
    }

    /// What the proxy reads now.
    pub(crate) fn read(&mut self, now: u64, rng: &mut Rng) -> Read {
        match self.output.front_mut() {
            _ if self.state == State::Reset => Read::Reset,
            None if self.state == State::Closing => Read::Eof,
            Some((due, _)) if *due <= now => {
                let mut ready = Vec::new();
                while ready.len() < READ && self.output.front().is_some_and(|(due, _)| *due <= now) {
                    ready.extend(self.output.pop_front().into_iter().flat_map(|(_, bytes)| bytes));
                }
                let rest = ready.split_off(rng.cut(ready.len()).min(READ));
                if !rest.is_empty() {
                    self.output.push_front((now, rest));
                }
                Read::Bytes(ready)
            }
            _ => Read::Nothing,
        }
    }

    /// Open, and with nothing to read: what a look at the socket tells.
    pub(crate) fn is_quiet(&self, now: u64) -> bool {
        self.state == State::Open && self.output.front().is_none_or(|(due, _)| *due > now)
    }

    /// Whether it would close now, were the proxy to close.
    pub(crate) fn has_ended(&self) -> bool {
        self.state == State::Reset || self.output.is_empty()
    }

    /// When it will have something to read.
    pub(crate) fn due(&self) -> Option<u64> {
        match self.output.front() {
            Some((due, _)) if self.state != State::Reset => Some(*due),
            _ => (self.state != State::Open).then_some(0),
        }
    }

    /// Of its own accord, at any time.
    pub(crate) fn close(&mut self, rng: &mut Rng) {
        self.state = if rng.one_in(2) { State::Closing } else { State::Reset };
    }

    /// Sends an answer when its time has come, as far as the fault lets it.
    fn send(&mut self, mut bytes: Vec<u8>, delay: u64, fault: Option<Fault>, around: &mut Around<'_>) {
        let rng = &mut *around.rng;
        match fault {
            Some(Fault::CutShort) => {
                bytes.truncate(rng.below(bytes.len()));
                self.state = State::Closing;
            }
            Some(Fault::Reset) => {
                bytes.truncate(rng.below(bytes.len()));
                self.state = State::Reset;
            }
            _ => {}
        }
        self.busy_until = self.busy_until.max(around.now) + delay;
        if fault == Some(Fault::Halting) {
            let rest = bytes.split_off(rng.below(bytes.len()) + 1);
            self.output.push_back((self.busy_until, std::mem::replace(&mut bytes, rest)));
            self.busy_until += PATIENCE + rng.range(0, PATIENCE);
        }
        if !bytes.is_empty() {
            self.output.push_back((self.busy_until, bytes));
        }
    }
}

impl Around<'_> {
    fn fault(&mut self) -> Option<Fault> {
        (self.rng.range(0, 999) < self.scene.temper.faults).then(|| self.rng.pick(&FAULTS))
    }

    /// How long an answer takes.
    fn delay(&mut self, slow_route: bool, fault: Option<Fault>) -> u64 {
        let temper = &self.scene.temper;
        let usual = self.rng.range(temper.pace / 2 + 1, temper.pace + 1);
        let late = if fault == Some(Fault::TooLate) { PATIENCE + self.rng.range(0, PATIENCE) } else { 0 };
        let hiccup = if self.rng.one_in(temper.hiccups) { self.rng.range(HICCUP / 10, HICCUP) } else { 0 };
        usual * if slow_route { temper.slow_route } else { 1 } + late + hiccup
    }
}
