//! An object is there in time, late, or never.

use super::bucket::{DAILY, Morning};

const TODAY: &str = "2026-11-24/evidence.txt";

#[tokio::test]
async fn at_05_30_it_is_up_because_the_object_is_there() {
    let morning = Morning::daily().await;
    assert_eq!(morning.at("24 05:10").await, "late");
    morning.upload("24 05:20", TODAY, "ok");
    assert_eq!(morning.at("24 05:30").await, "up since 24 05:20");
    assert_eq!(morning.at("24 12:00").await, "up");
    assert_eq!(morning.told(), [""; 0]);
}

#[tokio::test]
async fn at_06_00_it_is_down_because_missed_and_that_is_told_once() {
    let morning = Morning::daily().await;
    assert_eq!(morning.at("24 05:00").await, "late");
    assert_eq!(morning.at("24 05:59").await, "late");
    assert_eq!(morning.told(), [""; 0]);
    assert_eq!(morning.at("24 06:30").await, "down missed since 24 06:00");
    assert_eq!(morning.told(), ["down"]);
    assert_eq!(morning.at("24 06:45").await, "down");
    assert_eq!(morning.told(), [""; 0]);
}

#[tokio::test]
async fn an_object_that_comes_at_07_10_ends_the_incident() {
    let morning = Morning::daily().await;
    assert_eq!(morning.at("24 06:30").await, "down missed since 24 06:00");
    morning.upload("24 07:10", TODAY, "ok");
    assert_eq!(morning.at("24 07:15").await, "up since 24 07:10");
    assert_eq!(morning.told(), ["down", "up"]);
}

#[tokio::test]
async fn the_object_of_yesterday_does_not_answer_today() {
    let morning = Morning::with(DAILY).await;
    morning.upload("23 05:10", "2026-11-23/evidence.txt", "ok");
    assert_eq!(morning.at("23 09:00").await, "up since 23 05:10");
    assert_eq!(morning.at("24 05:30").await, "late");
    // Written again, it still is that of yesterday.
    morning.upload("24 05:40", "2026-11-23/evidence.txt", "ok");
    assert_eq!(morning.at("24 06:00").await, "down missed since 24 06:00");
}

#[tokio::test]
async fn the_date_is_that_of_tokyo_while_it_is_still_yesterday_in_utc() {
    let morning = Morning::daily().await;
    // 05:00 in Tokyo is 20:00 of the 23rd in UTC.
    morning.upload("24 05:01", "2026-11-23/evidence.txt", "of the day before");
    assert_eq!(morning.at("24 05:02").await, "late");
    morning.upload("24 05:03", TODAY, "ok");
    assert_eq!(morning.at("24 05:04").await, "up since 24 05:03");
}

#[tokio::test]
async fn the_first_roll_call_finds_what_was_there_before_it() {
    let morning = Morning::with(DAILY).await;
    morning.upload("24 05:20", TODAY, "ok");
    assert_eq!(morning.at("24 11:00").await, "up since 24 05:20");
    assert_eq!(morning.told(), [""; 0]);
}

#[tokio::test]
async fn an_object_of_the_last_minutes_before_the_due_answers_it() {
    let morning = Morning::daily().await;
    morning.upload("24 04:58", TODAY, "an application that is quick");
    assert_eq!(morning.at("24 05:00").await, "up since 24 05:00");
}

#[tokio::test]
async fn after_ten_days_without_a_roll_call_each_day_is_judged_by_its_own_object() {
    let morning = Morning::with(DAILY).await;
    morning.upload("10 05:20", "2026-11-10/evidence.txt", "ok");
    assert_eq!(morning.at("10 06:00").await, "up since 10 05:20");
    for day in (11..=20).filter(|day| *day != 15) {
        morning.upload(&format!("{day} 05:20"), &format!("2026-11-{day}/evidence.txt"), "ok");
    }
    assert_eq!(morning.at("20 09:00").await, "up: down missed since 15 06:00, up since 16 05:20");
    assert_eq!(morning.told(), ["up"]);
}

#[tokio::test]
async fn the_zone_of_the_job_comes_before_that_of_the_file() {
    let job = "cron = \"0 22 * * *\"\ntz = \"America/New_York\"\ngrace = \"1h\"\nobject = \"s3://tenko-test/{%Y/%m/%d}.txt\"";
    let morning = Morning::with(job).await;
    // 22:00 of the 23rd in New York is noon of the 24th in Tokyo.
    assert_eq!(morning.at("24 11:00").await, "new");
    morning.upload("24 12:10", "2026/11/24.txt", "the date of Tokyo");
    assert_eq!(morning.at("24 12:15").await, "late");
    morning.upload("24 12:20", "2026/11/23.txt", "ok");
    assert_eq!(morning.at("24 12:30").await, "up since 24 12:20");
}

#[tokio::test]
async fn an_object_that_a_lifecycle_rule_removed_has_answered_all_the_same() {
    let morning = Morning::daily().await;
    morning.upload("24 05:20", TODAY, "ok");
    assert_eq!(morning.at("24 05:30").await, "up since 24 05:20");
    morning.s3.remove(TODAY);
    assert_eq!(morning.at("24 06:30").await, "up");
    assert_eq!(morning.at("25 04:00").await, "up");
    assert_eq!(morning.told(), [""; 0]);
}

#[tokio::test]
async fn a_server_whose_clock_is_ahead_does_not_answer_from_the_future() {
    let morning = Morning::daily().await;
    morning.upload("24 05:40", TODAY, "ok");
    assert_eq!(morning.at("24 05:30").await, "up since 24 05:30");
    assert_eq!(morning.at("24 07:00").await, "up");
    assert_eq!(morning.at("25 05:30").await, "late");
}

#[tokio::test]
async fn every_hour_has_an_object_of_its_own() {
    let job = "cron = \"0 * * * *\"\ngrace = \"10m\"\nobject = \"s3://tenko-test/{%Y%m%dT%H}.txt\"";
    let morning = Morning::with(job).await;
    morning.upload("24 05:02", "20261124T05.txt", "ok");
    assert_eq!(morning.at("24 05:05").await, "up since 24 05:02");
    morning.upload("24 07:02", "20261124T07.txt", "ok");
    assert_eq!(morning.at("24 07:05").await, "up: down missed since 24 06:10, up since 24 07:02");
    assert_eq!(morning.told(), ["up"]);
    // That of six o'clock comes after all, but its hour is over.
    morning.upload("24 07:20", "20261124T06.txt", "late");
    assert_eq!(morning.at("24 07:30").await, "up");
}

#[tokio::test]
async fn an_object_that_is_to_be_renewed_every_hour() {
    let job = "every = \"1h\"\ngrace = \"10m\"\nobject = \"s3://tenko-test/latest.txt\"";
    let morning = Morning::with(job).await;
    morning.upload("24 03:30", "latest.txt", "ok");
    assert_eq!(morning.at("24 04:00").await, "up since 24 03:30");
    morning.upload("24 04:20", "latest.txt", "ok");
    assert_eq!(morning.at("24 05:05").await, "up");
    morning.upload("24 05:22", "latest.txt", "ok");
    assert_eq!(morning.at("24 05:25").await, "up");
    assert_eq!(morning.at("24 06:25").await, "late");
    assert_eq!(morning.at("24 06:40").await, "down missed since 24 06:32");
    morning.upload("24 06:50", "latest.txt", "ok");
    assert_eq!(morning.at("24 06:55").await, "up since 24 06:50");
    assert_eq!(morning.told(), ["down", "up"]);
}
