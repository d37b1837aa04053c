//! Chaos: kills, stops, resets, reloads, a shortage of descriptors and full disks, under load, by a seed that is printed.
//! Afterwards no answer was another's, no request was left without an end, every gauge is what a recount says, and memory
//! and descriptors are what they were. A minute of it runs with all other tests; by hand it can be longer:
//! `PENSTOCK_CHAOS_SECONDS=600 PENSTOCK_CHAOS_SEED=7 cargo test -p penstock --test it chaos:: -- --nocapture`
//!
//! `schedule` draws what happens and makes it happen, `setup` draws configurations, `process` has the members and the clients
//! that are killed, `load` the clients that check every answer. Nothing asserts how long something took.

mod load;
mod process;
mod schedule;
mod setup;

use std::path::PathBuf;
use std::time::Duration;

use penstock::config::{Settings, parse};
use rustix::process::Signal;

use crate::support::binary::Binary;
use crate::support::scrape::Scrape;
use crate::support::wire::Wire;
use crate::support::{recount, stand};
use load::Load;
use process::{Members, are_here};
use schedule::Schedule;
use setup::{Places, Shape};

/// How long chaos lasts where nobody says otherwise. With what comes before and after it that is about a minute.
const SECONDS: u64 = 30;
const SEED: u64 = 12;
/// How much more memory may be held when all is over than before it began.
const MEMORY: usize = 20 << 20;
/// How long it may take until all is as it was: generous, as machines are slow.
const LOOKS: usize = 90;
const PAUSE: Duration = Duration::from_millis(500);

#[test]
fn chaos_mixes_nothing_up_and_leaves_nothing_behind() {
    if !are_here() {
        return;
    }
    let number = |name, otherwise| std::env::var(name).map_or(otherwise, |text| text.parse().unwrap());
    let (seconds, seed) = (number("PENSTOCK_CHAOS_SECONDS", SECONDS), number("PENSTOCK_CHAOS_SEED", SEED));
    println!("chaos: {seconds} s, seed {seed}");
    penstock_bench::raise_descriptor_limit().unwrap();
    let directory = stand::directory("chaos");
    let places = Places::choose();
    let whole = Shape::whole(&places, &directory).text();
    let members = Members::start(&places, &directory);
    let binary = Binary::run(&whole);
    let mut world = World { binary, places, members, directory };

    world.look(&whole, 0); // before any load
    let before = world.usage();
    world.members.replace_crowd();
    let load = Load::start(&world.places, seed, Duration::from_secs(seconds));
    let mut schedule = Schedule::new(seed);
    schedule.run(&mut world, Duration::from_secs(seconds));
    world.mend();
    assert!(world.reload(&whole), "the last configuration is good: {}", world.binary.err());
    println!("{schedule}");
    let seen = load.end();
    println!("{seen}");

    let faults = world.look(&whole, LOOKS);
    faults.iter().for_each(|fault| println!("{fault}"));
    // What is still there holds memory and descriptors: then one look is enough.
    let after =
        if faults.is_empty() { world.until_usage_is(|now| now.is_back_to(&before)) } else { world.usage() };
    println!("before: {before:?}\nafter:  {after:?}");
    world.binary.signal(Signal::TERM);
    let exit = world.binary.exit();
    let said = world.binary.err();
    let found = [
        seen.faults(),
        faults,
        after.faults(&before),
        (exit != Some(0)).then(|| format!("it ended with {exit:?}")).into_iter().collect(),
        said.lines().filter(|line| line.contains("panic")).map(ToOwned::to_owned).collect(),
    ];
    let found = found.concat();
    assert!(found.is_empty(), "seed {seed}, {seconds} s:\n{}\nit said:\n{said}", found.join("\n"));
}

/// The proxy, what is around it, and where it is.
struct World {
    binary: Binary,
    places: Places,
    members: Members,
    directory: PathBuf,
}

/// What the proxy takes of the machine.
#[derive(Debug)]
struct Usage {
    /// Resident, in bytes.
    memory: usize,
    descriptors: usize,
    /// Links that stand.
    links: usize,
    /// Ends of pipes, which are kept for later.
    pipes: usize,
}

impl World {
    /// Gives the proxy another configuration. Tells whether it has taken it.
    fn reload(&self, text: &str) -> bool {
        let taken = || {
            self.binary.out().iter().filter(|line| line.contains("the new configuration is in use")).count()
        };
        let before = taken();
        self.binary.reload(text);
        taken() > before
    }

    fn scrape(&self) -> String {
        let answer = Wire::connect(self.places.admin).get("/metrics");
        answer.text().to_owned()
    }

    /// What recounts find wrong, as soon as that is nothing; else after the last look.
    fn look(&self, text: &str, looks: usize) -> Vec<String> {
        let settings: Settings =
            parse("chaos.yaml", text, &|_| None).unwrap_or_else(|why| panic!("{why}")).settings;
        let mut faults = Vec::new();
        for _ in 0..=looks {
            let metrics = self.scrape();
            faults = recount::faults(&metrics, &settings, false);
            let scrape = Scrape::new(&metrics);
            let panics = scrape.sum("penstock_panics_total")
                + scrape.sum_of("penstock_request_errors_total", &["cause=\"internal\""]);
            faults.extend(
                (panics != 0).then(|| format!("{panics} panics and exchanges that ended with `internal`")),
            );
            if faults.is_empty() {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        faults
    }

    fn usage(&self) -> Usage {
        let process = PathBuf::from(format!("/proc/{}", self.binary.id()));
        let status = std::fs::read_to_string(process.join("status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let memory = resident.trim_end_matches(" kB").trim().parse::<usize>().unwrap() << 10;
        let open = std::fs::read_dir(process.join("fd")).unwrap();
        let open: Vec<_> = open.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok()).collect();
        let pipes = open.iter().filter(|to| to.to_string_lossy().starts_with("pipe:")).count();
        let links = Scrape::new(&self.scrape()).sum("penstock_backend_connections");
        Usage { memory, descriptors: open.len(), links: links as usize, pipes }
    }

    /// The first usage that is right, or the last.
    fn until_usage_is(&self, right: impl Fn(&Usage) -> bool) -> Usage {
        for _ in 0..LOOKS {
            let now = self.usage();
            if right(&now) {
                return now;
            }
            std::thread::sleep(PAUSE);
        }
        self.usage()
    }

    /// Everybody is there again, and goes on.
    fn mend(&mut self) {
        self.binary.signal(Signal::CONT);
        schedule::descriptors(&self.binary, None);
        self.members.mend();
        self.members.end_crowd();
    }
}

impl Usage {
    /// Descriptors that are neither links nor pipes.
    fn others(&self) -> usize {
        self.descriptors.saturating_sub(self.links + self.pipes)
    }

    fn is_back_to(&self, before: &Self) -> bool {
        self.faults(before).is_empty()
    }

    fn faults(&self, before: &Self) -> Vec<String> {
        let memory = self.memory > before.memory + MEMORY;
        let memory =
            memory.then(|| format!("{} KiB of memory more than before", (self.memory - before.memory) >> 10));
        let more = self.others() > before.others();
        let more = more.then(|| format!("{} descriptors more than before", self.others() - before.others()));
        memory.into_iter().chain(more).collect()
    }
}
