//! Stories in time.

use jiff::SignedDuration;
use tenko::server::intake::{Heard, Said};
use tenko_core::{Exit, Kind, Reason, Verdict};
use uuid::Uuid;

use crate::world::{World, moment};

#[tokio::test]
async fn a_job_that_stays_silent_is_down_at_its_deadline_and_told_once() {
    let world = World::at("04:00").expect("report", "0 5 * * *");
    let served = world.serve().await;
    world.pass(&served, "05:29").await;
    assert_eq!(served.verdict("report").await, Verdict::New);
    world.pass(&served, "05:31").await;
    let state = served.state("report").await;
    assert_eq!((state.fold.verdict, state.fold.reason), (Verdict::Down, Some(Reason::Missed)));
    assert_eq!(state.fold.since, moment("05:30"));
    assert_eq!(world.ops.hears(1).await, ["report down"]);
    world.pass(&served, "06:00").await;
    assert_eq!(served.hear("report", Said::Success).await, Heard::Recorded);
    assert_eq!(served.verdict("report").await, Verdict::Up);
    assert_eq!(world.ops.hears(1).await, ["report up"]);
    served.engine.stop().await;
}

#[tokio::test]
async fn a_start_and_a_success_without_an_id_are_one_run() {
    let world = World::at("05:00").expect("report", "0 5 * * *");
    let served = world.serve().await;
    served.hear("report", Said::Start).await;
    assert_eq!(served.state("report").await.running.len(), 1);
    world.pass(&served, "05:07").await;
    served.hear("report", Said::Success).await;
    let state = served.state("report").await;
    assert!(state.running.is_empty());
    assert_eq!(state.tail[0].runtime(), Some(SignedDuration::from_mins(7)));
    let evidence = served.evidence("report").await;
    assert_eq!(evidence[0].run, evidence[1].run);
    served.engine.stop().await;
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_down_before_it_ends() {
    let limit = |job: &mut tenko_core::Job| job.limits.max_runtime = Some(SignedDuration::from_mins(10));
    let world = World::at("05:00").expect_with("report", "0 5 * * *", limit);
    let served = world.serve().await;
    served.hear("report", Said::Start).await;
    world.pass(&served, "05:11").await;
    assert_eq!(served.state("report").await.fold.reason, Some(Reason::Overran));
    assert_eq!(world.ops.hears(1).await, ["report down"]);
    served.engine.stop().await;
}

#[tokio::test]
async fn what_exit_codes_mean_is_the_jobs_matter() {
    let clean = |job: &mut tenko_core::Job| job.limits.clean_exit = vec![0, 24];
    let world = World::at("05:00").expect_with("rsync", "0 5 * * *", clean).expect("report", "0 5 * * *");
    let served = world.serve().await;
    served.hear("rsync", Said::Exit(24)).await;
    served.hear("report", Said::Exit(24)).await;
    assert_eq!(served.verdict("rsync").await, Verdict::Up);
    assert_eq!(served.verdict("report").await, Verdict::Down);
    assert_eq!(served.evidence("report").await[0].kind, Kind::Fail(Some(Exit::Code(24))));
    assert_eq!(world.ops.hears(1).await, ["report down"]);
    served.engine.stop().await;
}

#[tokio::test]
async fn a_ping_may_create_a_job_if_it_says_so_and_there_is_room() {
    let mut world = World::at("05:00");
    world.created_jobs_limit = 1;
    let served = world.serve().await;
    let creating =
        |job| tenko::server::intake::Ping { create: true, ..crate::world::ping(job, Said::Success) };
    assert_eq!(served.hear("fresh", Said::Success).await, Heard::Unknown);
    assert_eq!(served.try_hear(creating("fresh")).await.unwrap(), Heard::Created);
    assert_eq!(served.try_hear(creating("fresh")).await.unwrap(), Heard::Recorded);
    assert_eq!(served.try_hear(creating("more")).await.unwrap(), Heard::Unknown);
    let due = served.state("fresh").await.fold.due.unwrap();
    let tomorrow = moment("05:00") + SignedDuration::from_hours(24);
    assert!(due.duration_since(tomorrow) < SignedDuration::from_secs(1), "{due}");
    served.engine.stop().await;
}

#[tokio::test]
async fn an_id_that_a_script_uses_every_time_swallows_no_ping() {
    let rid = Uuid::from_u128(0x1111_1111_1111_4111_8111_1111_1111_1111);
    let other = Uuid::from_u128(0x2222_2222_2222_4222_8222_2222_2222_2222);
    let world = World::at("05:00").expect("report", "*/5 * * * *");
    let served = world.serve().await;
    for minute in ["05:01", "05:06", "05:11", "05:16", "05:21", "05:26"] {
        world.pass(&served, minute).await;
        // In between others come, so that the state does not remember all of them.
        for rid in [rid, other, Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()] {
            served.hear_rid("report", Said::Start, rid).await;
            served.hear_rid("report", Said::Success, rid).await;
            served.hear_rid("report", Said::Log, rid).await;
        }
    }
    let evidence = served.evidence("report").await;
    assert_eq!(evidence.len(), 6 * 5 * 3);
    let named = evidence.iter().filter(|piece| piece.run.answers(rid));
    assert_eq!(named.count(), 6 * 3);
    served.engine.stop().await;
}
