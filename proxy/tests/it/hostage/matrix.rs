//! 200 attackers of each kind, from one address and from 200, before 16 links and before the default.
//!
//! Honest clients are served, the member has no connection too many, and when the attackers have gone every link is of use.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use crate::hostage::attack::{ATTACKERS, Attackers, From, Kind, Leaves};
use crate::hostage::client::{Conn, PATIENCE, Tongue};
use crate::hostage::honest;
use crate::hostage::member::Member;
use crate::support::scrape::Scrape;
use crate::support::stand::{Proxy, Setup};

/// The default of `max_per_member`, which these tests know as users do.
const DEFAULT_LINKS: usize = 64;
/// The default of `buffer_budget`.
const DEFAULT_BUDGET: i64 = 256 << 20;
/// How long the attackers have before the others come, and how long the others ask.
const BEGUN: Duration = Duration::from_secs(1);
const HONEST: Duration = Duration::from_secs(3);

/// One cell of the matrix.
#[derive(Clone, Copy, Debug)]
struct Cell {
    kind: Kind,
    from: From,
    /// `None` is the default.
    links: Option<usize>,
}

/// What went wrong in one cell, and what must not end while others are measured.
struct Outcome {
    problems: Vec<String>,
    _stand: (Proxy, Member),
}

/// All four cells of a kind, at the same time.
async fn matrix(kind: Kind) {
    let cell = |from, links| Box::pin(Cell { kind, from, links }.play(Setup::by_default(), DEFAULT_BUDGET));
    let (a, b, c, d) = tokio::join!(
        cell(From::One, Some(16)),
        cell(From::Each, Some(16)),
        cell(From::One, None),
        cell(From::Each, None)
    );
    let problems: Vec<_> = [a, b, c, d].iter().flat_map(|cell| cell.problems.clone()).collect();
    assert!(problems.is_empty(), "{} problems:\n  {}", problems.len(), problems.join("\n  "));
}

impl Cell {
    async fn play(self, setup: Setup, budget: i64) -> Outcome {
        let links = self.links.unwrap_or(DEFAULT_LINKS);
        let tongue = self.kind.tongue();
        let member = Member::start(tongue).await;
        member.watch_over(links);
        let setup = setup.listener(tongue.listener());
        let setup = match self.links {
            Some(most) => setup.backend(&format!("links: {{ max_per_member: {most} }}")),
            None => setup,
        };
        let proxy = setup.before_one(member.address);
        let attackers = Attackers::start(self.kind, self.from, proxy.address());
        sleep(BEGUN).await;
        let (report, buffered) = tokio::select! {
            report = honest::ask(tongue, proxy.address(), HONEST) => (report, buffered(&proxy)),
            most = too_much_buffered(&proxy, budget) => (honest::Report::default(), Some(most)),
        };
        drop(attackers);
        let mut problems = Vec::new();
        if buffered.is_some_and(|bytes| bytes > budget) {
            problems.push(format!("{buffered:?} bytes are buffered, {budget} may be"));
        } else {
            println!(
                "{self:?}: p50 {:?}, p99 {:?}, most {:?}, {} failures",
                report.percentile(50),
                report.percentile(99),
                report.percentile(100),
                report.failures.len()
            );
        }
        if let Some(first) = report.failures.first() {
            problems.push(format!("{} honest requests failed: {first}", report.failures.len()));
        }
        problems.extend(self.afterwards(&proxy, &member, links).await.err());
        if member.peak() > links {
            problems.push(format!("{} connections at the member, {links} may be", member.peak()));
        }
        let problems = problems.into_iter().map(|problem| format!("{self:?}: {problem}")).collect();
        Outcome { problems, _stand: (proxy, member) }
    }

    /// Every link is of use, and nothing is counted that is not there.
    async fn afterwards(self, proxy: &Proxy, member: &Member, links: usize) -> Result<(), String> {
        let begin = Instant::now();
        while let Err(why) = all_at_once(self.kind.tongue(), proxy, links).await {
            if begin.elapsed() > PATIENCE {
                return Err(format!("{links} requests are never served at once: {why}"));
            }
            sleep(Duration::from_millis(100)).await;
        }
        println!("{self:?}: all links were of use after {:?}", begin.elapsed());
        while let Err(why) = recount(&proxy.scrape(), member) {
            if begin.elapsed() > 2 * PATIENCE {
                return Err(why);
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

/// As many requests as there are links, each from a source of its own, that the member answers when all are there.
async fn all_at_once(tongue: Tongue, proxy: &Proxy, links: usize) -> Result<(), String> {
    let ask = |number: usize| {
        let to = proxy.address();
        tokio::spawn(async move {
            let from = Ipv4Addr::new(127, 50, 0, number as u8 + 1);
            let mut conn = Conn::connect(from, to).await.map_err(|why| why.to_string())?;
            let answer = conn.ask(tongue, &tongue.meet(links)).await?;
            if answer == "alone" { Err("they wait for each other".to_owned()) } else { Ok(()) }
        })
    };
    let all: Vec<_> = (0..links).map(ask).collect();
    let stop: Vec<_> = all.iter().map(tokio::task::JoinHandle::abort_handle).collect();
    let answers = async {
        for task in all {
            task.await.unwrap()?;
        }
        Ok(())
    };
    let outcome = timeout(Duration::from_secs(5), answers).await;
    stop.iter().for_each(tokio::task::AbortHandle::abort);
    outcome.unwrap_or_else(|_| Err("some wait for a link".to_owned()))
}

/// What is shown is what is there: no client, no request, and links that are idle.
fn recount(s: &Scrape, member: &Member) -> Result<(), String> {
    let links = |state: &str| s.sum_of("penstock_backend_connections", &[&format!("state=\"{state}\"")]);
    let opened = s.sum("penstock_backend_connections_opened_total");
    let closed = s.sum("penstock_backend_connections_closed_total");
    let accepted = s.sum("penstock_client_connections_accepted_total");
    let left = s.sum("penstock_client_connections_closed_total");
    let none = [
        ("clients", s.sum("penstock_client_connections")),
        ("clients accepted and not closed", accepted - left),
        ("requests in flight", s.sum("penstock_requests_in_flight")),
        ("requests at the member", s.sum("penstock_backend_requests_in_flight")),
        ("requests that wait", s.sum("penstock_pool_waiting")),
        ("busy links", links("busy")),
        ("links under way", links("connecting")),
        ("links opened and not closed, beside the idle ones", opened - closed - links("idle")),
        ("idle links, beside those that the member has", links("idle") - member.open() as i64),
    ];
    match none.into_iter().find(|(_, count)| *count != 0) {
        Some((what, count)) => Err(format!("{count} {what}, though all have gone")),
        None => Ok(()),
    }
}

/// Bytes that the proxy says it holds for its clients; `None` where it does not tell.
fn buffered(proxy: &Proxy) -> Option<i64> {
    let text = proxy.running().metrics();
    text.contains("\npenstock_buffer_bytes").then(|| Scrape::new(&text).sum("penstock_buffer_bytes"))
}

/// Ends when more is held than may be.
async fn too_much_buffered(proxy: &Proxy, budget: i64) -> i64 {
    loop {
        if let Some(bytes) = buffered(proxy).filter(|bytes| *bytes > budget) {
            return bytes;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn slow_posts_take_no_link() {
    matrix(Kind::SlowPost).await;
}

#[tokio::test]
async fn posts_that_stall_take_no_link() {
    matrix(Kind::StalledPost(1000)).await;
}

#[tokio::test]
async fn posts_that_stall_in_a_body_that_is_nearly_a_buffer_full_take_no_link() {
    matrix(Kind::StalledPost(100_000)).await;
}

#[tokio::test]
async fn posts_that_stall_behind_more_than_a_buffer_are_cut() {
    matrix(Kind::StalledPost(10_000_000)).await;
}

#[tokio::test]
async fn posts_that_stall_in_a_chunk_take_no_link() {
    matrix(Kind::StalledChunk).await;
}

#[tokio::test]
async fn posts_that_stall_behind_100_take_no_link() {
    matrix(Kind::StalledExpect).await;
}

#[tokio::test]
async fn slow_readers_are_cut() {
    matrix(Kind::SlowReader).await;
}

#[tokio::test]
async fn those_who_do_not_read_are_cut() {
    matrix(Kind::NoReader).await;
}

#[tokio::test]
async fn streams_whose_client_has_closed_are_closed() {
    matrix(Kind::Gone("events", Leaves::Closing)).await;
}

#[tokio::test]
async fn streams_whose_client_has_reset_are_closed() {
    matrix(Kind::Gone("events", Leaves::Resetting)).await;
}

#[tokio::test]
async fn work_whose_client_has_closed_takes_no_link() {
    matrix(Kind::Gone("slow", Leaves::Closing)).await;
}

#[tokio::test]
async fn work_whose_client_has_reset_takes_no_link() {
    matrix(Kind::Gone("slow", Leaves::Resetting)).await;
}

#[tokio::test]
async fn streams_that_are_read_leave_links_to_the_others() {
    matrix(Kind::Events).await;
}

#[tokio::test]
async fn half_a_line_takes_no_link() {
    matrix(Kind::HalfFrame(Tongue::Lines)).await;
}

#[tokio::test]
async fn half_a_counted_frame_takes_no_link() {
    matrix(Kind::HalfFrame(Tongue::Prefixed)).await;
}

#[tokio::test]
async fn half_a_command_takes_no_link() {
    matrix(Kind::HalfFrame(Tongue::Resp)).await;
}

#[tokio::test]
async fn transactions_that_do_not_end_leave_links_to_the_others() {
    matrix(Kind::Multi).await;
}

/// With a budget that 200 attackers would use up many times. When it is used up, 16 KiB of each client may be here.
#[tokio::test]
async fn what_is_kept_for_clients_stays_within_its_budget() {
    let budget = (4 << 20) + ATTACKERS as i64 * (16 << 10);
    for kind in [Kind::NoReader, Kind::StalledPost(100_000)] {
        let cell = Cell { kind, from: From::Each, links: Some(16) };
        let outcome = cell.play(Setup::by_default().top("buffer_budget: 4MiB"), budget).await;
        assert_eq!(outcome.problems, [""; 0]);
        let (proxy, _member) = &outcome._stand;
        assert_eq!(buffered(proxy), Some(0), "all is given back");
    }
}
