//! Simulates the links of one worker to one member, in virtual time, with a member and clients that do what they like.
//!
//! Every exchange must end once, in order, at its own client. `PENSTOCK_SEED` runs one seed; otherwise a million steps of fixed
//! seeds are run. No socket takes part: a model of `pool/mod.rs`, `connection.rs` and `client/` drives the pure parts.

mod client;
mod cuts;
mod depth;
mod frames;
mod kinds;
mod ledger;
mod origin;
#[path = "../../src/link/pool/retry_budget.rs"]
mod retry_budget;
#[path = "../../src/worker/tests/simulation/rng.rs"]
mod rng;
mod scene;
#[path = "../../src/worker/tests/simulation/wire.rs"]
mod wire;
mod world;

use std::collections::BTreeMap;
use std::panic::catch_unwind;

use origin::PATIENCE;
use scene::Scene;
use world::{Link, World, note};

const SEED: u64 = 0x9e25_70c4;
const RUNS: u64 = 200;
const STEPS: u64 = 5_000;

type Counts = BTreeMap<&'static str, u64>;

#[test]
fn every_exchange_ends_once_in_order_at_its_own_client() {
    if let Ok(seed) = std::env::var("PENSTOCK_SEED") {
        let (steps, counts) = run(parse(&seed), true);
        return println!("{steps} steps: {counts:#?}");
    }
    println!("seeds {SEED:#x} to {:#x}", SEED + RUNS - 1);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let run_part = |part| (0..RUNS).filter(|i| i % threads == part).map(|i| run_once(SEED + i)).collect();
    let results: Vec<Vec<(u64, Counts)>> = std::thread::scope(|scope| {
        #[expect(clippy::needless_collect, reason = "all are begun before one is awaited")]
        let parts: Vec<_> = (0..threads).map(|part| scope.spawn(move || run_part(part))).collect();
        parts.into_iter().map(|part| part.join().expect("a seed that fails is shown above")).collect()
    });
    let mut counts = Counts::new();
    let mut steps = 0;
    for (more, kinds) in results.into_iter().flatten() {
        steps += more;
        kinds.into_iter().for_each(|(kind, count)| *counts.entry(kind).or_insert(0) += count);
    }
    println!("{steps} steps: {counts:#?}");
    assert!(steps >= 1_000_000);
    kinds::each_came_to_pass(&counts);
}

fn parse(seed: &str) -> u64 {
    let hex = seed.strip_prefix("0x");
    hex.map_or_else(|| seed.parse(), |hex| u64::from_str_radix(hex, 16)).expect("PENSTOCK_SEED is a number")
}

/// Notes cost more than the run: where it fails it is run again, to take them.
fn run_once(seed: u64) -> (u64, Counts) {
    catch_unwind(|| run(seed, false)).unwrap_or_else(|_| run(seed, true))
}

fn run(seed: u64, notes: bool) -> (u64, Counts) {
    let mut world = World::new(Scene::new(seed), notes);
    for _ in 0..STEPS {
        world.steps += 1;
        step(&mut world);
        world.check();
    }
    come_to_rest(&mut world);
    (world.steps, std::mem::take(&mut world.ledger.counts))
}

fn step(world: &mut World) {
    let c = world.rng.below(world.clients.len());
    let stormy = !world.scene.is_calm();
    match world.rng.below(100) {
        0..18 => ask(world, c),
        18..24 => {
            world.send_body(c);
            world.say(c);
        }
        24..50 => on_link(world, |link, _| link.has_to_write(), World::write),
        50..78 => on_link(world, Link::has_to_read, World::read),
        78..81 => connect(world),
        81..91 => pass_time(world),
        91 => world.look(),
        92..94 => {
            world.recover();
            world.refusing &= world.rng.one_in(3);
        }
        94 => stall(world, c),
        95 if world.rng.one_in(4) => world.abort(c),
        95 if world.rng.one_in(4) => abort_long(world),
        96 if world.rng.one_in(4) => world.give_up(c),
        97 if stormy && world.rng.one_in(4) => world.close_somewhere(),
        97 if world.scene.refuses && world.rng.one_in(20) => world.restart(),
        98 if stormy && world.rng.one_in(4) => on_link(world, |_, _| true, World::unsolicited),
        99 if world.scene.refuses && world.rng.one_in(8) => world.refusing = !world.refusing,
        99 if world.rng.one_in(8) => world.clients[c].draining = true,
        _ => {}
    }
    world.now += world.rng.range(0, 2_000);
}

/// As a rule a link that has something to do.
fn on_link(world: &mut World, has_to: fn(&Link, u64) -> bool, does: fn(&mut World, u64)) {
    let any = world.rng.one_in(4);
    let now = world.now;
    let fit: Vec<u64> =
        world.links.iter().filter(|(_, link)| any || has_to(link, now)).map(|(at, _)| *at).collect();
    if !fit.is_empty() {
        let at = world.rng.pick(&fit);
        does(world, at);
    }
}

/// One who has had much of a long answer goes away.
fn abort_long(world: &mut World) {
    let long = (0..world.clients.len()).find(|c| world.clients[*c].has_got() > 20_000);
    if let Some(c) = long {
        world.abort(c);
    }
}

/// One client asks, or some do in the same turn.
fn ask(world: &mut World, c: usize) {
    let count = world.rng.pick(&[1, 1, 2, 6]);
    for i in 0..count {
        let c = (c + i) % world.clients.len();
        world.proceed(c);
        if world.begin(c) && world.rng.one_in(3) {
            world.begin(c);
        }
    }
    world.pool.turn_ended();
}

fn stall(world: &mut World, c: usize) {
    let stalled = world.clients[c].stalled;
    if stalled || world.rng.one_in(3) {
        world.clients[c].stall(!stalled);
    }
}

fn connect(world: &mut World) {
    if world.connecting.is_empty() {
        return;
    }
    let i = world.rng.below(world.connecting.len());
    let link_id = world.connecting.swap_remove(i);
    world.connect(link_id);
}

/// As a rule to when something comes, or is due; in some scenes now and then past every timeout.
fn pass_time(world: &mut World) {
    let now = world.now;
    let jumps = world.scene.jumps || world.ledger.open() == 0;
    world.now = match world.rng.below(200) {
        0 if jumps => now + 2 * PATIENCE,
        1..10 if jumps => now + world.rng.range(0, 8_000_000),
        _ => world.next_due().map_or(now, |due| due.max(now)),
    };
    let rescued = world.ledger.rescued;
    if !world.rng.one_in(4) {
        world.rescue();
    }
    // A link whose head is slow may also end, before those who were taken off it have gone on.
    if world.ledger.rescued > rescued && !world.scene.is_calm() && world.rng.one_in(2) {
        world.close_somewhere();
    }
}

/// Nobody asks for more, the member behaves: all that was begun must end.
fn come_to_rest(world: &mut World) {
    note!(world, "nobody asks for more");
    (world.scene.temper.faults, world.refusing) = (0, false);
    world.clients.iter_mut().for_each(|client| client.stall(false));
    let mut rounds = 0;
    while world.ledger.open() > 0 || world.pool.waiting() > 0 {
        rounds += 1;
        assert!(rounds < 20_000, "{} never end, {} wait", world.ledger.open(), world.pool.waiting());
        world.steps += 1;
        round(world);
        world.check();
    }
}

fn round(world: &mut World) {
    for c in 0..world.clients.len() {
        world.proceed(c);
        if world.clients[c].unread.is_some() {
            world.begin(c);
        }
        world.send_body(c);
        world.fall_silent(c);
    }
    let standing: Vec<u64> = world.links.keys().copied().collect(); // reading may end some
    for at in standing {
        world.write(at);
        world.read(at);
    }
    while !world.connecting.is_empty() {
        connect(world);
    }
    world.recover();
    world.look();
    let due = world.next_due().unwrap_or(0).clamp(world.now, world.now + 1_000_000);
    world.now = due.max(world.now + 50_000);
}
