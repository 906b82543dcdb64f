//! What `tenko check` says of an object: in time, late, missing, forbidden, empty.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Stdio;

use jiff::Timestamp;
use tenko_store::testkit_s3::{Key, TestS3};
use tokio::process::Command;

const CONFIG: &str = r#"
timezone = "Asia/Tokyo"

[jobs.legacy-batch]
cron = "0 5 * * *"
grace = "1h"
since = 2026-11-24
object = "s3://tenko-test/{date}/evidence.txt"
min_size = 1
"#;

/// Says what `tenko check` would have said at a time of the 24th, in Tokyo.
async fn check(s3: &TestS3, key: Key, time: &str) -> String {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("tenko.toml"), CONFIG).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenko"));
    command.args(["check", "--dry-run", "--at", &format!("2026-11-24 {time}")]);
    command.current_dir(place.path()).stdin(Stdio::null()).env_clear().env("HOME", place.path());
    command.env("TENKO_STATE_DIR", place.path().join("state")).envs(s3.env(key));
    command.env("AWS_ENDPOINT_URL", s3.endpoint()).env("AWS_ALLOW_HTTP", "true");
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    format!("{}{}exit {code}", text(output.stdout), text(output.stderr))
}

/// Puts today's evidence into the bucket at a time of the 24th, in Tokyo.
fn upload(s3: &TestS3, time: &str, body: &str) {
    let then: Timestamp = format!("2026-11-24T{time}:00+09:00").parse().unwrap();
    s3.skew_clock(then.as_second() - Timestamp::now().as_second());
    s3.put("2026-11-24/evidence.txt", body);
}

#[tokio::test]
async fn at_05_30_it_is_late() {
    let s3 = TestS3::start().await;
    insta::assert_snapshot!(check(&s3, Key::Reader, "05:30").await);
}

#[tokio::test]
async fn at_06_30_it_is_down() {
    let s3 = TestS3::start().await;
    insta::assert_snapshot!(check(&s3, Key::Reader, "06:30").await);
}

#[tokio::test]
async fn at_06_30_it_is_up_because_the_object_is_there() {
    let s3 = TestS3::start().await;
    upload(&s3, "05:20", "ok");
    insta::assert_snapshot!(check(&s3, Key::Reader, "06:30").await);
}

#[tokio::test]
async fn at_06_30_it_is_unknown_because_nobody_may_look() {
    let s3 = TestS3::start().await;
    insta::assert_snapshot!(check(&s3, Key::Getter, "06:30").await);
}

#[tokio::test]
async fn at_06_30_it_is_down_because_the_object_is_empty() {
    let s3 = TestS3::start().await;
    upload(&s3, "05:20", "");
    insta::assert_snapshot!(check(&s3, Key::Reader, "06:30").await);
}

#[tokio::test]
async fn to_a_stranger_it_is_unknown() {
    let s3 = TestS3::start().await;
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("tenko.toml"), CONFIG).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenko"));
    command.args(["check", "--dry-run", "--at", "2026-11-24 06:30"]).env_clear();
    command.current_dir(place.path()).env("HOME", place.path()).env("AWS_ACCESS_KEY_ID", "STRANGER");
    command.env("AWS_SECRET_ACCESS_KEY", "x").env("TENKO_STATE_DIR", place.path());
    command.env("AWS_ENDPOINT_URL", s3.endpoint()).env("AWS_ALLOW_HTTP", "true");
    let output = command.output().await.unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{out}");
    assert!(out.contains("unknown") && out.contains("403"), "{out}");
}
