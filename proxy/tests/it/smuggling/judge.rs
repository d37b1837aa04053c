//! Sends each case to the proxy while somebody else uses the same link, and looks at what came of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::smuggling::case::{Case, Ending, Wanted};
use crate::smuggling::cuts::Cut;
use crate::smuggling::recorder::{Entry, Recorder};
use crate::smuggling::reply::{Client, Reply};
use crate::support::stand::{Proxy, Setup};

/// Random cuts are made with this, and the number of the case.
const SEED: u64 = 5_2026;
/// Follows each case on its connection.
const MARKER: &[u8] = b"GET /marker HTTP/1.1\r\nHost: h\r\n\r\n";

pub(crate) type Verdict<T = ()> = Result<T, String>;

/// One link, on which many may be in flight, and that ends for nothing but what comes on it.
pub(crate) fn setup() -> Setup {
    let links = "links: { max_per_member: 1, pipeline: 8, pipeline_budget: 10s, rescue_after: off, idle_timeout: 10m }";
    Setup::new().workers(1).listener("via: penstock").backend(links)
}

/// Each case, cut in each way.
#[track_caller]
pub(crate) fn judge(setup: &Setup, cases: Vec<Case>) {
    let mut stage = Stage::new(setup);
    let mut faults = Vec::new();
    for (i, case) in cases.iter().enumerate() {
        let judged = Cut::all(SEED + i as u64).into_iter().try_for_each(|cut| {
            let judged = stage.judge(case, cut);
            judged.map_err(|why| format!("{} ({}), sent {cut:?}: {why}", case.name, case.about))
        });
        if let Err(why) = judged {
            faults.push(format!("{why}\n    {:.600}", case.bytes.escape_ascii().to_string()));
            stage = Stage::new(setup); // whatever it was, the next case is not to suffer from it
        }
    }
    assert!(faults.is_empty(), "{} of {} cases:\n{}", faults.len(), cases.len(), faults.join("\n"));
}

/// A member, a proxy before it, and the client whose answers must remain its own.
struct Stage {
    proxy: Proxy,
    member: Recorder,
    bystander: Bystander,
    /// Requests to the member that the proxy has counted.
    counted: i64,
}

impl Stage {
    fn new(setup: &Setup) -> Self {
        let member = Recorder::start();
        let proxy = setup.before_one(member.address);
        let client = Client::connect(proxy.address());
        Self { bystander: Bystander { client, asked: 0 }, proxy, member, counted: 0 }
    }

    fn judge(&mut self, case: &Case, cut: Cut) -> Verdict {
        let (from, asked) = (self.member.log.len(), self.bystander.asked);
        let address = self.proxy.address();
        let stop = AtomicBool::new(false);
        let (sent, beside) = std::thread::scope(|scope| {
            let beside = scope.spawn(|| self.bystander.run(&stop));
            let sent = send(Client::connect(address), case, cut);
            stop.store(true, Ordering::SeqCst);
            (sent, beside.join().unwrap())
        });
        let settled = self.settle();
        let noted = self.member.log.since(from);
        let counted = sent.and(settled).map_err(|why| format!("{why}; the member saw {}", tell(&noted)))?;
        beside.map_err(|why| format!("the other client: {why}"))?;
        let before = std::mem::replace(&mut self.counted, counted);
        look(case, &noted, self.bystander.asked - asked, counted - before)
    }

    /// Waits until nothing is in flight, and the member has read what was sent to it. How many requests were counted.
    fn settle(&self) -> Verdict<i64> {
        for _ in 0..2000 {
            let scrape = self.proxy.scrape();
            let busy = [
                "penstock_requests_in_flight",
                "penstock_pool_waiting",
                "penstock_backend_requests_in_flight",
            ];
            let quiet = busy.iter().all(|name| scrape.sum(name) == 0)
                && scrape.sum("penstock_client_connections") == 1
                && scrape.sum("penstock_backend_connections") == self.member.log.open();
            if quiet {
                return Ok(scrape.sum("penstock_backend_requests_total"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err("the proxy never came to rest".to_owned())
    }
}

/// Compares what the member saw with what it should have, and with what the proxy counted.
fn look(case: &Case, noted: &[Entry], beside: usize, counted: i64) -> Verdict {
    let (own, others): (Vec<_>, Vec<_>) = noted.iter().partition(|entry| !is_beside(entry));
    if others.len() != beside {
        return Err(format!("{} requests of the other client, of {beside}", others.len()));
    }
    let seen = (beside + compare(case, &own)?) as i64;
    // What was given up may never have left.
    let unsent = matches!(case.ending, Ending::Broken(..) | Ending::Unfinished);
    if counted == seen || (unsent && counted == seen + 1) {
        return Ok(());
    }
    Err(format!("{counted} requests were counted and {seen} seen: {}", tell(noted)))
}

/// How many requests there were.
fn compare(case: &Case, noted: &[&Entry]) -> Verdict<usize> {
    let marker = matches!(case.ending, Ending::Stays).then(|| crate::smuggling::case::get("/marker"));
    let mut noted = noted.iter();
    let mut requests = 0;
    for wanted in case.seen.iter().chain(&marker) {
        match noted.next() {
            Some(Entry::Request(seen)) => match wanted.differs(seen) {
                Some(why) => return Err(format!("{why}; {:?}", seen.raw.escape_ascii().to_string())),
                None => requests += 1,
            },
            other => return Err(format!("{wanted:?} was expected instead of {}", tell(other.copied()))),
        }
    }
    let rest: Vec<_> = noted.copied().collect();
    match (case.ending, rest.as_slice()) {
        (_, []) => Ok(requests),
        (Ending::Broken(..) | Ending::Unfinished, [Entry::Request(half)]) if !half.whole => Ok(requests + 1),
        (Ending::Tunnel(raw), [Entry::Raw(_, seen)]) if seen == raw => Ok(requests),
        _ => Err(format!("the member saw more: {}", tell(rest))),
    }
}

pub(crate) fn tell<'e>(noted: impl IntoIterator<Item = &'e Entry>) -> String {
    let tell = |entry: &Entry| match entry {
        Entry::Request(seen) if seen.whole => format!("[{}]", seen.raw.escape_ascii()),
        Entry::Request(seen) => format!("[cut off: {}]", seen.raw.escape_ascii()),
        Entry::Raw(_, raw) => format!("[raw: {}]", raw.escape_ascii()),
        Entry::Fault(why, raw) => format!("[{why}: {}]", raw.escape_ascii()),
    };
    noted.into_iter().filter(|entry| !is_beside(entry)).map(tell).collect()
}

pub(crate) fn is_beside(entry: &Entry) -> bool {
    matches!(entry, Entry::Request(seen) if seen.whole && seen.body.is_empty() && seen.target.starts_with("/beside/"))
}

/// Sends the case, and reads what comes of it.
fn send(mut client: Client, case: &Case, cut: Cut) -> Verdict {
    let behind: &[u8] = match case.ending {
        Ending::Unfinished | Ending::Tunnel(_) => b"",
        _ => MARKER,
    };
    cut.send(&mut client.stream, &[&case.bytes[..], behind].concat());
    if matches!(case.ending, Ending::Unfinished) {
        client.finish();
    }
    for wanted in &case.seen {
        answered(wanted, &client.reply(wanted.method()).whole()?)?;
    }
    match case.ending {
        Ending::Stays => answered(&crate::smuggling::case::get("/marker"), &client.reply("GET").whole()?),
        Ending::Closes => over(&mut client),
        Ending::Refused(status, cause) | Ending::Broken(status, cause) => {
            let reply = client.reply("GET").whole()?;
            if (reply.status, reply.cause().as_str()) != (status, cause) {
                return Err(format!(
                    "{status} {cause} was expected, not {} {:?}",
                    reply.status,
                    reply.cause()
                ));
            }
            over(&mut client)
        }
        Ending::Unfinished => over_or_refused(&mut client),
        Ending::Tunnel(raw) => match client.take(raw.len())? {
            echoed if echoed == raw => Ok(()),
            echoed => Err(format!("{:?} came out of the tunnel", echoed.escape_ascii().to_string())),
        },
    }
}

fn answered(wanted: &Wanted, reply: &Reply) -> Verdict {
    let has_body =
        wanted.status >= 200 && wanted.status != 204 && !matches!(wanted.method(), "HEAD" | "CONNECT");
    if reply.status != wanted.status || (has_body && reply.body != wanted.echo()) {
        return Err(format!("{wanted:?} was answered with {} {:?}", reply.status, reply.cause()));
    }
    Ok(())
}

fn over(client: &mut Client) -> Verdict {
    match client.rest()? {
        rest if rest.is_empty() => Ok(()),
        rest => Err(format!("more came: {:?}", rest.escape_ascii().to_string())),
    }
}

/// Half a request is nothing, or refused; at most it is told to go on.
fn over_or_refused(client: &mut Client) -> Verdict {
    let rest = client.rest()?;
    let last = rest.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&rest);
    if last.is_empty() || last.starts_with(b"HTTP/1.1 400 ") {
        return Ok(());
    }
    Err(format!("half a request was answered: {:?}", rest.escape_ascii().to_string()))
}

/// Somebody who shares the link.
pub(crate) struct Bystander {
    pub(crate) client: Client,
    pub(crate) asked: usize,
}

impl Bystander {
    /// Asks and asks, and at least once after it was told to stop.
    fn run(&mut self, stop: &AtomicBool) -> Verdict {
        loop {
            let last = stop.load(Ordering::SeqCst);
            self.ask(1 + self.asked % 3)?;
            if last {
                return Ok(());
            }
        }
    }

    /// So many at once.
    pub(crate) fn ask(&mut self, count: usize) -> Verdict {
        let targets: Vec<_> = (0..count).map(|i| format!("/beside/{}", self.asked + i)).collect();
        let all: String =
            targets.iter().map(|t| format!("GET {t} HTTP/1.1\r\nHost: beside\r\n\r\n")).collect();
        self.asked += count;
        self.client.send(all);
        for target in targets {
            let reply = self.client.reply("GET").whole()?;
            if (reply.status, reply.cause()) != (200, format!("GET {target}")) {
                return Err(format!("{target} was answered with {} {:?}", reply.status, reply.cause()));
            }
        }
        Ok(())
    }
}
