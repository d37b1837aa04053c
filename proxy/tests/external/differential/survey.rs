//! Asks a proxy all rows, one after the other, and keeps what came of each.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::thread;

use crate::differential::cell::{Level, cell, level};
use crate::differential::client::{self, Heard};
use crate::differential::origin::{AFTER, Origin};
use crate::differential::proxies::{Kind, Proxy};
use crate::differential::reader::Seen;
use crate::differential::row::{Look, Row, Suspect};
use crate::differential::rows::{Area, areas};

/// What came of one row at one proxy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Whole requests that reached the member, without the one behind the row.
    pub(crate) seen: Vec<Seen>,
    /// The request behind the row reached the member: the connection was kept.
    pub(crate) after: bool,
    pub(crate) heard: Heard,
}

/// One proxy's answers to all rows.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) version: String,
    /// By area and row.
    pub(crate) cells: Vec<Vec<(Level, String)>>,
}

impl Survey {
    fn of(kind: Kind) -> Self {
        let (plain, pipelining) = (Stand::of(kind, false), Stand::of(kind, true));
        let judge = |row: &Row| {
            let outcome = if row.pipelined { pipelining.worst(row) } else { plain.ask(row) };
            (level(row, &outcome), cell(row, &outcome))
        };
        let cells = areas().iter().map(|Area { rows, .. }| rows.iter().map(judge).collect()).collect();
        Self { version: kind.version(), cells }
    }
}

/// Tries of a row about requests on their way together, and requests before each that show the member to be quick.
const TRIES: usize = 50;
const BEFORE: usize = 10;

/// A proxy and its member.
struct Stand {
    proxy: Proxy,
    origin: Origin,
}

impl Stand {
    fn of(kind: Kind, pipelines: bool) -> Self {
        let origin = Origin::start();
        Self { proxy: kind.start(origin.address, pipelines), origin }
    }

    fn ask(&self, row: &Row) -> Outcome {
        ask(row, &self.origin, self.proxy.address())
    }

    /// The most lenient outcome of many.
    fn worst(&self, row: &Row) -> Outcome {
        let plain = crate::differential::row::row("", "", crate::differential::row::get("X-A: b"));
        let tries = (0..TRIES).map(|_| {
            (0..BEFORE).for_each(|_| drop(self.ask(&plain)));
            self.ask(row)
        });
        let mut worst = Outcome::default();
        for outcome in tries {
            if level(row, &outcome) >= level(row, &worst) {
                worst = outcome;
            }
            if level(row, &worst) == Level::Unchanged {
                break;
            }
        }
        worst
    }
}

fn ask(row: &Row, origin: &Origin, proxy: SocketAddr) -> Outcome {
    origin.begin(row.reply);
    let heard = match row.look {
        Look::Tunnel => client::ask_and_wait(proxy, &row.bytes, row.later),
        _ if !row.later.is_empty() => client::ask_and_wait(proxy, &row.bytes, row.later),
        _ => client::ask(proxy, &row.bytes),
    };
    let (after, seen): (Vec<_>, Vec<_>) = origin.end().into_iter().partition(|seen| seen.is_for(AFTER));
    Outcome { seen, after: !after.is_empty(), heard }
}

/// All surveys of this run.
#[derive(Debug)]
pub(crate) struct Surveys {
    pub(crate) penstock: Survey,
    /// `None` where the program is not here.
    pub(crate) nginx: Option<Survey>,
    pub(crate) haproxy: Option<Survey>,
    pub(crate) envoy: Option<Survey>,
}

/// Each proxy is asked once a run, all at the same time.
pub(crate) fn surveys() -> &'static Surveys {
    static SURVEYS: OnceLock<Surveys> = OnceLock::new();
    SURVEYS.get_or_init(|| {
        let others = [Kind::Nginx, Kind::Haproxy, Kind::Envoy];
        thread::scope(|scope| {
            let others = others.map(|kind| scope.spawn(move || kind.is_here().then(|| Survey::of(kind))));
            let penstock = Survey::of(Kind::Penstock);
            let [nginx, haproxy, envoy] = others.map(|other| other.join().unwrap());
            Surveys { penstock, nginx, haproxy, envoy }
        })
    })
}

#[test]
fn without_a_proxy_what_is_suspicious_gets_through() {
    let origin = Origin::start();
    let area = areas().iter().find(|area| area.name == "fields").unwrap();
    let mut suspects = area.rows.iter().filter(|row| !matches!(row.suspect, Suspect::Nothing)).peekable();
    assert!(suspects.peek().is_some());
    for row in suspects {
        let outcome = ask(row, &origin, origin.address);
        assert_eq!(level(row, &outcome), Level::Unchanged, "{}: {outcome:?}", row.rule);
    }
}
