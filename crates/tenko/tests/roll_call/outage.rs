//! When the store itself can't be reached.

use std::sync::atomic::Ordering;

use tenko_core::Kind;

use super::world::World;

/// A daily job is expected, and from 05:20 on the store is away.
async fn away_from_05_20() -> World {
    let world = World::at("04:00").expect("report", "0 5 * * *");
    world.roll_call("04:00").await;
    world.store.away.store(true, Ordering::Relaxed);
    fails(&world, "05:20").await;
    world
}

async fn fails(world: &World, time: &str) {
    world.clock.set(time);
    world.checker().roll_call().await.unwrap_err();
}

#[tokio::test]
async fn fault_31_could_not_tell_is_not_down_and_is_told_after_three_tries() {
    let world = away_from_05_20().await;
    fails(&world, "05:25").await;
    assert_eq!(world.told(), [""; 0]);
    fails(&world, "05:31").await;
    assert_eq!(world.told(), ["all-jobs unknown"]);
    fails(&world, "05:36").await;
    assert_eq!(world.told(), [""; 0]);

    world.store.away.store(false, Ordering::Relaxed);
    world.roll_call("05:41").await;
    assert_eq!(world.told(), ["all-jobs known"]);
}

#[tokio::test]
async fn a_deadline_in_an_outage_waits_until_evidence_had_a_chance() {
    let world = away_from_05_20().await;
    world.store.away.store(false, Ordering::Relaxed);

    world.roll_call("05:50").await;
    world.roll_call("06:19").await;
    assert_eq!(world.told(), [""; 0], "the grace of half an hour begins anew at 05:50");
    world.roll_call("06:21").await;
    assert_eq!(world.told(), ["report down"]);
}

#[tokio::test]
async fn evidence_that_comes_after_an_outage_prevents_the_alarm() {
    let world = away_from_05_20().await;
    world.store.away.store(false, Ordering::Relaxed);
    world.roll_call("05:50").await;
    world.ends("report", "05:10", Kind::Success).await;
    world.roll_call("06:30").await;
    assert_eq!(world.told(), [""; 0]);
}
