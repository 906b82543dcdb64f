//! Faults that other watchers fell for, as far as the roll call answers for them. The numbers are those of
//! `docs/faults.md`.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use tenko::notify::Channels;
use tenko::secret::Secret;
use tenko_core::Kind;
use tenko_core::outbox::{Delivery, Status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::world::{FAILED, World, moment};

#[tokio::test]
async fn fault_14_a_checker_that_was_frozen_before_it_sent_sends_nothing_under_its_old_claim() {
    let world = World::at("04:00").expect("report", "0 5 * * *");
    world.roll_call("04:00").await;
    world.clock.set("05:31");
    // Between the commit by which it claimed the notice and the first message, three minutes pass.
    *world.store.frozen_until.lock().unwrap() = Some((Arc::clone(&world.clock), "05:34"));
    world.slack.answer(Delivery::Later { problem: "busy".into(), retry_after: None });
    let report = world.checker().roll_call().await.unwrap();
    // What it gave back it claimed again, and only that was tried.
    assert_eq!(world.slack.tried.lock().unwrap().len(), 1);
    let item = &report.roll.outbox.items[0];
    assert_eq!(item.attempts, 1);
    assert!(matches!(item.status, Status::Ready { not_before } if not_before > moment("05:34")), "{item:?}");
}

#[tokio::test]
async fn fault_33_a_checker_whose_clock_is_ahead_of_the_stores_flips_nothing_too_early() {
    let world = World::at("04:00").expect("report", "0 5 * * *");
    world.roll_call("04:00").await;
    world.store.answers_at("04:10");
    let report = world.roll_call("22:00").await;
    assert_eq!(report.at, moment("04:10"));
    assert_eq!(
        report.warnings,
        ["the clock of this machine is 17h 50m ahead of that of memory:; the store's counts"]
    );
    assert_eq!(world.told(), [""; 0]);

    // What a channel puts off is put off by the same clock.
    world.store.answers_at("05:31");
    let busy = Delivery::Later { problem: "503".into(), retry_after: Some(SignedDuration::from_mins(2)) };
    world.slack.answer(busy);
    let report = world.roll_call("23:21").await;
    assert_eq!(report.changes.flips[0].1.at, moment("05:30"));
    assert!(matches!(report.roll.outbox.items[0].status,
        Status::Ready { not_before } if not_before >= moment("05:33") && not_before < moment("05:40")));
    world.store.answers_at("05:41");
    world.roll_call("23:31").await;
    assert_eq!(world.told(), ["report down"]);
}

#[tokio::test]
async fn fault_33_a_checker_whose_clock_is_behind_the_stores_is_not_late() {
    let world = World::at("04:00").expect("report", "0 5 * * *");
    world.roll_call("04:00").await;
    world.store.answers_at("05:31");
    let report = world.roll_call("04:31").await;
    assert_eq!(
        report.warnings,
        ["the clock of this machine is 1h behind that of memory:; the store's counts"]
    );
    assert_eq!(world.told(), ["report down"]);
    world.store.answers_at("05:41");
    assert_eq!(world.roll_call("05:40").await.warnings, [""; 0], "a minute is no difference");
}

/// Counts who asks, and says that all is well.
async fn heartbeats() -> (String, Arc<Mutex<u32>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/beat", listener.local_addr().unwrap());
    let count = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            *counted.lock().unwrap() += 1;
            drop(stream.read(&mut [0; 4096]).await);
            drop(
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await,
            );
        }
    });
    (url, count)
}

#[tokio::test]
async fn fault_47_a_checker_cut_off_from_the_store_says_so_and_its_heartbeat_stops() {
    let (url, beats) = heartbeats().await;
    let mut world = World::at("04:00").expect("report", "0 5 * * *");
    world.config.checker.heartbeat = Some(Secret::new(url));
    world.roll_call("04:00").await;
    assert_eq!(*beats.lock().unwrap(), 1);
    world.store.away.store(true, Ordering::Relaxed);
    for time in ["05:31", "05:32", "05:33", "05:34"] {
        world.clock.set(time);
        world.checker().roll_call().await.unwrap_err();
    }
    assert_eq!(world.told(), ["all-jobs unknown"], "of no job it can say anything");
    assert_eq!(*beats.lock().unwrap(), 1);
    world.store.away.store(false, Ordering::Relaxed);
    world.roll_call("05:35").await;
    assert_eq!(world.told(), ["report down", "all-jobs known"]);
    assert_eq!(*beats.lock().unwrap(), 2);
}

#[tokio::test]
async fn fault_59_a_notice_to_a_channel_that_was_removed_stays_visible_and_is_not_dropped() {
    let world = World::at("04:00").expect("report", "0 5 * * *");
    world.roll_call("04:00").await;
    world.slack.answer(Delivery::Later { problem: "503".into(), retry_after: None });
    world.roll_call("05:31").await;
    // The configuration is read again, and the channel is gone from it.
    let mut removed = world.checker();
    removed.channels = Channels::default();
    world.clock.set("06:00");
    let report = removed.roll_call().await.unwrap();
    let dead: Vec<_> = report.roll.outbox.dead().collect();
    assert_eq!(dead[0].last_error.as_deref(), Some("channel ops is not configured"));

    // It comes back: the recovery is told as one that had been an incident.
    world.ends("report", "06:05", Kind::Success).await;
    world.roll_call("06:06").await;
    assert_eq!(world.told(), ["report up"]);
    let report = world.roll_call("06:07").await;
    assert_eq!(report.roll.outbox.dead().count(), 1, "until somebody has seen it");
    world.ends("report", "06:10", FAILED).await;
    world.roll_call("06:11").await;
    assert_eq!(world.told(), ["report down"]);
}
