//! Depth follows a tame member: many requests behind each other while it is quick, each alone while it is slow or has broken the rules.

use super::runtime;
use super::world::World;

const CEILING: u16 = 32;
/// Longest time to an answer, in ns, of a quick member and of a slow one.
const QUICK: u64 = 6_000;
const SLOW: u64 = 20_000_000;
/// Who broke the rules is probed after so many milliseconds, and some.
const PAUSE: u64 = 2_500;

#[test]
fn it_grows_while_answers_are_quick_and_falls_when_they_are_slow() {
    runtime().block_on(async {
        let mut world = World::of_lines(CEILING);
        world.set_pace(QUICK);
        world.run(200).await;
        assert!(world.depth() >= CEILING / 2, "{} for a quick member", world.depth());
        world.set_pace(SLOW);
        world.run(1_000).await;
        assert_eq!(world.depth(), 1, "for a slow member");
        world.set_pace(QUICK);
        world.run(300).await;
        assert!(world.depth() >= CEILING / 2, "{} when it is quick again", world.depth());
        world.end().await;
    });
}

#[test]
fn what_is_slow_goes_alone_and_the_quick_stay_behind_each_other() {
    runtime().block_on(async {
        let mut world = World::of_redis(QUICK, SLOW / QUICK);
        world.run(700).await; // in which it is learned
        let (behind, slow) = world.harm();
        world.run(1_500).await;
        let (behind, slow) = (world.harm().0 - behind, world.harm().1 - slow);
        assert!(slow >= 20, "{slow} of the slow class");
        assert!(behind * 5 <= slow, "{behind} were asked behind one of {slow} of the slow class");
        assert!(world.depth() >= CEILING / 2, "{} beside a slow class", world.depth());
        world.come_to_rest().await;
        world.end().await;
    });
}

#[test]
fn who_is_behind_an_answer_that_does_not_come_is_answered_elsewhere() {
    runtime().block_on(async {
        let mut world = World::of_repeatable_lines();
        world.set_pace(QUICK);
        world.run(200).await;
        let behind = world.hang(50_000_000).await;
        assert!(behind >= 3, "{behind} behind the first one");
        world.go_on(20_000_000).await;
        assert_eq!(world.awaiting(), 1, "only the one whose answer does not come");
        world.go_on(60_000_000).await;
        assert_eq!(world.awaiting(), 0, "in the end it comes");
        world.end().await;
    });
}

#[test]
fn who_restarts_has_another_chance() {
    runtime().block_on(async {
        let mut world = World::of_lines(CEILING);
        world.set_pace(QUICK);
        for restarts in 0..2 {
            world.run(100).await;
            assert!(world.depth() > 1, "after {restarts} restarts");
            world.restart_amid_pipelines().await;
            world.rest(PAUSE << restarts).await; // it doubles
        }
        world.run(150).await;
        assert!(world.depth() >= CEILING / 2, "{} after restarts", world.depth());
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

#[test]
fn who_closes_amid_a_pipeline_gets_depth_1_until_it_has_another_chance() {
    runtime().block_on(async {
        let mut world = World::of_lines(CEILING);
        world.set_pace(QUICK);
        world.run(150).await;
        assert!(world.depth() > 1, "before");
        world.break_pipelines().await;
        assert_eq!(world.depth(), 1, "once is enough");
        world.rest(PAUSE).await;
        world.run(100).await;
        assert!(world.depth() > 1, "after a while");
        world.end().await;
    });
}
