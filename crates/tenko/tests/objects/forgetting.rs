//! A store that forgets, and a roll call that is a process of its own each time: the founding case as it was.

use std::sync::Arc;

use tenko_store::MemoryStore;

use super::bucket::{DAILY, Morning};

async fn afresh(morning: &mut Morning, time: &str) -> String {
    morning.keep_in(Arc::new(MemoryStore::that_forgets()));
    morning.at(time).await
}

#[tokio::test]
async fn each_morning_a_missing_object_is_told_and_one_that_is_there_is_not() {
    let mut morning = Morning::with(DAILY).await;
    morning.upload("24 05:20", "2026-11-24/evidence.txt", "ok");
    assert_eq!(afresh(&mut morning, "24 06:01").await, "up since 24 05:20");
    assert_eq!((morning.told(), morning.asked()), (vec![], (1, 0)));
    for day in ["25", "26"] {
        let down = format!("down missed since {day} 06:00");
        assert_eq!(afresh(&mut morning, &format!("{day} 06:01")).await, down);
        // That a key is missing may mean that the bucket is: it is looked for once.
        assert_eq!((morning.told(), morning.asked()), (vec!["down".to_owned()], (1, 1)));
    }
    // Nobody knows that it was down: no word of its recovery.
    morning.upload("27 05:20", "2026-11-27/evidence.txt", "ok");
    assert_eq!(afresh(&mut morning, "27 06:01").await, "up since 27 05:20");
    assert_eq!((morning.told(), morning.asked()), (vec![], (1, 0)));
}

#[tokio::test]
async fn within_the_grace_the_due_before_is_judged_too() {
    let mut morning = Morning::with(DAILY).await;
    morning.upload("24 05:20", "2026-11-24/evidence.txt", "ok");
    assert_eq!(afresh(&mut morning, "25 05:30").await, "up since 24 05:20");
    assert_eq!(morning.told(), [""; 0]);
    assert_eq!(afresh(&mut morning, "26 05:30").await, "down missed since 25 06:00");
    assert_eq!(morning.told(), ["down"]);
}

#[tokio::test]
async fn one_that_came_late_is_there() {
    let mut morning = Morning::with(DAILY).await;
    morning.upload("24 06:20", "2026-11-24/evidence.txt", "ok");
    assert_eq!(afresh(&mut morning, "24 09:00").await, "up: down missed since 24 06:00, up since 24 06:20");
    assert_eq!(morning.told(), [""; 0]);
}

#[tokio::test]
async fn a_process_that_goes_on_tells_once_and_of_the_recovery_too() {
    let mut morning = Morning::with(DAILY).await;
    morning.keep_in(Arc::new(MemoryStore::that_forgets()));
    assert_eq!(morning.at("24 06:01").await, "down missed since 24 06:00");
    assert_eq!(morning.at("24 06:10").await, "down");
    morning.upload("24 06:20", "2026-11-24/evidence.txt", "ok");
    assert_eq!(morning.at("24 06:30").await, "up since 24 06:20");
    assert_eq!(morning.told(), ["down", "up"]);
}

#[tokio::test]
async fn where_one_miss_is_not_enough_so_many_dues_are_asked_about() {
    let mut morning = Morning::with(&format!("{DAILY}\nfailures = 2")).await;
    morning.upload("24 05:20", "2026-11-24/evidence.txt", "ok");
    assert_eq!(afresh(&mut morning, "25 06:01").await, "up since 24 05:20");
    assert_eq!(afresh(&mut morning, "26 06:01").await, "down missed since 26 06:00");
    assert_eq!(morning.told(), ["down"]);
}

#[tokio::test]
async fn a_period_is_counted_back_from_now() {
    let mut morning =
        Morning::with("every = \"1d\"\ngrace = \"1h\"\nobject = \"s3://tenko-test/backup.tgz\"").await;
    morning.upload("24 05:20", "backup.tgz", "ok");
    assert_eq!(afresh(&mut morning, "24 12:00").await, "up since 24 05:20");
    assert_eq!(afresh(&mut morning, "25 06:10").await, "up since 24 05:20");
    assert_eq!(morning.told(), [""; 0]);
    assert!(afresh(&mut morning, "25 06:30").await.starts_with("down"));
    assert_eq!(morning.told(), ["down"]);
}
