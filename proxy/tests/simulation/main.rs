//! The links of one worker to one member, in virtual time, with a member and clients that do what they like.
//! In: a seed (`PENSTOCK_SEED`, or a fixed one). Out: every exchange ended once, in order, at its own client.
//! Knows nothing of sockets; what drives the pure parts here is a model of `shelf.rs` and `driver.rs`.

mod client;
mod cuts;
mod ledger;
mod origin;
mod rng;
mod wire;
mod world;

use std::collections::BTreeMap;

use origin::Temper;
use rng::Rng;
use world::{RESPONSE_TIMEOUT, Scene, World, note};

const SEED: u64 = 0x9e25_70c4;
const RUNS: u64 = 250;
const STEPS: u64 = 2_500;

#[test]
fn every_exchange_ends_once_in_order_at_its_own_client() {
    let seed = std::env::var("PENSTOCK_SEED").ok().map(|s| parse(&s));
    let seeds: Vec<u64> = seed.map_or_else(|| (0..RUNS).map(|i| SEED + i).collect(), |seed| vec![seed]);
    println!("seeds {:#x} to {:#x}", seeds[0], seeds[seeds.len() - 1]);
    let mut counts = BTreeMap::new();
    let mut steps = 0;
    for seed in &seeds {
        let mut world = World::new(scene(*seed));
        run(&mut world);
        steps += world.steps;
        for (what, count) in &world.ledger.counts {
            *counts.entry(what.clone()).or_insert(0) += count;
        }
    }
    println!("{steps} steps: {counts:#?}");
    if seeds.len() > 1 {
        assert!(steps >= 100_000);
        each_kind_of_end_came_to_pass(&counts);
    }
}

fn parse(seed: &str) -> u64 {
    let hex = seed.strip_prefix("0x");
    hex.map_or_else(|| seed.parse(), |hex| u64::from_str_radix(hex, 16)).expect("PENSTOCK_SEED is a number")
}

/// Half of the runs are calm, so that depth can grow; the others are not.
fn scene(seed: u64) -> Scene {
    let mut rng = Rng::new(!seed);
    let calm = seed.is_multiple_of(2);
    Scene {
        seed,
        clients: rng.range(1, 24) as usize,
        share: rng.range(1, 4) as usize,
        pipeline: rng.pick(&[1, 2, 8, 32]),
        all_methods: rng.one_in(4),
        queue_max: rng.pick(&[2, 100, 1000, 1000]),
        max_requests: rng.pick(&[None, None, Some(1), Some(20)]),
        temper: Temper {
            faults: if calm { 4 } else { 120 },
            pace: rng.pick(&[20_000, 200_000, 1_500_000]),
            patience: RESPONSE_TIMEOUT,
        },
    }
}

fn run(world: &mut World) {
    for _ in 0..STEPS {
        world.steps += 1;
        step(world);
        world.check();
    }
    come_to_rest(world);
}

fn step(world: &mut World) {
    let c = world.rng.below(world.clients.len());
    let ids: Vec<u64> = world.links.keys().copied().collect();
    let at = if ids.is_empty() { 0 } else { world.rng.pick(&ids) };
    let stormy = world.scene.temper.faults > 100;
    match world.rng.below(100) {
        0..14 => {
            world.proceed(c);
            world.begin(c);
        }
        14..22 => world.send_body(c),
        22..47 => world.write(at),
        47..82 => world.read(at),
        82..87 => connect(world),
        87..94 => pass_time(world),
        94 => world.look(),
        95 => {
            world.recover();
            world.refusing &= world.rng.one_in(3);
        }
        96 if world.rng.one_in(4) => world.abort(c),
        97 if stormy => world.close_somewhere(),
        98 if stormy && !ids.is_empty() => world.unsolicited(at),
        99 if stormy => world.refusing = !world.refusing && world.rng.one_in(2),
        99 if world.rng.one_in(8) => world.clients[c].draining = true,
        _ => {}
    }
    world.now += world.rng.range(0, 2_000);
}

fn connect(world: &mut World) {
    if world.connecting.is_empty() {
        return;
    }
    let i = world.rng.below(world.connecting.len());
    let seat = world.connecting.swap_remove(i);
    world.connect(seat);
}

/// As a rule to when something comes; now and then past every timeout.
fn pass_time(world: &mut World) {
    let now = world.now;
    world.now = match world.rng.below(200) {
        0 => now + 2 * RESPONSE_TIMEOUT,
        1..20 => now + world.rng.range(0, 8_000_000),
        _ => world.next_due().map_or(now, |due| due.max(now)),
    };
}

/// Nobody asks for more, the member behaves: all that was begun must end.
fn come_to_rest(world: &mut World) {
    note!(world, "nobody asks for more");
    (world.scene.temper.faults, world.refusing) = (0, false);
    let mut rounds = 0;
    while world.ledger.open() > 0 || world.pool.waiting() > 0 {
        rounds += 1;
        assert!(rounds < 5_000, "{} never end, {} wait", world.ledger.open(), world.pool.waiting());
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
    world.now += 50_000;
}

fn each_kind_of_end_came_to_pass(counts: &BTreeMap<String, u64>) {
    let kinds = [
        ("Answered", 15_000),
        ("Gone", 500),
        ("discarded", 100),
        ("replayed", 500),
        ("sent elsewhere", 200),
        ("joined", 1_000),
        ("Pipelined", 2_000),
        ("Opened", 2_000),
        ("Reused", 2_000),
        ("Cut(Truncated)", 30),
        ("Cut(BackendTimeout)", 3),
        ("Failed(QueueFull)", 100),
        ("Failed(QueueTimeout)", 100),
        ("Failed(ConnectRefused)", 100),
        ("Failed(NoMember)", 100),
        ("Failed(StaleNonidempotent)", 100),
        ("Failed(BackendReset)", 200),
        ("Failed(BackendTimeout)", 20),
        ("Failed(BadResponse)", 100),
    ];
    for (kind, least) in kinds {
        let count = counts.get(kind).copied().unwrap_or(0);
        assert!(count >= least, "the simulation shows too little: {count} of {kind}, not {least}");
    }
}
