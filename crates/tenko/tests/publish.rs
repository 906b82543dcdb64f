//! The status page that a roll call writes: what it shows of the past, what it costs, and that it stops nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "roll_call/world.rs"]
#[allow(dead_code, reason = "this test uses its part")]
mod world;

use jiff::SignedDuration;
use serde_json::Value;
use tempfile::TempDir;
use tenko::config::PublishOptions;
use tenko_core::calendar::{Past, calendar};
use tenko_core::{Evidence, Exit, Kind, Output, RunId};
use tenko_store::Store as _;
use tenko_store::open::OpenOptions;
use tenko_store::testkit_s3::{Ask, Fault, Key, TestS3};
use uuid::Uuid;
use world::{FAILED, World, moment, slug};

fn options(url: String) -> PublishOptions {
    PublishOptions { url, title: None, every: PublishOptions::EVERY }
}

/// A world whose roll calls write a page into a directory.
fn publishing(mut world: World) -> (World, TempDir) {
    let place = tempfile::tempdir().unwrap();
    world.config.publish = Some(options(format!("file://{}", place.path().display())));
    (world, place)
}

fn status(place: &TempDir) -> Value {
    serde_json::from_slice(&std::fs::read(place.path().join("status.json")).unwrap()).unwrap()
}

/// The dues of a job as the page shows them, by their time of day.
fn strip(place: &TempDir, job: &str) -> String {
    shown(&status(place), job)
}

fn shown(status: &Value, job: &str) -> String {
    let jobs = status["jobs"].as_array().unwrap();
    let job = jobs.iter().find(|known| known["job"] == job).unwrap();
    let one = |due: &Value| {
        format!("{}:{}", &due["due"].as_str().unwrap()[11..16], due["outcome"].as_str().unwrap())
    };
    job["dues"].as_array().unwrap().iter().map(one).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn each_roll_call_adds_to_the_strip_what_it_learnt() {
    let (world, place) = publishing(World::at("00:00").expect("hourly", "0 * * * *"));
    world.roll_call("00:30").await;
    world.ends("hourly", "01:02", Kind::Success).await;
    world.roll_call("01:05").await;
    assert_eq!(strip(&place, "hourly").rsplit(' ').next(), Some("01:00:answered"));
    world.ends("hourly", "02:02", FAILED).await;
    world.roll_call("02:05").await;
    world.roll_call("03:05").await;
    let now = "01:00:answered 02:00:bad 03:00:open";
    assert!(strip(&place, "hourly").ends_with(now), "{}", strip(&place, "hourly"));
    world.roll_call("03:31").await;
    world.ends("hourly", "03:50", Kind::Success).await;
    world.roll_call("05:31").await;
    let now = "01:00:answered 02:00:bad 03:00:late 04:00:missed 05:00:missed";
    assert!(strip(&place, "hourly").ends_with(now), "{}", strip(&place, "hourly"));
    let status = status(&place);
    assert_eq!(status["incidents"].as_array().unwrap().len(), 2, "{status}");
    assert_eq!(status["counts"]["down"], 1);
}

#[tokio::test]
async fn evidence_that_comes_late_corrects_the_strip() {
    let (world, place) = publishing(World::at("00:00").expect("hourly", "0 * * * *"));
    world.roll_call("00:30").await;
    world.roll_call("01:40").await;
    assert!(strip(&place, "hourly").ends_with("01:00:missed"));
    world.ends("hourly", "01:02", Kind::Success).await;
    world.roll_call("01:45").await;
    assert!(strip(&place, "hourly").ends_with("01:00:answered"), "{}", strip(&place, "hourly"));
}

#[tokio::test]
async fn the_strip_of_every_follows_the_successes() {
    let (mut world, place) = publishing(World::at("00:00").expect("sync", "0 * * * *"));
    let spec = tenko_core::schedule::ScheduleSpec { every: Some("1h".into()), ..Default::default() };
    let job = &mut world.config.jobs.get_mut(&slug("sync")).unwrap().job;
    job.schedule = tenko_core::schedule::Schedule::resolve(&spec, &jiff::tz::TimeZone::UTC).unwrap();
    world.roll_call("00:00").await;
    for time in ["01:00", "02:01", "03:20"] {
        world.ends("sync", time, Kind::Success).await;
        world.roll_call(&format!("{}:59", &time[..2])).await;
    }
    world.roll_call("04:55").await;
    assert_eq!(strip(&place, "sync"), "01:00:answered 02:00:answered 03:01:answered 04:20:missed");
}

#[tokio::test]
async fn the_first_page_shows_what_evidence_tells_of_the_time_before() {
    let (mut world, place) =
        publishing(World::at("00:00").expect("hourly", "0 * * * *").expect("sync", "0 * * * *"));
    let spec = tenko_core::schedule::ScheduleSpec { every: Some("2h".into()), ..Default::default() };
    let job = &mut world.config.jobs.get_mut(&slug("sync")).unwrap().job;
    job.schedule = tenko_core::schedule::Schedule::resolve(&spec, &jiff::tz::TimeZone::UTC).unwrap();
    let publish = world.config.publish.take();
    for hour in ["01", "02", "04"] {
        world.ends("hourly", &format!("{hour}:02"), Kind::Success).await;
        world.ends("sync", &format!("{hour}:00"), Kind::Success).await;
        world.roll_call(&format!("{hour}:05")).await;
    }
    world.config.publish = publish;
    world.roll_call("05:05").await;
    // The store received it when the test ran.
    let strip = |job| strip(&place, job).replace("late_delivered", "answered");
    assert_eq!(strip("hourly"), "01:00:answered 02:00:answered 03:00:missed 04:00:answered 05:00:open");
    assert_eq!(strip("sync"), "04:00:answered");
}

#[tokio::test]
async fn a_page_that_may_not_be_read_claims_nothing_that_is_not_known() {
    let bucket = Bucket::new(Key::Admin, 1).await;
    let strip = || {
        let status: Value =
            serde_json::from_slice(&bucket.server.get("status/status.json").unwrap()).unwrap();
        shown(&status, "job-0")
    };
    bucket.asks("00:30").await;
    for hour in ["01", "02", "03", "04"] {
        bucket.world.ends("job-0", &format!("{hour}:02"), Kind::Success).await;
        bucket.asks(&format!("{hour}:05")).await;
    }
    assert_eq!(strip(), "01:00:answered 02:00:answered 03:00:answered 04:00:answered");
    bucket.server.inject(Ask::Get, 1, Fault::Status(403));
    bucket.asks("05:05").await;
    // The state remembers two answers.
    assert_eq!(strip(), "01:00:unknown 02:00:unknown 03:00:answered 04:00:answered 05:00:open");
    bucket.asks("05:31").await;
    assert_eq!(strip(), "01:00:unknown 02:00:unknown 03:00:answered 04:00:answered 05:00:missed");
}

#[tokio::test]
async fn a_paused_job_is_shown_as_such() {
    let (world, place) = publishing(World::at("00:00").expect("hourly", "0 * * * *"));
    world.roll_call("00:30").await;
    let snapshot = world.store.load().await.unwrap();
    let mut roll = snapshot.roll;
    roll.states.get_mut(&slug("hourly")).unwrap().pause(moment("00:40"));
    world.store.commit(snapshot.version, &roll, &Default::default()).await.unwrap();
    world.roll_call("02:31").await;
    assert!(strip(&place, "hourly").ends_with("01:00:paused 02:00:paused"));
    assert_eq!(status(&place)["jobs"][0]["verdict"], "paused");
}

#[tokio::test]
async fn what_a_job_printed_and_where_it_ran_is_not_published() {
    let (world, place) = publishing(World::at("00:00").expect("job", "0 * * * *"));
    world.roll_call("00:30").await;
    let run = RunId(Uuid::from_u128(7));
    let mut evidence = Evidence::new(slug("job"), run, Kind::Fail(Some(Exit::Code(3))), moment("01:02"));
    evidence.report.host = Some("host-17.internal".into());
    evidence.report.message = Some("password is hunter2".into());
    evidence.report.output = Some(Output { head: "hunter2".into(), ..Output::default() });
    world.store.append(&[evidence]).await.unwrap();
    world.roll_call("01:05").await;
    for file in ["index.html", "status.json"] {
        let text = std::fs::read_to_string(place.path().join(file)).unwrap();
        assert!(text.contains("failed") && !text.contains("hunter2") && !text.contains("internal"), "{text}");
    }
}

#[tokio::test]
async fn a_page_that_can_not_be_written_is_a_warning() {
    let (mut world, place) = publishing(World::at("00:00").expect("job", "0 * * * *"));
    std::fs::write(place.path().join("file"), "").unwrap();
    world.config.publish = Some(options(format!("file://{}/file/deeper", place.path().display())));
    world.roll_call("00:30").await;
    let report = world.roll_call("01:31").await;
    assert_eq!(report.warnings.len(), 1, "{:?}", report.warnings);
    assert!(report.warnings[0].starts_with("the status page in file:///"), "{:?}", report.warnings);
    assert_eq!(world.told(), ["job down"], "people are told all the same");
}

struct Bucket {
    world: World,
    server: TestS3,
}

impl Bucket {
    async fn new(key: Key, jobs: usize) -> Self {
        let server = TestS3::start().await;
        let mut world = World::at("00:00");
        for job in 0..jobs {
            world = world.expect(&format!("job-{job}"), "0 * * * *");
        }
        world.config.publish = Some(options(server.url("status/")));
        world.config.checker.objects = OpenOptions { env: Some(server.env(key)), per_request: None };
        Self { world, server }
    }

    /// What the page of one roll call asks of the bucket: GET, PUT, LIST and HEAD.
    async fn asks(&self, time: &str) -> [u64; 4] {
        self.server.reset_counts();
        let report = self.world.roll_call(time).await;
        assert_eq!(report.warnings, [""; 0]);
        [Ask::Get, Ask::Put, Ask::List, Ask::Head].map(|ask| self.server.count(ask))
    }
}

#[tokio::test]
async fn a_page_costs_one_get_and_two_put_whatever_the_number_of_jobs() {
    for jobs in [1, 50] {
        let bucket = Bucket::new(Key::Admin, jobs).await;
        assert_eq!(bucket.asks("00:30").await, [1, 2, 0, 0]);
        assert_eq!(bucket.server.keys(), ["status/index.html", "status/status.json"]);
        assert_eq!(bucket.asks("00:35").await, [1, 0, 0, 0], "nothing changed");
        bucket.world.ends("job-0", "00:36", Kind::Success).await;
        assert_eq!(bucket.asks("00:40").await, [1, 2, 0, 0]);
        assert_eq!(bucket.asks("00:45").await, [1, 0, 0, 0], "nothing changed");
        assert_eq!(bucket.asks("01:35").await, [1, 2, 0, 0]);
    }
}

#[tokio::test]
async fn whoever_may_write_but_not_read_gets_a_page_each_time() {
    let bucket = Bucket::new(Key::Admin, 1).await;
    for time in ["00:30", "00:35"] {
        bucket.server.inject(Ask::Get, 1, Fault::Status(403));
        let [_, put, ..] = bucket.asks(time).await;
        assert_eq!(put, 2);
    }
}

#[tokio::test]
async fn a_bucket_that_may_not_be_written_stops_no_roll_call() {
    let bucket = Bucket::new(Key::Checker, 1).await;
    bucket.world.roll_call("00:30").await;
    let report = bucket.world.roll_call("01:31").await;
    assert!(report.warnings[0].contains("403"), "{:?}", report.warnings);
    assert_eq!(bucket.world.told(), ["job-0 down"]);
}

#[tokio::test]
async fn a_page_of_another_shape_is_written_anew() {
    let (world, place) = publishing(World::at("00:00").expect("job", "0 * * * *"));
    std::fs::write(place.path().join("status.json"), "{\"v\": 99}").unwrap();
    let report = world.roll_call("00:31").await;
    assert_eq!(report.warnings, [""; 0]);
    assert_eq!(status(&place)["v"], 1);
}

#[tokio::test]
async fn how_often_the_roll_is_called_is_seen_or_said() {
    let (mut world, place) = publishing(World::at("00:00").expect("job", "0 * * * *"));
    world.roll_call("00:30").await;
    assert_eq!(status(&place)["next_call_by"], Value::Null);
    world.roll_call("01:30").await;
    assert_eq!(status(&place)["next_call_by"], "2026-11-24T02:30:00Z");
    assert_eq!(status(&place)["stale_after"], "2026-11-24T03:30:00Z");
    world.config.checker.interval = Some(SignedDuration::from_mins(5));
    world.roll_call("02:40").await;
    assert_eq!(status(&place)["next_call_by"], "2026-11-24T02:45:00Z");
    assert_eq!(status(&place)["stale_after"], "2026-11-24T03:45:00Z");
}

/// `SplitMix64` (Steele, Lea, Flood 2014).
fn chance(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn clock(minute: u64) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// What is added to the strip piece by piece is what all the evidence together says.
#[tokio::test]
async fn a_strip_that_grew_is_the_calendar_of_all_evidence() {
    for seed in 0..6 {
        let mut state = seed;
        let (world, place) = publishing(World::at("00:00").expect("job", "*/10 * * * *"));
        world.roll_call("00:01").await;
        let (mut minute, mut evidence) = (2, Vec::new());
        while minute < 600 {
            minute += 1 + chance(&mut state) % 17;
            match chance(&mut state) % 5 {
                0 => evidence.push(world.ends("job", &clock(minute), FAILED).await),
                1 | 2 => evidence.push(world.ends("job", &clock(minute), Kind::Success).await),
                3 => minute += 25,
                _ => {}
            }
            world.roll_call(&clock(minute)).await;
        }
        for piece in &mut evidence {
            piece.received_at = Some(piece.at);
        }
        let now = moment(&clock(minute));
        let job = &world.config.jobs[&slug("job")].job;
        let past = Past { expected_from: Some(moment("00:01")), ..Past::default() };
        let from = now - SignedDuration::from_mins(300);
        let expected = calendar(job, &past, &evidence, (from, now + SignedDuration::from_nanos(1)), now);
        let expected: Vec<String> = expected
            .iter()
            .map(|due| format!("{}:{}", due.due.strftime("%H:%M"), due.outcome.word()))
            .collect();
        let grown = strip(&place, "job");
        let grown: Vec<&str> = grown.split(' ').collect();
        let last = expected.len() - grown.len().min(expected.len());
        assert_eq!(grown[grown.len() - (expected.len() - last)..], expected[last..], "seed {seed}");
        assert_eq!(grown.len(), 30);
    }
}
