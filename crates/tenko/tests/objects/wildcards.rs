//! Several objects that match: the newest decides.

use tenko_store::testkit_s3::{Ask, Fault, Key};

use super::bucket::{DAILY, Morning};

/// A dump each night, with a name that nobody knows beforehand.
fn dumps(more: &str) -> String {
    DAILY.replace("{date}/evidence.txt", "db/{%Y/%m}/dump-{date}-*.sql.gz") + more
}

fn dump(day: u8, rest: &str) -> String {
    format!("db/2026/11/dump-2026-11-{day}-{rest}.sql.gz")
}

#[tokio::test]
async fn at_05_30_it_is_up_because_one_matches() {
    let morning = Morning::with(&dumps("")).await;
    assert_eq!(morning.at("24 04:00").await, "new");
    morning.upload("24 05:10", "db/2026/11/dump-2026-11-24-x.sql.gz.part", "not yet");
    assert_eq!(morning.at("24 05:15").await, "late");
    morning.upload("24 05:20", &dump(24, "8f3a"), "ok");
    assert_eq!(morning.at("24 05:30").await, "up since 24 05:20");
    assert_eq!(morning.told(), [""; 0]);
}

#[tokio::test]
async fn at_06_00_it_is_down_because_none_matches() {
    let morning = Morning::with(&dumps("")).await;
    morning.upload("23 05:20", &dump(23, "8f3a"), "ok");
    assert_eq!(morning.at("23 06:30").await, "up since 23 05:20");
    assert_eq!(morning.at("24 06:30").await, "down missed since 24 06:00");
    morning.upload("24 07:00", &dump(24, "77"), "ok");
    assert_eq!(morning.at("24 07:10").await, "up since 24 07:00");
    assert_eq!(morning.told(), ["down", "up"]);
}

#[tokio::test]
async fn the_newest_of_several_decides() {
    let morning = Morning::with(&dumps("\nmin_size = 2")).await;
    morning.upload("24 05:20", &dump(24, "z"), "");
    morning.upload("24 05:25", &dump(24, "a"), "ok");
    assert_eq!(morning.at("24 05:30").await, "up since 24 05:25");
    morning.upload("25 05:20", &dump(25, "a"), "ok");
    morning.upload("25 05:25", &dump(25, "z"), "");
    assert_eq!(morning.at("25 05:30").await, "down bad_evidence since 25 05:25");
    let said = morning.said("down");
    assert!(said.ends_with("dump-2026-11-25-z.sql.gz is empty; 2 bytes or more are expected"), "{said}");
}

#[tokio::test]
async fn one_list_is_all_it_costs_whatever_lies_below() {
    let morning = Morning::with(&DAILY.replace("{date}/evidence.txt", "restic/*")).await;
    for number in 0..1500 {
        morning.s3.put(&format!("restic/data/{number:04}"), "a pack");
    }
    morning.upload("24 05:20", "restic/config", "ok");
    assert_eq!(morning.at("24 05:30").await, "up since 24 05:20");
    assert_eq!(morning.asked(), (0, 1));
    assert_eq!(morning.at("24 12:00").await, "up");
    assert_eq!(morning.asked(), (0, 0));
}

#[tokio::test]
async fn the_age_of_the_newest_answers_where_no_date_is_in_the_name() {
    let morning = Morning::with(&DAILY.replace("{date}/evidence.txt", "restic/snapshots/*")).await;
    morning.upload("23 05:10", "restic/snapshots/f00d", "ok");
    assert_eq!(morning.at("23 05:30").await, "up since 23 05:10");
    // One that came by day is not that of the night.
    morning.upload("23 16:00", "restic/snapshots/beef", "by hand");
    assert_eq!(morning.at("24 05:30").await, "late");
    assert_eq!(morning.at("24 06:30").await, "down missed since 24 06:00");
    morning.upload("24 06:40", "restic/snapshots/0000", "ok");
    assert_eq!(morning.at("24 06:50").await, "up since 24 06:40");
    assert_eq!(morning.told(), ["down", "up"]);
}

#[tokio::test]
async fn with_max_age_one_that_came_by_day_will_do() {
    let job = DAILY.replace("{date}/evidence.txt", "restic/snapshots/*") + "\nmax_age = \"26h\"";
    let morning = Morning::with(&job).await;
    morning.upload("23 05:10", "restic/snapshots/f00d", "ok");
    assert_eq!(morning.at("23 05:30").await, "up since 23 05:10");
    morning.upload("23 16:00", "restic/snapshots/beef", "by hand");
    assert_eq!(morning.at("24 06:30").await, "up");
    assert_eq!(morning.at("25 06:30").await, "down bad_evidence since 25 06:00");
    let said = morning.said("down");
    assert!(
        said.ends_with("beef was 1 day 13 h old when it was due; at most 1 day 2 h is allowed"),
        "{said}"
    );
}

#[tokio::test]
async fn after_ten_days_without_a_roll_call_each_day_is_judged_by_its_own_snapshot() {
    let morning = Morning::with(&DAILY.replace("{date}/evidence.txt", "restic/snapshots/*")).await;
    morning.upload("10 05:20", "restic/snapshots/10", "ok");
    assert_eq!(morning.at("10 06:00").await, "up since 10 05:20");
    for day in (11..=20).filter(|day| *day != 15) {
        morning.upload(&format!("{day} 05:20"), &format!("restic/snapshots/{day}"), "ok");
    }
    morning.asked();
    assert_eq!(morning.at("20 09:00").await, "up: down missed since 15 06:00, up since 16 05:20");
    assert_eq!(morning.told(), ["up"]);
    assert_eq!(morning.asked(), (0, 1));
}

#[tokio::test]
async fn a_month_in_the_directory_does_not_make_an_object_answer_all_days_of_it() {
    let morning = Morning::with(&DAILY.replace("{date}/evidence.txt", "{%Y-%m}/dump-*.gz")).await;
    morning.upload("23 05:20", "2026-11/dump-a.gz", "ok");
    assert_eq!(morning.at("23 06:30").await, "up since 23 05:20");
    assert_eq!(morning.at("24 06:30").await, "down missed since 24 06:00");
}

#[tokio::test]
async fn the_folder_that_a_console_makes_is_no_object() {
    let morning = Morning::with(&DAILY.replace("{date}/evidence.txt", "restic/snapshots/*")).await;
    morning.upload("24 05:20", "restic/snapshots/", "");
    assert_eq!(morning.at("24 05:30").await, "new");
}

#[tokio::test]
async fn a_star_in_braces_is_a_star() {
    let morning = Morning::with(&DAILY.replace("evidence.txt", "a{*}b{?}c.txt")).await;
    morning.upload("24 05:10", "2026-11-24/axb?c.txt", "another");
    assert_eq!(morning.at("24 05:15").await, "new");
    morning.upload("24 05:20", "2026-11-24/a*b?c.txt", "ok");
    assert_eq!(morning.at("24 05:30").await, "up since 24 05:20");
    assert_eq!(morning.asked().0, 2);
}

#[tokio::test]
async fn without_the_right_to_list_it_is_unknown_and_the_right_is_named() {
    let mut morning = Morning::with(&dumps("")).await;
    morning.look_as(Key::Getter);
    for time in ["24 06:30", "24 06:40", "24 06:50"] {
        assert_eq!(morning.at(time).await, "unknown");
    }
    insta::assert_snapshot!(morning.said("unknown"), @r#"can't list s3://tenko-test/db/2026/11/dump-2026-11-24-: the server said AccessDenied: Access Denied (HTTP 403) (grant s3:ListBucket on arn:aws:s3:::tenko-test itself, with the condition "StringLike": {"s3:prefix": "db/*"}; wildcards need it)"#);
    assert_eq!(morning.asked(), (0, 3));
}

#[tokio::test]
async fn a_server_in_trouble_makes_it_unknown_and_never_down() {
    let morning = Morning::with(&dumps("")).await;
    morning.upload("23 05:20", &dump(23, "8f3a"), "ok");
    assert_eq!(morning.at("23 06:30").await, "up since 23 05:20");
    morning.s3.inject(Ask::List, 3, Fault::Status(503));
    assert_eq!(morning.at("24 06:30").await, "unknown");
    assert_eq!(morning.at("24 06:40").await, "down missed since 24 06:00");
}

#[tokio::test]
async fn of_the_past_what_came_later_was_not_there_yet() {
    let morning = Morning::with(&dumps("")).await;
    morning.upload("23 05:20", &dump(23, "8f3a"), "ok");
    assert_eq!(morning.at("23 06:30").await, "up since 23 05:20");
    assert_eq!(morning.at("24 06:30").await, "down missed since 24 06:00");
    morning.upload("24 07:10", &dump(24, "1"), "ok");
    assert_eq!(morning.at("24 07:15").await, "up since 24 07:10");
    assert_eq!(morning.would_be_at("24 06:30").await, "down missed since 24 06:00");
}
