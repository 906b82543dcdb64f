//! What the roll call would say at another moment.

use super::bucket::Morning;

const TODAY: &str = "2026-11-24/evidence.txt";

#[tokio::test]
async fn of_the_past_an_object_that_came_later_was_not_there_yet() {
    let morning = Morning::daily().await;
    assert_eq!(morning.at("24 05:10").await, "late");
    morning.upload("24 07:10", TODAY, "ok");
    assert_eq!(morning.at("24 07:15").await, "up: down missed since 24 06:00, up since 24 07:10");
    assert_eq!(morning.would_be_at("24 06:30").await, "down missed since 24 06:00");
    assert_eq!(morning.would_be_at("24 05:30").await, "late");
    assert_eq!(morning.would_be_at("24 07:12").await, "up: down missed since 24 06:00, up since 24 07:10");
}

#[tokio::test]
async fn of_the_future_it_says_what_becomes_of_a_missing_object() {
    let morning = Morning::daily().await;
    assert_eq!(morning.at("24 05:10").await, "late");
    assert_eq!(morning.would_be_at("24 06:30").await, "down missed since 24 06:00");
    assert_eq!(morning.told(), [""; 0]);
    assert_eq!(morning.at("24 05:20").await, "late");
    morning.upload("24 05:30", TODAY, "ok");
    assert_eq!(morning.would_be_at("24 06:30").await, "up since 24 05:30");
    // Nothing of that was stored.
    assert_eq!(morning.at("24 05:40").await, "up since 24 05:30");
}
