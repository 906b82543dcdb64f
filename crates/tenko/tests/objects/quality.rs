//! An object that is there, but not as it should be.

use super::bucket::{DAILY, Morning};

const TODAY: &str = "2026-11-24/evidence.txt";

#[tokio::test]
async fn an_empty_object_is_bad_evidence_and_the_notice_says_so() {
    let morning = Morning::with(&format!("{DAILY}\nmin_size = 1")).await;
    assert_eq!(morning.at("24 04:00").await, "new");
    morning.upload("24 05:20", TODAY, "");
    assert_eq!(morning.at("24 05:30").await, "down bad_evidence since 24 05:20");
    insta::assert_snapshot!(morning.said("down"), @"s3://tenko-test/2026-11-24/evidence.txt is empty; 1 byte or more are expected");
    assert_eq!(morning.at("24 06:30").await, "down");
    assert_eq!(morning.told(), [""; 0]);
}

#[tokio::test]
async fn one_that_is_too_small_is_bad_until_it_is_written_again() {
    let morning = Morning::with(&format!("{DAILY}\nmin_size = \"1 kB\"")).await;
    assert_eq!(morning.at("24 04:00").await, "new");
    morning.upload("24 05:20", TODAY, "half of it");
    assert_eq!(morning.at("24 05:30").await, "down bad_evidence since 24 05:20");
    let said = morning.said("down");
    assert!(said.ends_with("has 10 bytes; 1000 bytes or more are expected"), "{said}");
    morning.upload("24 05:40", TODAY, &"all of it ".repeat(100));
    assert_eq!(morning.at("24 05:50").await, "up since 24 05:40");
    assert_eq!(morning.told(), ["up"]);
}

#[tokio::test]
async fn one_that_is_exactly_large_enough_is_good() {
    let morning = Morning::with(&format!("{DAILY}\nmin_size = 2")).await;
    morning.upload("24 05:20", TODAY, "ok");
    assert_eq!(morning.at("24 05:30").await, "up since 24 05:20");
}

#[tokio::test]
async fn one_that_is_always_under_the_same_key_must_be_fresh() {
    let same = DAILY.replace("{date}", "latest");
    let morning = Morning::with(&same).await;
    morning.upload("23 05:20", "latest/evidence.txt", "ok");
    assert_eq!(morning.at("23 06:00").await, "up since 23 05:20");
    assert_eq!(morning.at("24 05:30").await, "late");
    // It was not written again.
    assert_eq!(morning.at("24 06:30").await, "down missed since 24 06:00");
    morning.upload("24 07:00", "latest/evidence.txt", "ok");
    assert_eq!(morning.at("24 07:10").await, "up since 24 07:00");
    assert_eq!(morning.told(), ["down", "up"]);
}

#[tokio::test]
async fn one_that_is_too_old_is_bad_evidence() {
    let morning = Morning::with(&format!("{}\nmax_age = \"2h\"", DAILY.replace("{date}", "latest"))).await;
    morning.upload("24 02:00", "latest/evidence.txt", "ok");
    // A younger one may still come.
    assert_eq!(morning.at("24 05:10").await, "new");
    assert_eq!(morning.at("24 06:10").await, "down bad_evidence since 24 06:00");
    let said = morning.said("down");
    assert!(said.ends_with("was 3 h old when it was due; at most 2 h is allowed"), "{said}");
    morning.upload("24 06:20", "latest/evidence.txt", "ok");
    assert_eq!(morning.at("24 06:30").await, "up since 24 06:20");
}

#[tokio::test]
async fn one_that_is_young_enough_answers_although_it_was_there_before_the_due() {
    let morning = Morning::with(&format!("{}\nmax_age = \"2h\"", DAILY.replace("{date}", "latest"))).await;
    morning.upload("23 04:20", "latest/evidence.txt", "ok");
    assert_eq!(morning.at("23 05:10").await, "up since 23 05:00");
    morning.upload("24 03:00", "latest/evidence.txt", "ok");
    assert_eq!(morning.at("24 05:00").await, "up");
    assert_eq!(morning.at("24 06:30").await, "up");
    assert_eq!(morning.at("25 05:30").await, "late");
    assert_eq!(morning.at("25 06:30").await, "down bad_evidence since 25 06:00");
    assert_eq!(morning.told(), ["down"]);
}

#[tokio::test]
async fn after_three_days_without_a_roll_call_each_object_is_as_old_as_it_was_when_it_was_due() {
    let morning = Morning::with(&format!("{DAILY}\nmax_age = \"26h\"")).await;
    for day in 20..24 {
        morning.upload(&format!("{day} 05:20"), &format!("2026-11-{day}/evidence.txt"), "ok");
    }
    assert_eq!(morning.at("20 06:30").await, "up since 20 05:20");
    assert_eq!(morning.at("23 12:00").await, "up");
    assert_eq!(morning.told(), [""; 0]);
}

#[tokio::test]
async fn a_bad_one_of_a_job_that_was_up_is_looked_at_again() {
    let morning = Morning::with(&format!("{DAILY}\nmin_size = 1")).await;
    morning.upload("23 05:20", "2026-11-23/evidence.txt", "ok");
    assert_eq!(morning.at("23 05:30").await, "up since 23 05:20");
    morning.upload("24 05:20", TODAY, "");
    assert_eq!(morning.at("24 05:30").await, "down bad_evidence since 24 05:20");
    morning.upload("24 05:40", TODAY, "ok");
    assert_eq!(morning.at("24 05:50").await, "up since 24 05:40");
}

#[tokio::test]
async fn the_same_bad_object_counts_once_however_often_it_is_seen() {
    let morning = Morning::with(&format!("{DAILY}\nmin_size = 1\nfailures = 2")).await;
    morning.upload("23 05:20", "2026-11-23/evidence.txt", "ok");
    assert_eq!(morning.at("23 05:30").await, "up since 23 05:20");
    morning.upload("24 05:20", TODAY, "");
    for time in ["24 05:30", "24 05:40", "24 06:30"] {
        assert_eq!(morning.at(time).await, "up");
    }
    morning.upload("25 05:20", "2026-11-25/evidence.txt", "");
    assert_eq!(morning.at("25 05:30").await, "down bad_evidence since 25 05:20");
    assert_eq!(morning.told(), ["down"]);
}

#[tokio::test]
async fn keys_of_any_letters_are_found() {
    for name in ["日報 1+2.txt", "a%20b.txt", "a&b=c;d.txt", "it's (new)!.txt", "~x,y@z:.txt"] {
        let morning = Morning::with(&DAILY.replace("evidence.txt", name)).await;
        morning.upload("24 05:20", &format!("2026-11-24/{name}"), "ok");
        assert_eq!(morning.at("24 05:30").await, "up since 24 05:20", "{name}");
    }
}
