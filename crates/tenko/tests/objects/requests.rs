//! What a roll call costs: HEAD for what is waited for, and nothing while nothing is.

use std::time::{Duration, Instant};

use tenko::checker::Report;
use tenko_store::testkit_s3::{Ask, Fault, Key, TestS3};

use super::bucket::{DAILY, Morning, moment};

const TODAY: &str = "2026-11-24/evidence.txt";

#[tokio::test]
async fn while_nothing_is_due_nothing_is_asked() {
    let morning = Morning::with(DAILY).await;
    morning.upload("23 05:10", "2026-11-23/evidence.txt", "ok");
    assert_eq!(morning.at("23 06:30").await, "up since 23 05:10");
    assert_eq!(morning.asked(), (1, 0));
    for time in ["23 07:00", "23 12:00", "24 00:30", "24 04:58"] {
        assert_eq!(morning.at(time).await, "up");
    }
    assert_eq!(morning.asked(), (0, 0));
}

#[tokio::test]
async fn an_object_that_is_there_costs_one_head() {
    let morning = Morning::with(DAILY).await;
    morning.upload("23 05:10", "2026-11-23/evidence.txt", "ok");
    morning.at("23 06:30").await;
    morning.asked();
    morning.upload("24 05:20", TODAY, "ok");
    assert_eq!(morning.at("24 05:30").await, "up");
    assert_eq!(morning.asked(), (1, 0));
    assert_eq!(morning.at("24 05:40").await, "up");
    assert_eq!(morning.asked(), (0, 0));
}

#[tokio::test]
async fn one_that_is_not_there_costs_one_head_and_one_list_for_whether_there_is_a_bucket() {
    let morning = Morning::with(DAILY).await;
    morning.upload("23 05:10", "2026-11-23/evidence.txt", "ok");
    morning.at("23 06:30").await;
    morning.asked();
    assert_eq!(morning.at("24 05:30").await, "late");
    assert_eq!(morning.asked(), (1, 1));
    assert_eq!(morning.at("24 06:30").await, "down missed since 24 06:00");
    assert_eq!(morning.asked(), (1, 1));
}

#[tokio::test]
async fn after_a_long_absence_at_most_31_dues_are_asked_for() {
    let morning =
        Morning::with(&DAILY.replace("0 5 * * *", "0 * * * *").replace("{date}", "{%Y-%m-%dT%H}")).await;
    morning.upload("10 05:05", "2026-11-10T05/evidence.txt", "ok");
    assert_eq!(morning.at("10 05:10").await, "up since 10 05:05");
    morning.asked();
    // 259 hours.
    assert_eq!(morning.at("20 23:30").await, "down missed since 10 07:00");
    assert_eq!(morning.asked(), (0, 1));
    assert_eq!(morning.at("20 23:40").await, "down");
    assert_eq!(morning.asked().0, 1);
}

#[tokio::test]
async fn a_month_of_seconds_is_not_walked_through() {
    let job = "every = \"1s\"\ngrace = \"1s\"\nobject = \"s3://tenko-test/{%H%M%S}.txt\"";
    let morning = Morning::with(job).await;
    assert_eq!(morning.at("01 05:00").await, "new");
    morning.asked();
    let begin = Instant::now();
    assert!(morning.at("30 05:00").await.starts_with("down missed"));
    assert_eq!(morning.asked(), (0, 1));
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}

/// So many jobs with an object each, in one directory.
async fn many(count: usize) -> Morning {
    let job = |number| DAILY.replace("evidence.txt", &format!("job{number:03}.txt"));
    let others: String =
        (1..count).map(|number| format!("\n[jobs.other{number}]\n{}", job(number))).collect();
    Morning::with(&format!("{}{others}", job(0))).await
}

fn blind(report: &Report) -> usize {
    report.roll.states.values().filter(|state| state.blind.is_some()).count()
}

#[tokio::test]
async fn a_silent_bucket_is_not_asked_for_all_objects() {
    let morning = many(25).await;
    morning.s3.inject(Ask::Head, 1000, Fault::Status(503));
    let report = morning.roll_call("24 06:30").await;
    assert_eq!(blind(&report), 25);
    let (heads, _) = morning.asked();
    // Each is tried three times. The first one goes alone; when sixteen had failed, those under way are awaited.
    assert!((3 * 16..=3 * 25).contains(&heads), "{heads}");
    // The next roll call asks again.
    morning.s3.heal();
    assert_eq!(blind(&morning.roll_call("24 06:40").await), 0);
    assert_eq!(morning.asked(), (25, 1));
}

#[tokio::test]
async fn a_silent_bucket_is_not_asked_for_more_than_one_list() {
    let morning = many(100).await;
    morning.s3.inject(Ask::List, 1000, Fault::Status(503));
    assert_eq!(blind(&morning.roll_call("24 06:30").await), 100);
    assert_eq!(morning.asked(), (0, 3));
    morning.s3.heal();
    assert_eq!(blind(&morning.roll_call("24 06:40").await), 0);
    assert_eq!(morning.asked(), (0, 1));
}

#[tokio::test]
async fn the_same_object_of_a_hundred_jobs_costs_one_head() {
    let others: String = (1..100).map(|number| format!("\n[jobs.other{number}]\n{DAILY}")).collect();
    let morning = Morning::with(&format!("{DAILY}{others}")).await;
    morning.upload("24 05:10", TODAY, "ok");
    let report = morning.roll_call("24 06:30").await;
    assert!(report.roll.states.values().all(|state| state.last_success.is_some()));
    assert_eq!(morning.asked(), (1, 0));
}

#[tokio::test]
async fn the_objects_of_five_hundred_jobs_cost_one_list() {
    let morning = many(500).await;
    for number in 0..400 {
        morning.upload("24 05:10", &format!("2026-11-24/job{number:03}.txt"), "ok");
    }
    let report = morning.roll_call("24 06:30").await;
    let answered = report.roll.states.values().filter(|state| state.last_success.is_some());
    assert_eq!(answered.count(), 400);
    assert_eq!(morning.asked(), (0, 1));
}

#[tokio::test]
async fn a_crowded_bucket_is_asked_for_one_by_one_after_one_list() {
    let morning = many(30).await;
    for number in 0..3000 {
        morning.s3.put(&format!("2026-11-24/job000.txt-{number}"), "of somebody else");
    }
    morning.upload("24 05:10", "2026-11-24/job029.txt", "ok");
    let report = morning.roll_call("24 06:30").await;
    assert_eq!(report.roll.states.values().filter(|state| state.last_success.is_some()).count(), 1);
    assert_eq!(morning.asked(), (29, 1));
}

#[tokio::test]
async fn where_lists_are_forbidden_that_is_found_out_once() {
    let mut morning = many(100).await;
    morning.look_as(Key::Getter);
    for number in 0..100 {
        morning.upload("24 05:10", &format!("2026-11-24/job{number:03}.txt"), "ok");
    }
    assert_eq!(blind(&morning.roll_call("24 06:30").await), 0);
    assert_eq!(morning.asked(), (100, 1));
}

#[tokio::test]
async fn where_only_lists_of_single_keys_are_allowed_those_tell() {
    let mut morning = many(30).await;
    morning.look_as(Key::Lister);
    for number in 0..30 {
        morning.upload("24 05:10", &format!("2026-11-24/job{number:03}.txt"), "ok");
    }
    morning.s3.inject(Ask::List, 1, Fault::Status(403));
    let report = morning.roll_call("24 06:30").await;
    assert!(report.roll.states.values().all(|state| state.last_success.is_some()));
    let (heads, lists) = morning.asked();
    assert!(heads <= 16 && lists == 31, "{heads} HEAD and {lists} LIST");
}

#[tokio::test]
async fn what_a_list_tells_anyway_is_not_asked_for_again() {
    let all = DAILY.replace("evidence.txt", "*");
    let narrow = DAILY.replace("evidence.txt", "part-*");
    let none = DAILY.replace("evidence.txt", "nothing.txt");
    let morning =
        Morning::with(&format!("{all}\n[jobs.exact]\n{DAILY}\n[jobs.narrow]\n{narrow}\n[jobs.none]\n{none}"))
            .await;
    morning.upload("24 05:10", "2026-11-24/part-1", "ok");
    morning.upload("24 05:20", TODAY, "ok");
    let report = morning.roll_call("24 06:30").await;
    let answered = report.roll.states.iter().filter(|(_, state)| state.last_success.is_some());
    assert_eq!(answered.map(|(slug, _)| slug.as_str()).collect::<Vec<_>>(), ["batch", "exact", "narrow"]);
    // The second one is of the narrower pattern: what it is about is in the first already.
    assert_eq!(morning.asked(), (0, 1));
}

#[tokio::test]
async fn before_a_miss_is_believed_the_store_is_asked_again_but_not_the_object() {
    let other = TestS3::start().await;
    let mut morning = Morning::with(DAILY).await;
    morning.keep_in(other.open("roll", Key::Checker).await.unwrap());
    // The clock of the store counts.
    let set = |time| other.skew_clock(moment(time).as_second() - jiff::Timestamp::now().as_second());
    set("24 04:00");
    assert_eq!(morning.at("24 04:00").await, "new");
    morning.asked();
    set("24 06:30");
    assert_eq!(morning.at("24 06:30").await, "down missed since 24 06:00");
    assert_eq!(morning.asked(), (1, 1));
}

#[tokio::test]
async fn two_buckets_are_told_apart() {
    let elsewhere = DAILY.replace("tenko-test", "not-there");
    let morning = Morning::with(&format!("{DAILY}\n[jobs.other]\n{elsewhere}")).await;
    morning.upload("24 05:20", TODAY, "ok");
    let report = morning.roll_call("24 06:30").await;
    let blind = report.roll.states.iter().filter(|(_, state)| state.blind.is_some());
    assert_eq!(blind.map(|(slug, _)| slug.as_str()).collect::<Vec<_>>(), ["other"]);
}

#[tokio::test]
async fn an_object_may_lie_on_another_server_than_all_others() {
    let other = TestS3::start().await;
    let parameters = format!("evidence.txt?endpoint={}&allow_http=true", other.endpoint());
    let elsewhere = DAILY.replace("evidence.txt", &parameters);
    let morning = Morning::with(&format!("{elsewhere}\n[jobs.other]\n{DAILY}")).await;
    other.put(TODAY, "ok");
    let report = morning.roll_call("24 06:30").await;
    let verdicts: Vec<String> =
        report.roll.states.values().map(|state| state.fold.verdict.to_string()).collect();
    assert_eq!(verdicts, ["up", "new"]);
    assert_eq!((other.count(Ask::Head), morning.asked()), (1, (1, 1)));
}
