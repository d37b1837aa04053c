//! Depth follows a tame member in virtual time: many behind each other while it is quick, each alone while it is slow.
//! In: a member that is quick, slow, and quick again. Out: the depth after each.
//! Knows nothing of how depth is found.

use penstock::config::{FrameKind, Framing};
use penstock::metrics::DepthReason;

use crate::scene::{Scene, Temper};
use crate::world::World;

/// So often clients ask.
const TURN: u64 = 200_000;
const CEILING: u16 = 32;
const QUICK: u64 = 6_000;
const SLOW: u64 = 20_000_000;

fn tame(pipeline: u16) -> World {
    let seed = 7;
    let kind = FrameKind::Lines { crlf: false }; // of which none is long enough to be in the way of others
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
            framing: Some(Framing { kind, max_length: 4096, repeatable: false, refusal: None }),
            routes: 0,
            jumps: false,
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

fn turn(world: &mut World) {
    world.steps += 1;
    while let Some(seat) = world.connecting.pop() {
        world.connect(seat);
    }
    for c in 0..world.clients.len() {
        world.proceed(c);
        world.begin(c);
        while world.clients[c].body.is_some_and(|_| !world.clients[c].waits) {
            world.send_body(c);
        }
    }
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
    let mut world = tame(CEILING);
    run(&mut world, 300);
    println!("quick: {} {:?}", world.pool.depth.limit(), world.pool.depth.reason());
    assert!(world.pool.depth.limit() >= CEILING / 2, "depth {} for a quick member", world.pool.depth.limit());
    world.scene.temper.pace = SLOW;
    run(&mut world, 1000);
    println!("slow: {} {:?}", world.pool.depth.limit(), world.pool.depth.reason());
    assert_eq!(world.pool.depth.limit(), 1, "for a slow member");
    world.scene.temper.pace = QUICK;
    run(&mut world, 1000);
    println!("quick: {} {:?}", world.pool.depth.limit(), world.pool.depth.reason());
    assert!(world.pool.depth.limit() >= CEILING / 2, "depth {} when it is quick again", world.pool.depth.limit());
}

#[test]
fn without_pipelining_it_never_grows() {
    let mut world = tame(1);
    assert_eq!(run(&mut world, 300), 1);
    assert_eq!(world.pool.depth.reason(), DepthReason::Ceiling);
}
