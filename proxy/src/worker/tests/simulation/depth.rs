//! Depth follows a tame member that is quick: many requests are behind each other, unless the configuration forbids it.

use super::runtime;
use super::world::World;

const CEILING: u16 = 32;
/// Longest time to an answer of a quick member, in ns.
const QUICK: u64 = 6_000;

#[test]
fn it_grows_while_answers_are_quick() {
    runtime().block_on(async {
        let mut world = World::of_lines(CEILING);
        world.set_pace(QUICK);
        world.run(300).await;
        assert!(world.depth() >= CEILING / 2, "{} for a quick member", world.depth());
        world.end().await;
    });
}

#[test]
fn without_pipelining_it_never_grows() {
    runtime().block_on(async {
        let mut world = World::of_lines(1);
        world.set_pace(QUICK);
        world.run(200).await;
        assert_eq!(world.depth(), 1);
        world.end().await;
    });
}
