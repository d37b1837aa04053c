//! The differences from run to run, drawn from the seed: the protocol, the numbers, how the member behaves.

use penstock::config::{FrameKind, Framing, Prefix};

use crate::rng::Rng;

#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) seed: u64,
    pub(crate) clients: usize,
    pub(crate) share: usize,
    pub(crate) pipeline: u16,
    pub(crate) all_methods: bool,
    pub(crate) queue_max: usize,
    pub(crate) max_requests: Option<u64>,
    /// In milliseconds.
    pub(crate) rescue_after: Option<u64>,
    pub(crate) rescue_budget: u8,
    /// What the links speak; HTTP without it.
    pub(crate) framing: Option<Framing>,
    /// How many routes of HTTP can be told from each other.
    pub(crate) routes: u64,
    /// Now and then nothing is done for a while.
    pub(crate) jumps: bool,
    /// The member refuses connections for a moment now and then, and restarts.
    pub(crate) refuses: bool,
    pub(crate) temper: Temper,
}

/// How a run's member behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Temper {
    /// Faults per 1,000 answers.
    pub(crate) faults: u64,
    /// Longest time to an answer, in ns, as a rule.
    pub(crate) pace: u64,
    /// Of the first route (of HTTP) or KEYS (of Redis) each answer takes up to so many times longer.
    pub(crate) slow_route: u64,
    /// One in so many answers takes long without a reason.
    pub(crate) hiccups: u64,
}

const PACES: [u64; 6] = [10_000, 10_000, 60_000, 20_000, 200_000, 1_500_000];

impl Scene {
    /// Half of the runs are calm, so that depth can grow; the others are not.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(!seed);
        let calm = seed.is_multiple_of(2);
        Self {
            seed,
            clients: rng.range(1, 40) as usize,
            share: rng.range(1, 5) as usize,
            pipeline: rng.pick(&[1, 8, 32, 32]),
            all_methods: rng.one_in(4),
            queue_max: rng.pick(&[8, 100, 100, 100, 1000, 1000, 1000, 1000]),
            max_requests: rng.pick(&[None, None, None, None, None, Some(1), Some(50), Some(400)]),
            rescue_after: rng.pick(&[None, Some(2), Some(2), Some(10)]),
            rescue_budget: rng.pick(&[0, 1, 10, 10, 100, 100]),
            framing: framing(seed / 2, &mut rng),
            routes: rng.pick(&[0, 1, 4, 16]),
            temper: Temper {
                faults: if calm { 0 } else { rng.pick(&[2, 2, 10, 40, 120]) },
                pace: if calm { rng.pick(&PACES[..3]) } else { rng.pick(&PACES) },
                slow_route: rng.pick(&[1, 1, 800]),
                hiccups: rng.pick(&[100, 300, 1000, 3000]),
            },
            jumps: !calm && rng.one_in(2),
            refuses: !calm && rng.one_in(2),
        }
    }

    /// Nothing goes wrong, and little is slow.
    pub(crate) fn is_calm(&self) -> bool {
        self.temper.faults == 0
    }
}

/// HTTP and Redis have more to them than the others.
fn framing(turn: u64, rng: &mut Rng) -> Option<Framing> {
    let long = rng.one_in(4);
    let (kind, max_length) = match turn % 6 {
        0 | 3 => return None,
        1 => (FrameKind::Lines { crlf: rng.one_in(2) }, if long { 1 << 20 } else { 4096 }),
        2 => {
            let width = rng.pick(&[1, 2, 4, 8]);
            let max_length = match width {
                1 => 200,
                2 => 60_000,
                _ => 1 << 20,
            };
            (FrameKind::LengthPrefixed(prefix(width, rng)), max_length)
        }
        _ => (FrameKind::Resp, 1 << 20),
    };
    let refusal = rng.one_in(2).then(|| (&b"\x05sorry\r\n"[..]).into());
    Some(Framing { kind, max_length, repeatable: rng.one_in(2), refusal })
}

fn prefix(width: u8, rng: &mut Rng) -> Prefix {
    let little_endian = rng.one_in(2);
    Prefix { width, little_endian, counts_header: rng.one_in(2), offset: rng.pick(&[0, 0, 4, 11]) }
}
