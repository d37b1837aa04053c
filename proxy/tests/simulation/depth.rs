//! Depth follows a tame member in virtual time: many behind each other while it is quick, each alone while it is slow.

use penstock::config::{FrameKind, Framing};
use penstock::link::DepthLimit;

use crate::scene::{Scene, Temper};
use crate::world::{PAUSE, World};

/// So often clients ask.
const TURN: u64 = 200_000;
const CEILING: u16 = 32;
const QUICK: u64 = 6_000;
const SLOW: u64 = 20_000_000;
const LINES: FrameKind = FrameKind::Lines { crlf: false };

fn tame(pipeline: u16, kind: FrameKind) -> World {
    let seed = 7;
    println!("seed {seed}");
    World::new(
        Scene {
            seed,
            clients: 16,
            share: 2,
            pipeline,
            all_methods: false,
            queue_max: 1000,
            max_requests: None,
            rescue_after: None,
            rescue_budget: 0,
            // No answer is long enough to be in the way of others.
            framing: Some(Framing { kind, max_length: 4096, repeatable: false, refusal: None }),
            routes: 0,
            jumps: false,
            refuses: false,
            temper: Temper { faults: 0, pace: QUICK, slow_route: 1, hiccups: u64::MAX },
        },
        false,
    )
}

/// All clients ask whenever they may, for so many milliseconds. Gives the greatest depth that was seen.
fn run(world: &mut World, milliseconds: u64) -> u16 {
    let until = world.now + milliseconds * 1_000_000;
    let mut most = 0;
    while world.now < until {
        turn(world);
        most = most.max(world.pool.depth.limit());
    }
    most
}

/// All ask, all that they ask is written, and then this happens, until it has cost a link its pipeline.
fn amid_a_pipeline(world: &mut World, happens: fn(&mut World)) {
    let closed = |world: &World| world.ledger.counts.get("closed amid a pipeline").copied();
    let before = closed(world);
    for _ in 0..100 {
        run(world, 20); // so that links have answered
        ask(world);
        let links: Vec<u64> = world.links.keys().copied().collect();
        for at in links {
            while world.links[&at].has_to_write() {
                world.write(at);
            }
        }
        happens(world);
        run(world, 2);
        world.refusing = false;
        if closed(world) != before {
            return;
        }
    }
    panic!("no link is closed amid a pipeline");
}

fn depth(world: &World) -> u16 {
    let depth = &world.pool.depth;
    println!("at {} ms depth {}: {:?}", world.now / 1_000_000, depth.limit(), depth.reason());
    depth.limit()
}

fn ask(world: &mut World) {
    for c in 0..world.clients.len() {
        world.proceed(c);
        world.begin(c);
        world.fall_silent(c);
    }
}

fn turn(world: &mut World) {
    world.steps += 1;
    world.recover();
    while let Some(link_id) = world.connecting.pop() {
        world.connect(link_id);
    }
    ask(world);
    let next = world.now + TURN;
    while world.now < next {
        let links: Vec<u64> = world.links.keys().copied().collect();
        for at in links {
            world.while_it_has_to(at);
        }
        world.now = world.next_due().unwrap_or(next).clamp(world.now + 1, next);
    }
    world.look();
    world.check();
}

#[test]
fn it_grows_while_answers_are_quick_and_falls_when_they_are_slow() {
    let mut world = tame(CEILING, LINES);
    run(&mut world, 300);
    assert!(depth(&world) >= CEILING / 2, "for a quick member");
    world.scene.temper.pace = SLOW;
    run(&mut world, 1000);
    assert_eq!(depth(&world), 1, "for a slow member");
    world.scene.temper.pace = QUICK;
    run(&mut world, 1000);
    assert!(depth(&world) >= CEILING / 2, "when it is quick again");
}

#[test]
fn what_is_slow_goes_alone_and_the_quick_stay_behind_each_other() {
    let mut world = tame(CEILING, FrameKind::Resp);
    (world.scene.share, world.scene.temper.slow_route) = (4, 3000);
    run(&mut world, 1000);
    let (depth, alone) = (depth(&world), world.ledger.counts["goes alone"]);
    assert!(alone >= 20, "{alone} of the slow route go alone");
    assert!(depth >= CEILING / 2, "depth {depth} beside a slow route");
}

#[test]
fn without_pipelining_it_never_grows() {
    let mut world = tame(1, LINES);
    assert_eq!(run(&mut world, 300), 1);
    assert_eq!(world.pool.depth.reason(), DepthLimit::Ceiling);
}

#[test]
fn who_closes_amid_a_pipeline_gets_depth_1_until_it_has_another_chance() {
    let mut world = tame(CEILING, LINES);
    for _ in 0..2 {
        run(&mut world, 150);
        assert!(depth(&world) > 1, "before");
        amid_a_pipeline(&mut world, World::close_somewhere);
        assert_eq!((depth(&world), world.pool.depth.reason()), (1, DepthLimit::Broken), "once is enough");
        world.now += PAUSE;
    }
    run(&mut world, 150);
    assert!(depth(&world) > 1, "after a while");
}

#[test]
fn who_restarts_has_another_chance() {
    let mut world = tame(CEILING, LINES);
    for _ in 0..4 {
        run(&mut world, 100);
        amid_a_pipeline(&mut world, World::restart);
        world.now += PAUSE;
    }
    run(&mut world, 150);
    assert!(depth(&world) >= CEILING / 2, "after restarts");
}
