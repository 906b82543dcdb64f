//! Whom it tells, when, and what happens if that does not work.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::SignedDuration;
use tenko::server::intake::Said;
use tenko_core::outbox::{Delivery, Item, Status};

use crate::world::{Served, World, channel, slug, until};

fn later(problem: &str) -> Delivery {
    Delivery::Later { problem: problem.into(), retry_after: None }
}

async fn outbox(served: &Served, job: &str) -> Vec<Item> {
    served.live().entries(&[slug(job)]).await.unwrap().remove(0).items
}

#[tokio::test]
async fn fault_52_a_channel_that_hangs_or_fails_delays_no_other() {
    let mut world = World::at("05:00");
    let (hanging, failing) = (world.channel("hanging"), world.channel("failing"));
    let notify = |job: &mut tenko_core::Job| {
        job.channels = ["hanging", "failing", "ops"].map(channel).to_vec();
    };
    let world = world.expect_with("report", "0 5 * * *", notify);
    hanging.hang();
    failing
        .answer(Delivery::Later { problem: "429".into(), retry_after: Some(SignedDuration::from_mins(3)) });
    let served = world.serve().await;
    served.hear("report", Said::Fail(None)).await;
    assert_eq!(world.ops.hears(1).await, ["report down"]);
    failing.is_tried(1).await;
    hanging.is_tried(1).await;
    let is_put_off = |item: &Item| item.notice.channel == channel("failing") && item.last_error.is_some();
    until("it is put off", async || outbox(&served, "report").await.iter().any(is_put_off)).await;
    world.pass(&served, "05:04").await;
    assert_eq!(failing.hears(1).await, ["report down"]);
    assert_eq!(hanging.told(), Vec::<String>::new());
}

#[tokio::test]
async fn an_alarm_comes_before_its_recovery_however_long_that_takes() {
    let world = World::at("05:00").expect("report", "0 5 * * *");
    world.ops.answer(later("500"));
    let served = world.serve().await;
    served.hear("report", Said::Fail(None)).await;
    world.ops.is_tried(1).await;
    until("it is put off", async || outbox(&served, "report").await[0].last_error.is_some()).await;
    served.hear("report", Said::Success).await;
    assert_eq!(world.ops.told(), Vec::<String>::new());
    world.pass(&served, "05:01").await;
    assert_eq!(world.ops.hears(2).await, ["report down", "report up"]);
    served.engine.stop().await;
}

#[tokio::test]
async fn many_notices_at_once_are_a_digest_and_few_are_not() {
    let mut world = World::at("05:00");
    for number in 0..40 {
        world = world.expect(&format!("job-{number:02}"), "0 5 * * *");
    }
    let served = world.serve().await;
    world.pass(&served, "05:31").await;
    assert_eq!(world.ops.hears(1).await, ["digest of 40"]);
    served.engine.stop().await;
}

#[tokio::test]
async fn what_will_never_be_accepted_stays_where_it_is_seen() {
    let notify = |job: &mut tenko_core::Job| job.channels = vec![channel("gone")];
    let world = World::at("05:00").expect_with("report", "0 5 * * *", notify);
    let served = world.serve().await;
    served.hear("report", Said::Fail(None)).await;
    let is_dead = |item: &Item| matches!(item.status, Status::Dead { .. });
    until("it is given up", async || outbox(&served, "report").await.iter().any(is_dead)).await;
    let error = outbox(&served, "report").await[0].last_error.clone();
    assert_eq!(error.as_deref(), Some("channel gone is not configured"));
    let given_up = || served.engine.status().channels().get(&channel("gone")).map(|told| told.given_up);
    until("it is counted", async || given_up() == Some(1)).await;
    served.engine.stop().await;
}

#[tokio::test]
async fn fault_46_what_a_node_had_claimed_when_it_died_is_sent_by_another_under_the_same_id() {
    let world = World::at("05:00").expect("report", "0 5 * * *");
    world.ops.hang();
    let first = world.serve().await;
    first.hear("report", Said::Fail(None)).await;
    world.ops.is_tried(1).await;
    let claimed = outbox(&first, "report").await[0].notice.id;
    drop(first.engine);
    let second = world.serve().await;
    assert_eq!(world.ops.told(), Vec::<String>::new(), "the claim still holds");
    world.pass(&second, "05:03").await;
    assert_eq!(world.ops.hears(1).await, ["report down"]);
    until("nothing is left", async || outbox(&second, "report").await.is_empty()).await;
    assert_eq!(world.ops.last_id(), Some(claimed));
    second.engine.stop().await;
}

#[tokio::test]
async fn a_node_that_stops_lets_messages_arrive_and_gives_back_the_rest() {
    let mut world = World::at("05:00");
    for name in ["one", "two"] {
        world = world.expect(name, "0 5 * * *");
    }
    let gate = world.ops.wait_for_gate();
    let served = world.serve().await;
    served.hear("one", Said::Fail(None)).await;
    world.ops.is_tried(1).await;
    served.hear("two", Said::Fail(None)).await;
    let store = std::sync::Arc::clone(&served.store);
    let stopping = tokio::spawn(served.engine.stop());
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!stopping.is_finished(), "a message is on its way");
    gate.notify_one();
    stopping.await.unwrap();
    assert_eq!(world.ops.told(), ["one down"]);
    let entries = store.live().unwrap().entries(&[slug("one"), slug("two")]).await.unwrap();
    assert_eq!(entries[0].items, []);
    assert!(matches!(entries[1].items[0].status, Status::Ready { .. }), "{:?}", entries[1].items);
    assert_eq!(world.ops.tried.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn fault_14_a_node_that_was_frozen_sends_nothing_under_a_claim_that_has_ended() {
    let mut world = World::at("05:00");
    let names = ["one", "two", "three"];
    for name in names {
        world = world.expect(name, "0 5 * * *");
    }
    let gate = world.ops.wait_for_gate();
    let frozen = world.serve().await;
    let fail = |name| frozen.try_hear(crate::world::ping(name, Said::Fail(None)));
    futures::future::join_all(names.map(fail)).await;
    world.ops.is_tried(1).await;
    let other = world.serve().await;
    world.pass(&other, "05:03").await;
    until("the other tells all", async || world.ops.told_of() == 3).await;
    gate.notify_one();
    until("what was on its way arrives", async || world.ops.told_of() == 4).await;
    frozen.engine.stop().await;
    other.engine.stop().await;
    assert_eq!(world.ops.told_of(), 4, "one that was on its way, and no other, is told twice");
}
