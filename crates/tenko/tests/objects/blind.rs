//! Could not tell is not down.

use std::time::{Duration, Instant};

use tenko_store::testkit_s3::{Ask, Fault, Key};

use super::bucket::{DAILY, Morning};

const TODAY: &str = "2026-11-24/evidence.txt";

#[tokio::test]
async fn without_the_right_to_list_a_missing_object_is_unknown_and_the_right_is_named() {
    let mut morning = Morning::daily().await;
    morning.look_as(Key::Getter);
    assert_eq!(morning.at("24 06:30").await, "unknown");
    assert_eq!(morning.at("24 06:40").await, "unknown");
    assert_eq!(morning.told(), [""; 0]);
    assert_eq!(morning.at("24 06:50").await, "unknown");
    insta::assert_snapshot!(morning.said("unknown"), @"can't read s3://tenko-test/2026-11-24/evidence.txt: the server answered with HTTP 403 (grant s3:GetObject; without s3:ListBucket on the bucket a missing object is answered in the same way)");
    assert_eq!(morning.at("24 09:00").await, "unknown");
    assert_eq!(morning.told(), [""; 0]);
}

#[tokio::test]
async fn when_sight_returns_what_happened_meanwhile_is_told_with_its_time() {
    let mut morning = Morning::daily().await;
    morning.look_as(Key::Getter);
    for time in ["24 06:30", "24 06:40", "24 06:50"] {
        assert_eq!(morning.at(time).await, "unknown");
    }
    assert_eq!(morning.told(), ["unknown"]);
    morning.look_as(Key::Reader);
    assert_eq!(morning.at("24 07:00").await, "down missed since 24 06:00");
    assert_eq!(morning.told(), ["known", "down"]);
}

#[tokio::test]
async fn the_right_to_get_alone_sees_an_object_that_is_there() {
    let mut morning = Morning::daily().await;
    morning.look_as(Key::Getter);
    assert_eq!(morning.at("24 05:10").await, "unknown");
    morning.upload("24 05:20", TODAY, "ok");
    assert_eq!(morning.at("24 05:30").await, "up since 24 05:20");
    assert_eq!(morning.told(), [""; 0]);
}

#[tokio::test]
async fn the_right_to_list_alone_is_enough_too() {
    let mut morning = Morning::daily().await;
    morning.look_as(Key::Lister);
    assert_eq!(morning.at("24 05:10").await, "late");
    morning.upload("24 05:20", TODAY, "ok");
    assert_eq!(morning.at("24 05:30").await, "up since 24 05:20");
    assert_eq!(morning.at("25 06:30").await, "down missed since 25 06:00");
    assert_eq!(morning.told(), ["down"]);
}

#[tokio::test]
async fn without_any_right_it_is_unknown() {
    let mut morning = Morning::daily().await;
    morning.upload("24 05:20", TODAY, "ok");
    morning.look_as(Key::Writer);
    for time in ["24 06:30", "24 06:40", "24 06:50"] {
        assert_eq!(morning.at(time).await, "unknown");
    }
    let said = morning.said("unknown");
    assert!(said.contains("s3:GetObject") && said.contains(TODAY), "{said}");
}

#[tokio::test]
async fn a_server_in_trouble_makes_it_unknown_and_never_down() {
    let morning = Morning::daily().await;
    for (time, status) in [("24 06:30", 500), ("24 06:40", 503), ("24 06:50", 429), ("24 07:00", 502)] {
        morning.s3.inject(Ask::Head, 3, Fault::Status(status));
        assert_eq!(morning.at(time).await, "unknown", "{status}");
    }
    let said = morning.said("unknown");
    assert!(said.contains("HTTP 429"), "{said}");
    morning.s3.heal();
    assert_eq!(morning.at("24 07:10").await, "down missed since 24 06:00");
    assert_eq!(morning.told(), ["known", "down"]);
}

#[tokio::test]
async fn a_hiccup_of_the_server_goes_unnoticed() {
    let morning = Morning::daily().await;
    morning.upload("24 05:20", TODAY, "ok");
    morning.s3.inject(Ask::Head, 1, Fault::Status(503));
    assert_eq!(morning.at("24 05:30").await, "up since 24 05:20");
}

#[tokio::test]
async fn a_server_that_does_not_answer_makes_it_unknown_within_bounded_time() {
    let mut morning = Morning::daily().await;
    morning.patience(Duration::from_millis(100));
    morning.s3.inject(Ask::Head, 100, Fault::Delay(Duration::from_secs(60)));
    let before = Instant::now();
    for time in ["24 06:30", "24 06:40", "24 06:50"] {
        assert_eq!(morning.at(time).await, "unknown");
    }
    assert!(before.elapsed() < Duration::from_secs(10), "{:?}", before.elapsed());
    let said = morning.said("unknown");
    assert!(said.ends_with("did not answer in time"), "{said}");
}

#[tokio::test]
async fn a_connection_that_is_cut_makes_it_unknown() {
    let morning = Morning::daily().await;
    morning.s3.inject(Ask::Head, 100, Fault::Cut);
    assert_eq!(morning.at("24 06:30").await, "unknown");
    assert_eq!(morning.told(), [""; 0]);
}

#[tokio::test]
async fn what_was_true_before_is_still_true_after() {
    let morning = Morning::daily().await;
    assert_eq!(morning.at("24 06:30").await, "down missed since 24 06:00");
    morning.s3.inject(Ask::Head, 3, Fault::Status(500));
    assert_eq!(morning.at("24 06:40").await, "unknown");
    assert_eq!(morning.at("24 06:50").await, "down");
    assert_eq!(morning.told(), ["down"]);
}

#[tokio::test]
async fn an_object_that_came_in_time_unseen_leaves_no_alarm() {
    let morning = Morning::daily().await;
    morning.upload("24 05:20", TODAY, "ok");
    morning.s3.inject(Ask::Head, 3, Fault::Status(500));
    assert_eq!(morning.at("24 06:30").await, "unknown");
    assert_eq!(morning.at("24 06:40").await, "up since 24 05:20");
    assert_eq!(morning.told(), [""; 0]);
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_unknown_with_a_hint() {
    let morning = Morning::with(&DAILY.replace("tenko-test", "tenko-tset")).await;
    for time in ["24 06:30", "24 06:40", "24 06:50"] {
        assert_eq!(morning.at(time).await, "unknown");
    }
    insta::assert_snapshot!(morning.said("unknown"), @"can't list s3://tenko-tset: the server said NoSuchBucket: The specified bucket does not exist (HTTP 404) (there is no such bucket (here): create it, or check its name, the region and the endpoint)");
}

#[tokio::test]
async fn a_job_that_is_paused_is_not_asked_about_and_not_unknown() {
    let mut morning = Morning::daily().await;
    morning.look_as(Key::Getter);
    morning.pause("24 05:30").await;
    morning.asked();
    for time in ["24 06:30", "24 06:40", "24 06:50"] {
        assert_eq!(morning.at(time).await, "paused");
    }
    assert_eq!((morning.told(), morning.asked()), (vec![], (0, 0)));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unknown() {
    // Port 1 of the loopback interface is nobody's.
    let nobody = DAILY.replace("evidence.txt", "evidence.txt?endpoint=http://127.0.0.1:1&allow_http=true");
    let morning = Morning::with(&nobody).await;
    for time in ["24 06:30", "24 06:40", "24 06:50"] {
        assert_eq!(morning.at(time).await, "unknown");
    }
    let said = morning.said("unknown");
    assert!(said.starts_with("can't read s3://tenko-test/2026-11-24/evidence.txt: "), "{said}");
    assert!(said.contains("refused"), "{said}");
    assert_eq!(morning.asked(), (0, 0));
}

#[tokio::test]
async fn an_endpoint_that_can_not_be_used_is_unknown_with_a_hint() {
    let plain = DAILY.replace("evidence.txt", "evidence.txt?endpoint=http://127.0.0.1:1&allow_http=false");
    let morning = Morning::with(&plain).await;
    for time in ["24 06:30", "24 06:40", "24 06:50"] {
        assert_eq!(morning.at(time).await, "unknown");
    }
    let said = morning.said("unknown");
    assert!(said.contains("without TLS") && said.contains("allow_http=true"), "{said}");
}
