//! Who is told what, and how often.

use jiff::SignedDuration;
use tenko_core::outbox::{Delivery, Status};
use tenko_core::{Declaration, Evidence, JobSpec, Kind, Output, RunId, Verdict};
use tenko_store::Store as _;
use uuid::Uuid;

use super::world::{FAILED, World, moment, slug};

#[tokio::test]
async fn a_job_that_never_ran_is_told_once_and_its_recovery_once() {
    let world = World::at("04:00").expect("report", "0 5 * * *");
    world.roll_call("04:00").await;
    world.roll_call("05:29").await;
    assert_eq!(world.told(), [""; 0]);

    let report = world.roll_call("05:31").await;
    assert_eq!(world.told(), ["report down"]);
    assert_eq!(report.changes.flips[0].1.at, moment("05:30"));

    world.roll_call("05:36").await;
    world.roll_call("06:36").await;
    assert_eq!(world.told(), [""; 0]);

    world.ends("report", "06:40", Kind::Success).await;
    world.roll_call("06:41").await;
    assert_eq!(world.told(), ["report up"]);
}

#[tokio::test]
async fn a_failure_is_told_with_what_the_run_printed() {
    let world = World::at("04:00").expect("report", "0 5 * * *");
    world.roll_call("04:00").await;
    let mut failed = Evidence::new(slug("report"), RunId(Uuid::from_u128(7)), FAILED, moment("05:10"));
    failed.report.host = Some("batch-1".into());
    failed.report.output = Some(Output { head: "disk full".into(), ..Output::default() });
    world.store.append(&[failed]).await.unwrap();

    world.roll_call("05:11").await;
    let batches = world.slack.accepted.lock().unwrap();
    let facts = &batches[0].notices[0].facts;
    assert_eq!(facts.host.as_deref(), Some("batch-1"));
    assert_eq!(facts.output.as_ref().unwrap().head, "disk full");
    assert_eq!(facts.down_since, Some(moment("05:10")));
}

#[tokio::test]
async fn fault_44_of_ten_checkers_at_once_one_tells() {
    let world = World::at("04:00").expect("report", "0 5 * * *");
    world.roll_call("04:00").await;
    world.clock.set("05:31");
    let checkers: Vec<_> = (0..10).map(|_| world.checker()).collect();
    let calls = futures::future::join_all(checkers.iter().map(|checker| checker.roll_call())).await;
    assert!(calls.iter().all(Result::is_ok));
    assert_eq!(world.told(), ["report down"]);
}

#[tokio::test]
async fn what_a_channel_puts_off_is_tried_again_under_the_same_id() {
    let world = World::at("04:00").expect("report", "0 5 * * *");
    world.roll_call("04:00").await;
    let busy =
        Delivery::Later { problem: "status 503".into(), retry_after: Some(SignedDuration::from_mins(2)) };
    world.slack.answer(busy);
    let report = world.roll_call("05:31").await;
    assert_eq!((report.delivered, report.undelivered), (0, 1));

    world.roll_call("05:32").await;
    assert_eq!(world.told(), [""; 0]);
    world.roll_call("05:34").await;
    assert_eq!(world.told(), ["report down"]);
    let tried = world.slack.tried.lock().unwrap();
    assert_eq!((tried.len(), tried[0]), (2, tried[1]));
}

#[tokio::test]
async fn what_a_channel_refuses_for_ever_stays_visible() {
    let world = World::at("04:00").expect("report", "0 5 * * *");
    world.roll_call("04:00").await;
    world.slack.answer(Delivery::Never { problem: "status 404: no_service".into() });
    world.roll_call("05:31").await;
    let report = world.roll_call("07:00").await;
    let dead: Vec<_> = report.roll.outbox.dead().collect();
    assert_eq!(dead.len(), 1);
    assert!(matches!(dead[0].status, Status::Dead { at } if at == moment("05:31")));
    assert_eq!(dead[0].last_error.as_deref(), Some("status 404: no_service"));
    assert_eq!(world.slack.tried.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn more_than_five_at_once_are_one_digest() {
    let mut world = World::at("04:00");
    for number in 0..7 {
        world = world.expect(&format!("job-{number}"), "0 5 * * *");
    }
    world.roll_call("04:00").await;
    world.roll_call("05:31").await;
    assert_eq!(world.told(), ["digest of 7"]);
}

#[tokio::test]
async fn fault_46_a_checker_that_dies_after_sending_has_it_sent_again_under_the_same_id() {
    let world = World::at("04:00").expect("report", "0 5 * * *");
    world.roll_call("04:00").await;
    world.clock.set("05:31");
    // The decision is stored, the message is sent, and that it was sent can't be stored.
    world.store.refuse_commit.store(2, std::sync::atomic::Ordering::Relaxed);
    world.checker().roll_call().await.unwrap_err();
    assert_eq!(world.told(), ["report down"]);

    world.roll_call("05:32").await;
    assert_eq!(world.told(), [""; 0], "the lease has not ended");
    world.roll_call("05:34").await;
    assert_eq!(world.told(), ["report down"]);
    let tried = world.slack.tried.lock().unwrap();
    assert_eq!(tried[0], tried[1]);
}

#[tokio::test]
async fn a_job_describes_itself() {
    let world = World::at("05:00");
    world.roll_call("05:00").await;
    declare(&world, "backup", "05:01", "0 5 * * *").await;
    let report = world.roll_call("05:02").await;
    assert_eq!(report.jobs["backup"].schedule.in_words().unwrap(), "0 5 * * * (UTC)");
    assert_eq!(report.roll.states["backup"].stored_verdict(), Verdict::Up);
}

#[tokio::test]
async fn a_job_that_describes_what_cannot_be_concerns_itself_alone() {
    let world = World::at("04:00").expect("report", "0 5 * * *");
    world.roll_call("04:00").await;
    declare(&world, "odd", "04:01", "0 5 30 2 *").await;
    let report = world.roll_call("05:31").await;
    assert_eq!(world.told(), ["report down"]);
    assert_eq!(report.warnings.len(), 1);
    assert!(report.warnings[0].starts_with("job odd declares what can't be"), "{:?}", report.warnings);
}

async fn declare(world: &World, name: &str, time: &str, cron: &str) {
    let mut spec = JobSpec::default();
    spec.schedule.cron = vec![cron.into()];
    let run = RunId(Uuid::from_u128(99));
    let mut evidence = Evidence::new(slug(name), run, Kind::Success, moment(time));
    evidence.declaration = Some(Declaration { digest: "00c0ffee".into(), spec: Some(spec.into()) });
    world.store.append(&[evidence]).await.unwrap();
}

#[tokio::test]
async fn a_job_that_left_the_configuration_is_forgotten() {
    let mut world = World::at("04:00").expect("report", "0 5 * * *");
    world.roll_call("05:31").await;
    world.config.jobs.clear();
    let report = world.roll_call("06:00").await;
    assert!(report.roll.states.is_empty() && report.jobs.is_empty());
}
