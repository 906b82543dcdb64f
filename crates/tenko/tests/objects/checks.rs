//! So many, not the same again, not much smaller: what is wrong is said with its figures.

use tenko_core::message::{Language, compose};

use super::bucket::{DAILY, Morning};

/// A dump each night.
async fn dumps(checks: &str) -> Morning {
    Morning::with(&format!("{}\n{checks}", DAILY.replace("{date}/evidence.txt", "db/{date}.gz"))).await
}

/// So many parts each night.
async fn parts(checks: &str) -> Morning {
    Morning::with(&format!("{}\n{checks}", DAILY.replace("evidence.txt", "part-*"))).await
}

impl Morning {
    fn dump(&self, day: u8, body: &str) {
        self.upload(&format!("{day} 05:20"), &format!("db/2026-11-{day}.gz"), body);
    }
}

#[tokio::test]
async fn parts_are_waited_for_until_the_deadline() {
    let morning = parts("min_count = 3").await;
    morning.upload("24 05:10", "2026-11-24/part-1", "ok");
    morning.upload("24 05:20", "2026-11-24/part-2", "ok");
    assert_eq!(morning.at("24 05:30").await, "new");
    morning.upload("24 05:40", "2026-11-24/part-3", "ok");
    assert_eq!(morning.at("24 05:50").await, "up since 24 05:40");
    assert_eq!(morning.told(), [""; 0]);
}

#[tokio::test]
async fn at_06_00_it_is_down_because_a_part_is_missing() {
    let morning = parts("min_count = 3\nmin_size = 1").await;
    morning.upload("24 05:10", "2026-11-24/part-1", "");
    morning.upload("24 05:20", "2026-11-24/part-2", "ok");
    assert_eq!(morning.at("24 05:30").await, "new");
    assert_eq!(morning.at("24 06:30").await, "down bad_evidence since 24 06:00");
    insta::assert_snapshot!(morning.said("down"), @"2 objects match s3://tenko-test/2026-11-24/part-*, but only 1 of them counts as large and new enough; 3 or more are expected");
    assert_eq!(morning.at("24 06:40").await, "down");
    morning.upload("24 06:50", "2026-11-24/part-3", "ok");
    assert_eq!(morning.at("24 06:55").await, "down");
    // The first part is written again.
    morning.upload("24 06:58", "2026-11-24/part-1", "ok");
    assert_eq!(morning.at("24 07:00").await, "up since 24 06:58");
    assert_eq!(morning.told(), ["up"]);
}

#[tokio::test]
async fn without_any_part_it_is_missed() {
    let morning = parts("min_count = 3").await;
    for number in 0..3 {
        morning.upload("23 05:10", &format!("2026-11-23/part-{number}"), "ok");
    }
    assert_eq!(morning.at("23 06:30").await, "up since 23 05:10");
    assert_eq!(morning.at("24 06:30").await, "down missed since 24 06:00");
}

#[tokio::test]
async fn a_due_with_too_few_counts_once_however_many_come() {
    let morning = parts("min_count = 3\nfailures = 2").await;
    for number in 0..3 {
        morning.upload("23 05:10", &format!("2026-11-23/part-{number}"), "ok");
    }
    assert_eq!(morning.at("23 06:30").await, "up since 23 05:10");
    for (number, time) in ["24 05:10", "24 06:30"].into_iter().enumerate() {
        morning.upload(time, &format!("2026-11-24/part-{number}"), "ok");
        assert_eq!(morning.at("24 06:40").await, "up");
    }
    morning.upload("25 05:10", "2026-11-25/part-0", "ok");
    assert_eq!(morning.at("25 06:30").await, "down bad_evidence since 25 06:00");
}

#[tokio::test]
async fn generations_that_are_kept_are_counted_by_their_age() {
    let job = DAILY.replace("{date}/evidence.txt", "db/*.gz");
    let morning = Morning::with(&format!("{job}\nmin_count = 3\nmax_age = \"80h\"")).await;
    for day in 20..24 {
        morning.dump(day, "ok");
    }
    assert_eq!(morning.at("23 06:30").await, "up since 23 05:20");
    morning.dump(24, "ok");
    morning.s3.remove("db/2026-11-22.gz");
    morning.s3.remove("db/2026-11-23.gz");
    assert_eq!(morning.at("24 06:30").await, "down bad_evidence since 24 06:00");
    insta::assert_snapshot!(morning.said("down"), @"3 objects match s3://tenko-test/db/*.gz, but only 2 of them count as large and new enough; 3 or more are expected");
}

#[tokio::test]
async fn without_a_date_those_since_the_due_are_counted() {
    let job = DAILY.replace("{date}/evidence.txt", "out/part-*");
    let morning = Morning::with(&format!("{job}\nmin_count = 2")).await;
    for number in 0..2 {
        morning.upload("23 05:10", &format!("out/part-{number}"), "ok");
    }
    assert_eq!(morning.at("23 06:30").await, "up since 23 05:10");
    morning.upload("24 05:10", "out/part-0", "ok");
    assert_eq!(morning.at("24 05:30").await, "late");
    assert_eq!(morning.at("24 06:30").await, "down bad_evidence since 24 06:00");
    morning.upload("24 06:40", "out/part-1", "ok");
    assert_eq!(morning.at("24 06:50").await, "up since 24 06:40");
}

#[tokio::test]
async fn the_same_content_again_is_bad_evidence() {
    let morning = dumps("changed = true").await;
    morning.dump(22, "one");
    assert_eq!(morning.at("22 05:30").await, "up since 22 05:20");
    morning.dump(23, "two");
    assert_eq!(morning.at("23 05:30").await, "up");
    morning.asked();
    morning.dump(24, "two");
    assert_eq!(morning.at("24 05:30").await, "down bad_evidence since 24 05:20");
    insta::assert_snapshot!(morning.said("down"), @"s3://tenko-test/db/2026-11-24.gz has the same content as s3://tenko-test/db/2026-11-23.gz; a change is expected");
    // That of today, and that of the day before.
    assert_eq!(morning.asked(), (2, 0));
    // Once more the same, but not the same as two days before.
    morning.dump(25, "one");
    assert_eq!(morning.at("25 05:30").await, "up since 25 05:20");
}

#[tokio::test]
async fn the_first_of_all_has_nothing_to_differ_from() {
    let morning = dumps("changed = true\nshrink_at_most = \"20%\"").await;
    morning.dump(24, "one");
    assert_eq!(morning.at("24 05:30").await, "up since 24 05:20");
}

#[tokio::test]
async fn what_was_before_is_found_behind_days_without() {
    let morning = dumps("changed = true").await;
    morning.dump(20, "one");
    assert_eq!(morning.at("20 05:30").await, "up since 20 05:20");
    assert_eq!(morning.at("23 06:30").await, "down missed since 21 06:00");
    morning.dump(24, "one");
    assert_eq!(morning.at("24 05:30").await, "down");
    assert_eq!(morning.at("24 06:30").await, "down");
    morning.dump(25, "two");
    assert_eq!(morning.at("25 05:30").await, "up since 25 05:20");
}

#[tokio::test]
async fn one_that_shrank_too_much_is_bad_evidence() {
    let morning = dumps("shrink_at_most = \"20%\"").await;
    morning.dump(22, &"x".repeat(1000));
    assert_eq!(morning.at("22 05:30").await, "up since 22 05:20");
    morning.dump(23, &"x".repeat(800));
    assert_eq!(morning.at("23 05:30").await, "up");
    morning.dump(24, &"x".repeat(639));
    assert_eq!(morning.at("24 05:30").await, "down bad_evidence since 24 05:20");
    insta::assert_snapshot!(morning.said("down"), @"s3://tenko-test/db/2026-11-24.gz has 639 bytes, 20.1% less than s3://tenko-test/db/2026-11-23.gz with 800 bytes; at most 20% less is allowed");
    // It is the last good one that counts, not the bad one of yesterday.
    morning.dump(25, &"x".repeat(600));
    assert_eq!(morning.at("25 05:30").await, "down");
    morning.dump(26, &"x".repeat(640));
    assert_eq!(morning.at("26 05:30").await, "up since 26 05:20");
    assert_eq!(morning.told(), ["up"]);
}

#[tokio::test]
async fn so_many_bytes_less_may_be_allowed_as_well() {
    let morning = dumps("shrink_at_most = 100").await;
    morning.dump(22, &"x".repeat(1000));
    morning.dump(23, &"x".repeat(900));
    assert_eq!(morning.at("23 05:30").await, "up since 23 05:20");
    morning.dump(24, &"x".repeat(799));
    assert_eq!(morning.at("24 05:30").await, "down bad_evidence since 24 05:20");
    insta::assert_snapshot!(morning.said("down"), @"s3://tenko-test/db/2026-11-24.gz has 799 bytes, 101 bytes less than s3://tenko-test/db/2026-11-23.gz with 900 bytes; at most 100 bytes less is allowed");
}

#[tokio::test]
async fn after_an_absence_each_is_compared_with_the_good_one_before_it() {
    let morning = dumps("shrink_at_most = \"20%\"").await;
    morning.dump(20, &"x".repeat(1000));
    assert_eq!(morning.at("20 05:30").await, "up since 20 05:20");
    for (day, size) in [(21, 900), (22, 800), (23, 300), (24, 700)] {
        morning.dump(day, &"x".repeat(size));
    }
    let told = morning.at("24 05:30").await;
    assert_eq!(told, "up: down bad_evidence since 23 05:20, up since 24 05:20");
}

#[tokio::test]
async fn without_a_date_the_ones_before_lie_in_the_same_list() {
    let job = DAILY.replace("{date}/evidence.txt", "db/*.gz");
    let morning = Morning::with(&format!("{job}\nshrink_at_most = \"20%\"\nchanged = true")).await;
    morning.dump(22, &"x".repeat(1000));
    assert_eq!(morning.at("22 05:30").await, "up since 22 05:20");
    morning.dump(23, &"x".repeat(500));
    assert_eq!(morning.at("23 05:30").await, "down bad_evidence since 23 05:20");
    let said = morning.said("down");
    assert!(said.contains("500 bytes, 50% less than s3://tenko-test/db/2026-11-22.gz"), "{said}");
    morning.dump(24, &"y".repeat(1000));
    assert_eq!(morning.at("24 05:30").await, "up since 24 05:20");
    morning.asked();
    morning.dump(25, &"y".repeat(1000));
    assert_eq!(morning.at("25 05:30").await, "down bad_evidence since 25 05:20");
    assert_eq!(morning.asked(), (0, 1));
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_language_of_the_channel() {
    let morning = dumps("shrink_at_most = \"20%\"").await;
    morning.dump(23, &"x".repeat(1000));
    morning.dump(24, &"x".repeat(700));
    assert_eq!(morning.at("24 05:30").await, "down bad_evidence since 24 05:20");
    let notices = morning.notices();
    let said = [Language::En, Language::Ja].map(|language| compose(&notices[0], language).sentence);
    insta::assert_snapshot!(said.join("\n"), @r"
    The evidence of batch of Tue 24 Nov 2026 05:20 JST is bad: s3://tenko-test/db/2026-11-24.gz has 700 bytes, 30% less than s3://tenko-test/db/2026-11-23.gz with 1000 bytes; at most 20% less is allowed.
    batch の 2026年11月24日(火) 05:20 JST のエビデンスに問題があります（s3://tenko-test/db/2026-11-24.gz は 700 バイトで、s3://tenko-test/db/2026-11-23.gz（1000 バイト）より 30% 小さくなっています。許容される減少は 20% までです）。
    ");
}
