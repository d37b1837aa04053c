//! Records what was seen of a simulated world, in slices of a tenth of a second.

use std::fmt::{self, Display};

use crate::event_loop::Nanos;
use crate::link::scheduler::depth::DepthLimit;

pub(super) const SLICE: Nanos = 100_000_000;

#[derive(Default)]
pub(super) struct Report {
    pub(super) name: String,
    pub(super) slices: Vec<Slice>,
}

#[derive(Default)]
pub(super) struct Slice {
    /// What answers took for their clients.
    quick: Vec<Nanos>,
    slow: Vec<Nanos>,
    rescued: usize,
    end: Option<SliceState>,
}

/// At the end of a slice.
#[derive(Clone, Copy)]
pub(super) struct SliceState {
    pub(super) limit: u16,
    pub(super) reason: DepthLimit,
    pub(super) least: Nanos,
    pub(super) links: usize,
    pub(super) busy: usize,
    pub(super) waiting: usize,
}

/// What happened between two slices.
pub(super) struct SpanFigures {
    pub(super) per_second: usize,
    pub(super) p50: Nanos,
    pub(super) p99: Nanos,
    pub(super) slow_p50: Nanos,
    pub(super) rescued: usize,
    /// The middle one of the slices' limits.
    pub(super) limit: u16,
    pub(super) least_limit: u16,
    pub(super) links: usize,
}

impl Report {
    pub(super) fn answered(&mut self, now: Nanos, took: Nanos, slow: bool) {
        let slice = self.slice(now);
        if slow { slice.slow.push(took) } else { slice.quick.push(took) }
    }

    pub(super) fn rescued(&mut self, now: Nanos, count: usize) {
        self.slice(now).rescued += count;
    }

    /// A slice ends just before `now`.
    pub(super) fn ends(&mut self, now: Nanos, state: SliceState) {
        self.slice(now - 1).end = Some(state);
    }

    fn slice(&mut self, now: Nanos) -> &mut Slice {
        let i = (now / SLICE) as usize;
        if i >= self.slices.len() {
            self.slices.resize_with(i + 1, Slice::default);
        }
        &mut self.slices[i]
    }

    /// Slices `from` to before `to`.
    pub(super) fn span(&self, from: usize, to: usize) -> SpanFigures {
        let slices = &self.slices[from..to];
        let all = |of: fn(&Slice) -> &Vec<Nanos>| slices.iter().flat_map(of).copied().collect::<Vec<_>>();
        let (quick, slow) = (all(|s| &s.quick), all(|s| &s.slow));
        let ends = || slices.iter().filter_map(|s| s.end);
        let limits: Vec<_> = ends().map(|s| Nanos::from(s.limit)).collect();
        SpanFigures {
            per_second: (quick.len() + slow.len()) * 10 / (to - from),
            slow_p50: quantile(slow, 0.5),
            p50: quantile(quick.clone(), 0.5),
            p99: quantile(quick, 0.99),
            rescued: slices.iter().map(|s| s.rescued).sum(),
            least_limit: quantile(limits.clone(), 0.0) as u16,
            limit: quantile(limits, 0.5) as u16,
            links: ends().map(|s| s.links).max().unwrap_or(0),
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}", self.name)?;
        writeln!(
            f,
            "{:>5} {:>8} {:>5} {:<8} {:>9} {:>5} {:>5} {:>7} {:>9} {:>9} {:>9} {:>7}",
            "ms",
            "per s",
            "limit",
            "reason",
            "least us",
            "links",
            "busy",
            "waiting",
            "p50 ms",
            "p99 ms",
            "slow ms",
            "rescued"
        )?;
        for (i, slice) in self.slices.iter().enumerate() {
            let Some(end) = slice.end else { break };
            let span = self.span(i, i + 1);
            let ms = |nanos: Nanos| nanos as f64 / 1e6;
            writeln!(
                f,
                "{:>5} {:>8} {:>5} {:<8} {:>9.1} {:>5} {:>5} {:>7} {:>9.2} {:>9.2} {:>9.2} {:>7}",
                (i + 1) * 100,
                span.per_second,
                end.limit,
                format!("{:?}", end.reason),
                end.least as f64 / 1e3,
                end.links,
                end.busy,
                end.waiting,
                ms(span.p50),
                ms(span.p99),
                ms(span.slow_p50),
                span.rescued
            )?;
        }
        Ok(())
    }
}

fn quantile(mut of: Vec<Nanos>, part: f64) -> Nanos {
    of.sort_unstable();
    of.get(((of.len().max(1) - 1) as f64 * part) as usize).copied().unwrap_or(0)
}
