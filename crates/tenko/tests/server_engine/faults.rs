//! What goes wrong with a node, its clock, its store.

use std::time::Instant;

use jiff::SignedDuration;
use tenko::server::intake::{Heard, Refusal, Said};
use tenko_core::job::{Otherwise, PingRules, Place};
use tenko_core::{Kind, Verdict, Via};

use crate::world::{World, moment, ping, slug, until};

#[tokio::test]
async fn fault_13_when_too_many_pings_wait_the_next_is_refused_and_told_when_to_come_again() {
    let mut world = World::at("05:00").expect("report", "0 5 * * *");
    world.queue = 3;
    let served = world.serve().await;
    let pings = (0..20).map(|_| served.try_hear(ping("report", Said::Log)));
    let answers = futures::future::join_all(pings).await;
    let heard = answers.iter().filter(|answer| matches!(answer, Ok(Heard::Recorded))).count();
    let busy = answers.iter().filter(|answer| matches!(answer, Err(Refusal::Busy { .. }))).count();
    assert_eq!((heard, busy), (3, 17));
    assert_eq!(served.engine.status().busy.get(), 17);
    assert_eq!(served.engine.status().waiting.get(), 0);
    assert_eq!(served.evidence("report").await.len(), 3, "what was acknowledged is there, and nothing else");
    served.engine.stop().await;
}

#[tokio::test]
async fn fault_2_what_waits_when_a_node_stops_is_stored_and_answered() {
    let world = World::at("05:00").expect("report", "0 5 * * *");
    let served = world.serve().await;
    let hears = served.engine.hears();
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let hears = std::sync::Arc::clone(&hears);
            tokio::spawn(async move { hears.hear(ping("report", Said::Log)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    served.engine.stop().await;
    let mut acknowledged = 0;
    for answer in futures::future::join_all(waiting).await {
        match answer.unwrap() {
            Ok(heard) => {
                assert_eq!(heard, Heard::Recorded);
                acknowledged += 1;
            }
            Err(refusal) => assert!(matches!(refusal, Refusal::Stopping), "{refusal}"),
        }
    }
    let all = world.evidence("report").await;
    assert_eq!(all.len(), acknowledged);
    assert!(matches!(hears.hear(ping("report", Said::Log)).await, Err(Refusal::Stopping)));
}

#[tokio::test]
async fn a_server_that_was_away_gives_everybody_a_fair_chance() {
    let world = World::at("04:50").expect("silent", "0 5 * * *").expect("well", "0 5 * * *");
    world.serve().await.engine.stop().await;
    world.clocks.pass(SignedDuration::from_mins(100));
    let served = world.serve().await;
    assert_eq!(served.verdict("silent").await, Verdict::New, "nobody could hear it");
    served.hear("well", Said::Success).await;
    world.pass(&served, "06:59").await;
    assert_eq!(world.ops.told(), Vec::<String>::new());
    world.pass(&served, "07:01").await;
    assert_eq!(world.ops.hears(1).await, ["silent down"]);
    assert_eq!(served.state("silent").await.fold.since, moment("05:30"), "when it became true");
    served.engine.stop().await;
}

#[tokio::test]
async fn a_machine_that_slept_gives_everybody_a_fair_chance() {
    let world = World::at("04:50").expect("silent", "0 5 * * *");
    let served = world.serve().await;
    world.jump(&served, moment("06:00")).await;
    assert_eq!(served.verdict("silent").await, Verdict::New);
    served.hear("silent", Said::Success).await;
    world.pass(&served, "07:00").await;
    assert_eq!(world.ops.told(), Vec::<String>::new());
    served.engine.stop().await;
}

#[tokio::test]
async fn fault_33_a_clock_that_is_set_two_hours_ahead_and_back_alarms_nobody() {
    let world = World::at("04:50").expect("report", "0 5 * * *");
    let served = world.serve().await;
    world.clocks.set_by(SignedDuration::from_hours(2));
    until("it is seen", async || served.engine.clock().ahead().is_negative()).await;
    assert_eq!(served.hear("report", Said::Log).await, Heard::Recorded);
    world.clocks.pass(SignedDuration::from_mins(5));
    world.clocks.set_by(SignedDuration::from_hours(-2));
    world.pass(&served, "05:10").await;
    served.hear("report", Said::Success).await;
    world.pass(&served, "06:00").await;
    assert_eq!(served.verdict("report").await, Verdict::Up);
    assert_eq!(world.ops.told(), Vec::<String>::new());
    assert_eq!(served.evidence("report").await[0].at, moment("04:50"));
    served.engine.stop().await;
}

#[tokio::test]
async fn fault_43_a_server_that_is_started_again_and_again_tells_nobody_twice() {
    let world = World::at("05:29:30").expect_with("report", "0 5 * * *", |job| {
        job.expected_from = Some(moment("04:00"));
    });
    world.serve().await.engine.stop().await;
    for _ in 0..20 {
        world.clocks.pass(SignedDuration::from_secs(10));
        let served = world.serve().await;
        until("deadlines are looked at", async || served.engine.status().looked_at().is_some()).await;
        served.engine.stop().await;
    }
    assert_eq!(world.ops.told(), ["report down"]);
}

#[tokio::test]
async fn fault_56_ten_thousand_jobs_that_are_due_at_once_are_decided_at_once_and_told_in_digests() {
    let mut world = World::at("05:00");
    for number in 0..10_000 {
        world = world.expect(&format!("job-{number:04}"), "0 5 * * *");
    }
    let served = world.serve().await;
    let last = moment("05:29:50");
    world.pass(&served, "05:29:50").await;
    let began = Instant::now();
    world.jump(&served, last + SignedDuration::from_secs(11)).await;
    let decided = began.elapsed();
    until("all are told", async || world.ops.told_of() >= 10_000).await;
    println!("decided in {decided:?}, told in {:?}", began.elapsed());
    assert_eq!(served.engine.status().flips.get(), 10_000);
    assert!(world.ops.told().len() < 40, "a few digests");
    served.engine.stop().await;
}

#[tokio::test]
async fn fault_59_a_job_that_left_the_configuration_is_forgotten_and_one_that_changed_is_followed() {
    let mut world = World::at("05:00").expect("leaves", "0 5 * * *").expect("changes", "0 5 * * *");
    world.serve().await.engine.stop().await;
    let stays = world.config.jobs.remove(&slug("leaves")).unwrap();
    world = world.expect("changes", "0 6 * * *");
    let served = world.serve().await;
    assert!(served.entry("leaves").await.is_empty());
    assert_eq!(served.hear("leaves", Said::Success).await, Heard::Unknown);
    assert_eq!(served.state("changes").await.fold.due, Some(moment("06:00")));
    served.engine.stop().await;
    world.config.jobs.insert(slug("leaves"), stays);
    let served = world.serve().await;
    assert_eq!(served.verdict("leaves").await, Verdict::New);
    served.engine.stop().await;
}

#[tokio::test]
async fn words_say_what_a_ping_means_where_a_job_has_rules() {
    let rules = PingRules {
        only_post: true,
        look_in: vec![Place::Body],
        fail: vec!["ERROR".into()],
        success: vec!["done".into()],
        start: Vec::new(),
        otherwise: Otherwise::Ignore,
    };
    let world = World::at("05:00").expect_with("report", "0 5 * * *", |job| job.pings = Some(rules));
    let served = world.serve().await;
    let said = async |method: &str, text: &str| {
        let mut ping = ping("report", Said::Success);
        let via =
            Via { scheme: "http".into(), method: method.into(), from: String::new(), agent: String::new() };
        (ping.report.via, ping.text) = (Some(via), Some(text.into()));
        served.try_hear(ping).await.unwrap()
    };
    assert_eq!(said("GET", "done").await, Heard::Ignored);
    assert_eq!(said("POST", "still at it").await, Heard::Ignored);
    assert_eq!(served.verdict("report").await, Verdict::New);
    assert_eq!(said("POST", "done").await, Heard::Recorded);
    assert_eq!(served.verdict("report").await, Verdict::Up);
    assert_eq!(said("POST", "done, with ERROR").await, Heard::Recorded);
    assert_eq!(served.verdict("report").await, Verdict::Down);
    let kinds: Vec<Kind> = served.evidence("report").await.iter().map(|piece| piece.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::Log).count(), 2, "what was ignored is kept");
    assert_eq!(served.engine.status().pings.ignored.get(), 2);
    served.engine.stop().await;
}
