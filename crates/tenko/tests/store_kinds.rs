//! The main path through the command, over each kind of store: what is said is the same.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::process::{Output, Stdio};

use jiff::Timestamp;
use serde_json::Value;
use tenko_store::testkit_s3::{Key, TestS3};
use tokio::process::Command;
use uuid::Uuid;

const CONFIG: &str = r#"
timezone = "Asia/Tokyo"
notify = ["ops"]

[channels.ops]
command = ["sh", "-c", "cat >> told; echo >> told"]

[jobs.report]
every = "1h"
description = "the hourly report"
"#;

const RUN_ID: &str = "01930000-0000-7000-8000-000000000001";

/// A machine with a store.
struct Machine {
    place: tempfile::TempDir,
    store: String,
    env: Vec<(String, String)>,
    transcript: String,
}

impl Machine {
    fn new(store: impl FnOnce(&std::path::Path) -> String) -> Self {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("tenko.toml"), CONFIG).unwrap();
        let store = store(place.path());
        Self { place, store, env: Vec::new(), transcript: String::new() }
    }

    /// Runs a command and notes what it said.
    async fn tenko(&mut self, line: &str) -> &mut Self {
        let output = self.output(line).await;
        let code = output.status.code().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let out = text(&output.stdout);
        let shown = match serde_json::from_str::<Value>(&out) {
            Ok(mut json) if line.contains("--json") => {
                normalise(&mut json);
                serde_json::to_string_pretty(&json).unwrap() + "\n"
            }
            _ => out,
        };
        let err = text(&output.stderr);
        write!(self.transcript, "$ tenko {line}\n{shown}{err}exit {code}\n\n").unwrap();
        self
    }

    async fn output(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenko"));
        command.args(words(line)).current_dir(self.place.path()).stdin(Stdio::null()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.place.path());
        command.env("TENKO_STORE", &self.store).env("TENKO_STATE_DIR", self.place.path().join("state"));
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.output().await.unwrap()
    }

    /// What the channel was told, in order.
    fn told(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.place.path().join("told")).unwrap_or_default();
        let notices = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        notices.map(|notice| in_short(&notice.unwrap())).collect()
    }
}

fn in_short(batch: &Value) -> String {
    let [notice] = batch["notices"].as_array().unwrap().as_slice() else { panic!("{batch:#}") };
    let field = |name: &str| notice[name].as_str().unwrap();
    format!("{} {}", field("job"), field("kind"))
}

/// Words between blanks; single quotes keep them together.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(at, part)| match at % 2 {
        1 => vec![part.to_owned()],
        _ => part.split_whitespace().map(str::to_owned).collect(),
    });
    words.collect()
}

/// Takes out what is another each time: moments, ids, the host, time and memory.
fn normalise(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match name.as_str() {
                    "host" if field.is_string() => *field = "HOST".into(),
                    "duration" | "max_rss" if !field.is_null() => *field = "SO MUCH".into(),
                    _ => normalise(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(normalise),
        Value::String(text) if text.parse::<Timestamp>().is_ok() => *text = "MOMENT".into(),
        Value::String(text) if *text != RUN_ID && text.parse::<Uuid>().is_ok() => *text = "ID".into(),
        _ => {}
    }
}

/// A job runs, fails, answers by hand, is paused and judged again, and another one declares itself.
async fn the_main_path(machine: &mut Machine) {
    for line in [
        "check --json",
        "run --job report -- sh -c 'echo rows: 12'",
        "check --json",
        "run --job report -- sh -c 'echo no rows; exit 3'",
        "check --json",
        &format!("ping report start --run-id {RUN_ID}"),
        "check --json",
        &format!("ping report success --run-id {RUN_ID} --message 'done by hand'"),
        "check --json",
        "pause report",
        "run --job report -- false",
        "check --json",
        "resume report",
        "run --job nightly --every 1d -- true",
        "check --json",
        "log report --json",
        "show nightly --json",
        "jobs --json",
        "check --dry-run --at 2000-01-01T00:00:00Z --json",
    ] {
        machine.tenko(line).await;
    }
    assert_eq!(machine.told(), ["report down", "report up"]);
    insta::assert_snapshot!("the_main_path", machine.transcript);
}

#[tokio::test]
async fn over_sqlite() {
    let mut machine = Machine::new(|place| format!("sqlite://{}/tenko.db", place.display()));
    the_main_path(&mut machine).await;
}

#[tokio::test]
async fn over_a_directory() {
    let mut machine = Machine::new(|place| format!("file://{}", place.join("store").display()));
    std::fs::create_dir(machine.place.path().join("store")).unwrap();
    the_main_path(&mut machine).await;
}

#[tokio::test]
async fn over_a_bucket() {
    let s3 = TestS3::start().await;
    let mut machine = Machine::new(|_| s3.url("prod"));
    machine.env = s3.env(Key::Admin).into_iter().collect();
    the_main_path(&mut machine).await;
}

#[tokio::test]
async fn over_a_bucket_whose_clock_is_ahead_people_are_told_at_once() {
    let s3 = TestS3::start().await;
    s3.skew_clock(120);
    let mut machine = Machine::new(|_| s3.url("prod"));
    machine.env = s3.env(Key::Admin).into_iter().collect();
    machine.tenko("check").await.tenko("run --job report -- false").await.tenko("check").await;
    assert_eq!(machine.told(), ["report down"], "{}", machine.transcript);
    machine.tenko("run --job report -- true").await.tenko("check").await;
    assert_eq!(machine.told(), ["report down", "report up"], "{}", machine.transcript);
}

#[tokio::test]
async fn fault_33_over_a_bucket_a_machine_a_day_ahead_finds_nothing_missed_and_says_why() {
    let s3 = TestS3::start().await;
    // All is a day ago there: the server is right, and the clock of this machine has jumped.
    s3.skew_clock(-86_400);
    let mut machine = Machine::new(|_| s3.url("prod"));
    machine.env = s3.env(Key::Admin).into_iter().collect();
    let yesterday = Timestamp::now() - jiff::SignedDuration::from_hours(24);
    machine.tenko(&format!("ping report --every 1h --grace 10m --at {yesterday}")).await;
    let output = machine.output("check --json").await;
    let check: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &check["jobs"][0]["verdict"]), (Some(0), &"up".into()), "{check:#}");
    let warning = check["warnings"][0].as_str().unwrap();
    assert!(warning.contains("ahead of that of s3://") && warning.contains("1d"), "{warning}");
    let jobs = machine.output("jobs --json").await;
    let jobs: Value = serde_json::from_slice(&jobs.stdout).unwrap();
    assert_eq!(jobs["jobs"][0]["verdict"], "up");
    assert_eq!(machine.told(), [""; 0]);
}
