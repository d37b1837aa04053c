//! Plays each response to a victim, while somebody else uses the same link, and looks at what both have got.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::smuggling::cuts::Cut;
use crate::smuggling::judge::{Bystander, Verdict, setup, tell};
use crate::smuggling::play;
use crate::smuggling::poison::{OLD, Place, Poison, Then, Victim};
use crate::smuggling::recorder::{Entry, Link, Recorder};
use crate::smuggling::reply::{Client, Outcome, Reply};
use crate::support::stand::Proxy;

/// Random cuts are made with this, and the number of the case.
const SEED: u64 = 52_026;

/// Each answer, at each of its places, cut in two ways.
#[track_caller]
pub(crate) fn judge(cases: Vec<Poison>) {
    let mut faults = Vec::new();
    for (i, case) in cases.into_iter().map(Arc::new).enumerate() {
        let random = Cut::Random(SEED + i as u64);
        let runs = case.places.iter().flat_map(|place| match place {
            Place::Behind => [(*place, Cut::Whole), (*place, random)],
            Place::Later | Place::Idle => [(*place, Cut::Whole), (*place, Cut::Bytes)],
        });
        let judged = runs.into_iter().try_for_each(|(place, cut)| {
            let judged = Stage::new(&case, place, cut).judge();
            judged.map_err(|why| format!("{} ({}), {place:?}, sent {cut:?}: {why}", case.name, case.about))
        });
        if let Err(why) = judged {
            faults.push(format!("{why}\n    {:.600}", case.bytes.escape_ascii().to_string()));
        }
    }
    assert!(faults.is_empty(), "{} cases:\n{}", faults.len(), faults.join("\n"));
}

/// A member of its own for each run: who broke the rules twice gets no pipelines any more.
struct Stage {
    case: Arc<Poison>,
    place: Place,
    member: Recorder,
    proxy: Proxy,
    bystander: Bystander,
    /// Something may come on the idle link.
    go: Arc<AtomicBool>,
}

impl Stage {
    fn new(case: &Arc<Poison>, place: Place, cut: Cut) -> Self {
        let go = Arc::new(AtomicBool::new(false));
        let (own, gate) = (case.clone(), go.clone());
        let member = Recorder::serving(move |link| serve(link, &own, place, cut, &gate));
        // What is answered before its body has come must have come to the member.
        let setup = if case.early { setup().listener("request_buffer: 0B") } else { setup() };
        let proxy = setup.before_one(member.address);
        let bystander = Bystander { client: Client::connect(proxy.address()), asked: 0 };
        Self { case: case.clone(), place, member, proxy, bystander, go }
    }

    fn judge(mut self) -> Verdict {
        self.bystander.ask(1)?; // so that the link has proved itself
        let mut victim = Client::connect(self.proxy.address());
        match self.place {
            Place::Idle => self.go.store(true, Ordering::SeqCst),
            Place::Later => _ = victim.send(self.case.asked),
            Place::Behind => {
                victim.send(self.case.asked);
                self.wait("the member was asked", |noted| noted.iter().any(is_victims))?;
                self.bystander.client.send("GET /beside/1 HTTP/1.1\r\nHost: h\r\n\r\n");
            }
        }
        self.look_at(&mut victim).map_err(|why| format!("the victim: {why}"))?;
        if self.place == Place::Behind {
            let reply = self.bystander.client.reply("GET").whole();
            unharmed(&reply.map_err(|why| format!("who was behind it: {why}"))?, 1)?;
            self.bystander.asked = 2;
        }
        if !self.case.kept {
            self.wait("the link has ended", |_| self.member.log.has_ended(0))?;
        }
        self.go_on(victim)
    }

    /// Everybody goes on, on a clean link.
    fn go_on(mut self, mut victim: Client) -> Verdict {
        let from = self.member.log.len();
        self.bystander.ask(2).map_err(|why| format!("later: {why}"))?;
        if self.case.kept && self.case.asked != OLD {
            victim.send("GET /after HTTP/1.1\r\nHost: h\r\n\r\n");
            match victim.reply("GET").whole() {
                Ok(reply) if reply.cause() == "GET /after" => {}
                other => return Err(format!("the victim went on, and got {other:?}")),
            }
        }
        let noted = self.member.log.since(0);
        let clean = |entry: &Entry| match entry {
            Entry::Request(seen) => seen.whole || (self.case.early && seen.target == "/victim"),
            Entry::Raw(..) | Entry::Fault(..) => false,
        };
        if !noted.iter().all(clean) {
            return Err(format!("the member saw {}", tell(&noted)));
        }
        let on_first = noted[from..].iter().filter(|e| matches!(e, Entry::Request(s) if s.link == 0)).count();
        match (self.case.kept, on_first) {
            (true, 0) => Err("the link was given up".to_owned()),
            (false, 1..) => Err("the link was used again".to_owned()),
            _ => Ok(()),
        }
    }

    fn look_at(&self, victim: &mut Client) -> Verdict {
        if self.case.victim == Victim::Nobody {
            return Ok(());
        }
        match (&self.case.victim, victim.reply(self.case.method())) {
            (Victim::Gets(status, body, trailers, interim), Outcome::Whole(reply)) => {
                let (wanted, got) =
                    ((status, body, trailers.to_vec()), (&reply.status, &reply.body, reply.trailers.clone()));
                if wanted != got || *interim != reply.interim.len() {
                    return Err(format!("{:?} was expected, not {reply:?}", self.case.victim));
                }
                Ok(())
            }
            (Victim::Broken, Outcome::Short(..)) => Ok(()),
            (Victim::Broken | Victim::Fails, Outcome::Whole(reply)) if failed(&reply) => Ok(()),
            (_, other) => Err(format!("{:?} was expected, not {other:?}", self.case.victim)),
        }
    }

    fn wait(&self, what: &str, holds: impl Fn(&[Entry]) -> bool) -> Verdict {
        for _ in 0..2000 {
            if holds(&self.member.log.since(0)) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err(format!("never came true: {what}"))
    }
}

fn is_victims(entry: &Entry) -> bool {
    matches!(entry, Entry::Request(seen) if seen.target == "/victim")
}

/// 502 for a reason that is the member's fault; to HEAD the reason is not told.
fn failed(reply: &Reply) -> bool {
    let causes =
        ["", "bad_response", "response_too_large", "backend_reset", "truncated", "stale_nonidempotent"];
    reply.status == 502 && causes.contains(&reply.cause().as_str())
}

/// Its own answer, or none.
fn unharmed(reply: &Reply, number: usize) -> Verdict {
    let own = (reply.status, reply.cause()) == (200, format!("GET /beside/{number}"));
    if own || failed(reply) { Ok(()) } else { Err(format!("who was behind it got {reply:?}")) }
}

/// The member: right to everybody but the victim.
fn serve(mut link: Link, case: &Poison, place: Place, cut: Cut, go: &AtomicBool) {
    loop {
        let victims = case.early.then(|| link.next_head()).flatten().filter(|seen| seen.target == "/victim");
        let Some(seen) = victims.or_else(|| link.next()) else { return };
        if seen.target != "/victim" {
            cut_free(&mut link, &play::answer(&seen).bytes);
            if place == Place::Idle && link.number == 0 {
                while !go.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                cut.send(&mut link.stream, &case.bytes);
            }
            continue;
        }
        let behind = if place == Place::Behind && link.number == 0 { link.next() } else { None };
        cut.send(&mut link.stream, &case.bytes);
        match case.then {
            Then::Stays => behind.iter().for_each(|seen| cut_free(&mut link, &play::answer(seen).bytes)),
            Then::Closes => return,
            Then::Resets => {
                return socket2::SockRef::from(&link.stream).set_linger(Some(Duration::ZERO)).unwrap();
            }
        }
        if case.early {
            while link.next().is_some() {}
            return;
        }
    }
}

/// Whether the proxy still listens does not matter.
fn cut_free(link: &mut Link, bytes: &[u8]) {
    Cut::Whole.send(&mut link.stream, bytes);
}
