//! `tenko gaps`: of evidence and of objects, although nobody called the roll.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli_support;

use std::process::Stdio;
use std::time::{Duration, Instant};

use cli_support::{Place, Seen};
use jiff::{SignedDuration, Timestamp};
use tenko_core::{Evidence, Kind, RunId, Slug};
use tenko_store::open::{OpenOptions, open};
use tenko_store::testkit_s3::{Ask, Key, TestS3};
use uuid::Uuid;

const DAILY: &str = r#"
timezone = "Asia/Tokyo"

[jobs.backup]
cron = "0 5 * * *"
grace = "30m"
since = 2026-03-01
"#;

fn place(config: &str) -> Place {
    let place = Place::new();
    std::fs::write(place.path().join("tenko.toml"), config).unwrap();
    place
}

/// What is shown, and the exit code, without the time at which the test left its evidence.
fn shown(seen: &Seen) -> String {
    assert_eq!(seen.err, "");
    let mask = |line: &str| match line.split_once(", arrived ") {
        Some((before, _)) => format!("{before}, arrived ...\n"),
        None => format!("{line}\n"),
    };
    format!("{}exit {}", seen.text().lines().map(mask).collect::<String>(), seen.code)
}

const TEN_DAYS: [&str; 4] = ["--since", "2026-03-01", "--until", "2026-03-10T12:00"];

fn reported() -> Place {
    let place = place(DAILY);
    for day in ["01", "02", "05", "06", "08"] {
        let at = format!("2026-03-{day}T05:07");
        assert_eq!(place.tenko(["ping", "backup", "--at", &at]).code, 0);
    }
    assert_eq!(place.tenko(["ping", "backup", "--at", "2026-03-07T11:00"]).code, 0);
    assert_eq!(place.tenko(["ping", "backup", "fail", "--exit", "3", "--at", "2026-03-09T05:02"]).code, 0);
    place
}

#[test]
fn gaps_are_found_although_nobody_called_the_roll() {
    let place = reported();
    insta::assert_snapshot!(shown(&place.tenko([&["gaps", "backup"], &TEN_DAYS[..]].concat())));
}

#[test]
fn the_calendar_of_days_is_drawn_when_it_is_asked_for() {
    let place = reported();
    let seen = place.tenko([&["gaps", "backup", "--heat-map", "--all"], &TEN_DAYS[..]].concat());
    insta::assert_snapshot!(shown(&seen));
}

#[test]
fn json_has_the_shape_that_is_documented() {
    let place = reported();
    let seen = place.tenko([&["gaps", "backup", "--json"], &TEN_DAYS[..]].concat());
    assert_eq!(seen.code, 1);
    let mut json = seen.json();
    for due in json["dues"].as_array_mut().unwrap() {
        for key in ["run", "received_at"] {
            if let Some(value) = due.pointer_mut(&format!("/by/{key}")) {
                *value = "...".into();
            }
        }
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap());
}

#[test]
fn without_gaps_the_exit_code_is_0() {
    let place = reported();
    let seen = place.tenko(["gaps", "backup", "--since", "2026-03-01", "--until", "2026-03-02T12:00"]);
    assert_eq!(seen.code, 0, "{seen:?}");
    assert!(seen.text().starts_with("2 dues since 2026-03-01 05:00:00 JST: 0 answered, 2 delivered late"));
}

#[test]
fn of_a_job_that_left_nothing_nothing_can_be_told() {
    let place = place(DAILY);
    let seen = place.tenko([&["gaps", "backup"], &TEN_DAYS[..]].concat());
    assert_eq!(seen.code, 3, "{seen:?}");
    assert!(seen.text().ends_with("no evidence is kept\n"), "{seen:?}");
}

#[test]
fn evidence_of_another_job_shows_how_far_evidence_reaches_back() {
    let place = place(&format!("{DAILY}\n[jobs.other]\nevery = \"1d\"\n"));
    place.tenko(["ping", "other", "--at", "2026-03-04T00:00"]);
    place.tenko(["ping", "backup", "--at", "2026-03-06T05:01"]);
    insta::assert_snapshot!(shown(&place.tenko([&["gaps", "backup"], &TEN_DAYS[..]].concat())));
}

#[test]
fn a_job_that_declared_itself_is_known_before_the_roll_is_called() {
    let place = Place::new();
    let declared = ["ping", "self", "--cron", "0 5 * * *", "--tz", "Asia/Tokyo", "--grace", "30m"];
    for day in ["01", "03"] {
        let at = format!("2026-03-{day}T05:07+09:00");
        assert_eq!(place.tenko([&declared[..], &["--at", &at]].concat()).code, 0);
    }
    let seen = place.tenko(["gaps", "self", "--since", "2026-03-01", "--until", "2026-03-03T12:00"]);
    assert_eq!(seen.code, 1, "{seen:?}");
    assert!(seen.text().starts_with("DUE                      OUTCOME\n2026-03-02 05:00:00 JST  missed\n"));
}

#[test]
fn what_can_not_be_asked_is_an_error_with_a_hint() {
    let place = place("[jobs.free]\ngrace = \"1h\"\n");
    let told = |arguments: &[&str]| {
        let seen = place.tenko(arguments);
        assert_eq!(seen.code, 2);
        seen.err
    };
    let errors =
        [told(&["gaps", "fre"]), told(&["gaps", "free"]), told(&["gaps", "free", "--since", "soon"])];
    assert!(errors[0].contains("did you mean free?"), "{}", errors[0]);
    assert!(errors[1].contains("has no schedule"), "{}", errors[1]);
    let often = self::place("[jobs.often]\ncron = \"* * * * *\"\ngrace = \"1m\"\n");
    let seen = often.tenko(["gaps", "often", "--since", "2025-01-01", "--until", "2026-01-01"]);
    assert!(seen.code == 2 && seen.err.contains("more than 250000 dues"), "{seen:?}");
    let daily = self::place(DAILY);
    for (since, until, said) in
        [("soon", "2026-03-02", "--since"), ("2026-03-02", "2026-03-01", "nothing between")]
    {
        let seen = daily.tenko(["gaps", "backup", "--since", since, "--until", until]);
        assert_eq!(seen.code, 2, "{seen:?}");
        assert!(seen.err.contains(said), "{}", seen.err);
    }
}

#[test]
fn options_may_be_variables() {
    let place = reported();
    let mut command = place.command(["gaps", "backup"]);
    command.env("TENKO_SINCE", "2026-03-01").env("TENKO_UNTIL", "2026-03-02T12:00");
    let seen = Seen::of(command.env("TENKO_ALL", "yes").output().unwrap());
    assert_eq!(seen.text().lines().count(), 4, "{seen:?}");
}

/// 90 days of every five minutes, with some hours missing.
#[tokio::test]
async fn ninety_days_of_every_five_minutes_are_read_at_once() {
    let place = place("[jobs.often]\ncron = \"*/5 * * * *\"\ngrace = \"4m\"\n");
    std::fs::create_dir(place.state()).unwrap();
    let url = format!("sqlite://{}", place.state().join("tenko.db").display());
    let store = open(&url, &OpenOptions::default()).await.unwrap();
    let job = Slug::new("often").unwrap();
    let first: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
    let count = 90 * 288;
    let at = |number: i64| first + SignedDuration::from_secs(number * 300 + 20);
    let there = (0..count).filter(|number| number % 1000 != 999);
    let evidence: Vec<Evidence> = there
        .map(|number| {
            Evidence::new(job.clone(), RunId(Uuid::from_u128(number as u128)), Kind::Success, at(number))
        })
        .collect();
    store.append(&evidence).await.unwrap();
    let begin = Instant::now();
    let seen =
        place.tenko(["gaps", "often", "--since", "2026-03-01", "--until", "2026-05-29T23:59", "--json"]);
    let took = begin.elapsed();
    assert_eq!(seen.code, 1, "{}", seen.err);
    let json = seen.json();
    assert_eq!((json["counts"]["dues"].as_i64(), json["counts"]["missed"].as_i64()), (Some(count), Some(25)));
    assert!(took < Duration::from_secs(10), "{took:?}");
}

const OBJECT: &str = r#"
timezone = "Asia/Tokyo"

[jobs.dump]
cron = "0 5 * * *"
grace = "1h"
object = "s3://tenko-test/{date}/dump.sql"
min_size = 1
"#;

async fn gaps_of_objects(s3: &TestS3, key: Key) -> Seen {
    let place = place(OBJECT);
    let mut command = tokio::process::Command::from(place.command(["gaps", "dump"]));
    command
        .args(["--since", "2026-03-01", "--until", "2026-03-08T12:00"])
        .envs(s3.env(key))
        .stdin(Stdio::null());
    command.env("AWS_ENDPOINT_URL", s3.endpoint()).env("AWS_ALLOW_HTTP", "true");
    Seen::of(command.output().await.unwrap())
}

fn upload(s3: &TestS3, day: &str, time: &str, body: &str) {
    let then: Timestamp = format!("{day}T{time}:00+09:00").parse().unwrap();
    s3.skew_clock(then.as_second() - Timestamp::now().as_second());
    s3.put(&format!("{day}/dump.sql"), body);
    s3.skew_clock(0);
}

#[tokio::test]
async fn objects_are_looked_for_back_to_the_oldest_there_is() {
    let s3 = TestS3::start().await;
    upload(&s3, "2026-03-03", "05:10", "ok");
    upload(&s3, "2026-03-04", "09:00", "late");
    upload(&s3, "2026-03-06", "05:10", "");
    upload(&s3, "2026-03-07", "05:10", "ok");
    insta::assert_snapshot!(shown(&gaps_of_objects(&s3, Key::Reader).await));
    assert!(s3.count(Ask::Head) <= 9, "one for each due, and one more at most");
}

#[tokio::test]
async fn objects_that_may_not_be_seen_are_unknown() {
    let s3 = TestS3::start().await;
    let seen = gaps_of_objects(&s3, Key::Getter).await;
    assert_eq!(seen.code, 3, "{seen:?}");
    assert!(seen.text().contains("unknown") && seen.err.contains("403"), "{seen:?}");
}
