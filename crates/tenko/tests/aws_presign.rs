//! Signed URLs: a host that has nothing but `curl` leaves evidence, once, and the next roll call counts it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli_support;

use std::process::Command;

use cli_support::{Place, Seen};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tenko_store::layout::EvidenceKey;
use tenko_store::testkit_s3::{Key, TestS3};

/// A bucket, and a machine with a configuration of which the store is there.
struct Site {
    server: TestS3,
    place: Place,
    due: Timestamp,
}

impl Site {
    /// A job and another that is judged by an object, both due at the beginning of this minute and with an hour of time.
    async fn new() -> Self {
        let server = TestS3::start().await;
        let place = Place::new();
        let now = Timestamp::now();
        let due = now
            - SignedDuration::from_nanos(now.as_nanosecond().rem_euclid(60_000_000_000).try_into().unwrap());
        let civil = due.to_zoned_datetime(jiff::tz::TimeZone::UTC);
        let job = |name: &str| {
            let since = due - SignedDuration::from_secs(1);
            let (minute, hour) = (civil.minute(), civil.hour());
            format!("[jobs.{name}]\ncron = \"{minute} {hour} * * *\"\nsince = \"{since}\"\ngrace = \"1h\"\n")
        };
        let object = format!("object = \"{}\"\n", server.url("dumps/{date}.txt").replace("test/?", "test?"));
        let config =
            [format!("store = \"{}\"\n", server.url("prod")), job("nightly"), job("dump"), object].concat();
        std::fs::write(place.path().join("tenko.toml"), config).unwrap();
        Self { server, place, due }
    }

    fn tenko(&self, who: Key, arguments: &[&str]) -> Seen {
        let mut command = self.place.command(arguments);
        command.envs(self.server.env(who)).env("AWS_EC2_METADATA_DISABLED", "true");
        Seen::of(command.output().unwrap())
    }

    fn printed(&self, arguments: &[&str]) -> String {
        let seen = self.tenko(Key::Writer, arguments);
        assert_eq!(seen.code, 0, "{seen:?}");
        seen.text().to_owned()
    }

    fn verdict(&self, job: &str) -> String {
        let report = self.tenko(Key::Checker, &["check", "--json"]).json();
        let found = report["jobs"].as_array().unwrap().iter().find(|one| one["job"] == job);
        found.unwrap()["verdict"].as_str().unwrap().to_owned()
    }
}

/// Does what was printed, as a shell does; the status of HTTP.
fn curl(line: &str) -> String {
    let line = line
        .trim()
        .replace("--fail --silent --show-error", "--silent --output /dev/null --write-out '%{http_code}'");
    let output = Command::new("sh").args(["-c", &line]).env("no_proxy", "*").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_by_curl_counts_and_can_be_left_only_once() {
    let site = Site::new().await;
    let line = site.printed(&["aws", "presign", "nightly"]);
    assert_eq!(site.verdict("nightly"), "late");
    assert_eq!(curl(&line), "200");
    assert_eq!(curl(&line), "412", "a URL is used up");
    assert_eq!(site.verdict("nightly"), "up");
    let told = site.tenko(Key::Checker, &["log", "nightly"]);
    assert!(told.code == 0 && told.text().contains("success"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_condition_is_part_of_the_signature() {
    let site = Site::new().await;
    let line = site.printed(&["aws", "presign", "nightly"]);
    let without = line.replace("--header 'If-None-Match: *'", "");
    assert_ne!(without, line);
    assert_eq!(curl(&without), "403");
    assert_eq!(curl(&line.replace("nightly", "another")), "403", "the key is part of it too");
    assert_eq!(site.server.keys(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_for_a_due_answers_it_and_its_key_lies_ahead_of_every_roll_call() {
    let site = Site::new().await;
    let due = site.due.to_string();
    let signed: Value =
        serde_json::from_str(&site.printed(&["aws", "presign", "nightly", "--due", &due, "--json"])).unwrap();
    let key: EvidenceKey = signed["key"].as_str().unwrap().parse().unwrap();
    assert_eq!((key.at, key.sent), (site.due, site.due + SignedDuration::from_hours(1)));
    assert_eq!(
        signed["expires_at"].as_str().unwrap().parse::<Timestamp>().unwrap().as_second(),
        key.sent.as_second()
    );
    // Whatever was seen before it arrives, it is news.
    let store = site.server.open("prod", Key::Writer).await.unwrap();
    let other = tenko_core::Evidence::new(
        tenko_core::Slug::new("other").unwrap(),
        tenko_core::RunId(uuid::Uuid::now_v7()),
        tenko_core::Kind::Success,
        Timestamp::now(),
    );
    store.append(&[other]).await.unwrap();
    assert_eq!(site.verdict("nightly"), "late");
    let line = site.printed(&["aws", "presign", "nightly", "--due", &due]);
    assert_eq!(curl(&line), "200");
    assert_eq!(site.verdict("nightly"), "up");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_object_of_a_plain_job_is_the_one_of_its_due() {
    let site = Site::new().await;
    let due = site.due.to_string();
    let seen = site.tenko(Key::Admin, &["aws", "presign", "dump", "--due", &due]);
    assert_eq!(seen.code, 0, "{seen:?}");
    let file = site.place.path().join("dump.txt");
    std::fs::write(&file, "finished").unwrap();
    assert_eq!(site.verdict("dump"), "late");
    assert_eq!(curl(&seen.text().replace("FILE", file.to_str().unwrap())), "200");
    let key = site.due.to_zoned_datetime(jiff::tz::TimeZone::UTC).strftime("dumps/%Y-%m-%d.txt").to_string();
    assert_eq!(site.server.get(&key).as_deref(), Some(&b"finished"[..]));
    assert_eq!(site.verdict("dump"), "up");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_signed_is_said() {
    let site = Site::new().await;
    let now = Timestamp::now().to_string();
    for (arguments, problem) in [
        (&["nightly", "--expires", "8d"][..], "is not between a minute and seven days"),
        (&["nightly", "--due", &now], "nightly is not due at"),
        (&["stranger", "--due", "next"], "there is no job \"stranger\""),
        (&["nightly", "--store", "file:///tmp"], "is not a bucket of S3"),
    ] {
        let seen = site.tenko(Key::Writer, &[&["aws", "presign"], arguments].concat());
        assert!(seen.code == 2 && seen.err.contains(problem) && seen.err.contains("hint: "), "{seen:?}");
    }
    let seen = site.tenko(Key::Writer, &["aws", "presign", "nightly", "--due", "next"]);
    assert_eq!(seen.code, 0, "{seen:?}");
}
