//! What others do beside a server: another node, a run that reports by itself, a checker, a bucket.

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tenko::checker::{Checker, SystemClock};
use tenko::config::{Config, Outside};
use tenko::notify::Channels;
use tenko::server::intake::Said;
use tenko::server::steady::Clocks as _;
use tenko_core::{Declaration, Evidence, JobSpec, Kind, Reason, RunId, Verdict};
use tenko_store::open::{OpenOptions, open};
use uuid::Uuid;

use crate::world::{Served, World, moment, slug, until};

#[tokio::test]
async fn fault_44_two_nodes_on_one_file_decide_once_and_tell_once() {
    let mut world = World::at("05:00");
    for number in 0..30 {
        world = world.expect(&format!("job-{number:02}"), "0 5 * * *");
    }
    let (one, other) = (world.serve().await, world.serve().await);
    world.pass(&one, "05:31").await;
    until("the other looks too", async || other.engine.status().looked_at() >= Some(moment("05:31"))).await;
    until("all are told", async || world.ops.told_of() >= 30).await;
    let flips = one.engine.status().flips.get() + other.engine.status().flips.get();
    assert_eq!(flips, 30);
    for number in 0..30 {
        let facts = one.store.facts(&slug(&format!("job-{number:02}")), 10).await.unwrap();
        assert_eq!(facts.flips.len(), 1);
    }
    // Whoever hears of a job decides about it.
    other.hear("job-07", Said::Success).await;
    assert_eq!(one.verdict("job-07").await, Verdict::Up);
    until("the recovery is told", async || world.ops.told_of() >= 31).await;
    one.engine.stop().await;
    other.engine.stop().await;
    assert_eq!(world.ops.told_of(), 31);
}

#[tokio::test]
async fn what_a_run_writes_into_the_file_is_heard() {
    let world = World::at("05:00").expect("report", "0 5 * * *");
    let served = world.serve().await;
    let beside = world.store();
    let mut ended = Evidence::new(slug("report"), RunId(Uuid::now_v7()), Kind::Fail(None), moment("05:00"));
    ended.report.message = Some("no space left on device".into());
    beside.append(&[ended]).await.unwrap();
    assert_eq!(world.ops.hears(1).await, ["report down"]);
    assert_eq!(world.ops.last_facts().unwrap().message.as_deref(), Some("no space left on device"));
    let spec = JobSpec { grace: Some("5m".into()), ..JobSpec::default() };
    let mut declared = Evidence::new(slug("own"), RunId(Uuid::now_v7()), Kind::Success, moment("05:00"));
    declared.declaration = Some(Declaration { digest: "00c0ffee".into(), spec: Some(spec.into()) });
    beside.append(&[declared]).await.unwrap();
    until("the job has declared itself", async || {
        served.entry("own").await.declaration.is_some_and(|declaration| declaration.digest == "00c0ffee")
    })
    .await;
    assert_eq!(served.verdict("own").await, Verdict::Up);
    served.engine.stop().await;
}

#[tokio::test]
async fn what_was_written_before_a_server_came_is_heard_before_anybody_is_missed() {
    let world = World::at("05:40").expect("report", "0 5 * * *").expect_with("older", "0 5 * * *", |job| {
        job.expected_from = Some(moment("04:00"));
    });
    for job in ["report", "older"] {
        let mut ended = Evidence::new(slug(job), RunId(Uuid::now_v7()), Kind::Success, moment("05:10"));
        ended.received_at = Some(moment("05:10"));
        world.store().append(&[ended]).await.unwrap();
    }
    let served = world.serve().await;
    world.pass(&served, "06:00").await;
    for job in ["report", "older"] {
        assert_eq!(served.verdict(job).await, Verdict::Up, "{job}");
    }
    assert_eq!(world.ops.told(), Vec::<String>::new());
    served.engine.stop().await;
}

#[tokio::test]
async fn a_checker_beside_a_server_decides_nothing_and_says_so() {
    let world = World::today().expect("report", "0 5 * * *");
    let served = world.serve().await;
    let checker = Checker {
        config: Arc::new(world.config.clone()),
        store: world.store(),
        channels: Channels::default(),
        clock: Arc::new(SystemClock),
        state_dir: None,
    };
    let report = checker.roll_call().await.unwrap();
    assert!(report.warnings[0].starts_with("a server keeps"), "{:?}", report.warnings);
    assert!(report.roll.states.contains_key(&slug("report")));
    served.engine.stop().await;
    let report = checker.roll_call().await.unwrap();
    assert_eq!(report.warnings, Vec::<String>::new());
}

fn parse(text: &str) -> Config {
    let read_file = |path: &Path| std::fs::read_to_string(path);
    let outside = Outside { env: &|_| None, read_file: &read_file, exposed: false };
    Config::parse(text, Path::new("tenko.toml"), &outside).unwrap()
}

#[tokio::test]
async fn a_job_with_an_object_is_judged_by_what_lies_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::at("04:59");
    let url = format!("file://{}", dir.path().display());
    world.config.jobs = parse(&format!(
        "[jobs.backup]\ncron = '0 5 * * *'\ngrace = '30m'\nobject = '{url}/{{date}}/a.tar'\n\
         [jobs.other]\ncron = '0 5 * * *'\ngrace = '30m'\nobject = '{url}/{{date}}/b.tar'\n"
    ))
    .jobs;
    for configured in world.config.jobs.values_mut() {
        configured.job.channels = vec![crate::world::channel("ops")];
    }
    let served = world.serve().await;
    until("objects are looked for", async || served.entry("backup").await.state.is_some()).await;
    std::fs::create_dir(dir.path().join("2026-11-24")).unwrap();
    std::fs::write(dir.path().join("2026-11-24/a.tar"), "x").unwrap();
    world.pass(&served, "05:20").await;
    until("it is found", async || served.verdict("backup").await == Verdict::Up).await;
    assert_eq!(served.verdict("other").await, Verdict::New);
    world.pass(&served, "05:31").await;
    assert_eq!(world.ops.hears(1).await, ["other down"]);
    assert_eq!(served.state("other").await.fold.reason, Some(Reason::Missed));
    served.engine.stop().await;
}

/// A job for each of two directories, in which its file lies from five o'clock; of these, the node that is started here finds
/// that in its own.
async fn looks_into(world: &mut World, own: &Path) -> Served {
    let url = format!("file://{}", own.display());
    world.config.jobs = parse(&format!(
        "[jobs.left]\ncron = '0 5 * * *'\ngrace = '2h'\nobject = '{url}/{{date}}/left.tar'\n\
         [jobs.right]\ncron = '0 5 * * *'\ngrace = '2h'\nobject = '{url}/{{date}}/right.tar'\n"
    ))
    .jobs;
    world.serve().await
}

/// Lets twenty seconds pass after twenty seconds, as two nodes live through them.
async fn pass_for_both(world: &World, nodes: &[&Served], to: &str) {
    while world.clocks.wall() < moment(to) {
        world.clocks.pass(SignedDuration::from_secs(20));
        let now = world.clocks.wall();
        for node in nodes {
            until("it is there", async || {
                // Whoever was busy when the clocks jumped hears of it now.
                node.later();
                let status = node.engine.status();
                status.attended_at() >= Some(now) && status.looked_at() >= Some(now)
            })
            .await;
        }
    }
}

#[tokio::test]
async fn of_two_nodes_one_looks_for_objects_and_the_other_when_that_one_has_died() {
    let [left, right] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut world = World::at("04:59");
    let one = looks_into(&mut world, left.path()).await;
    until("objects are looked for", async || one.entry("left").await.state.is_some()).await;
    let other = looks_into(&mut world, right.path()).await;
    for (dir, name) in [(&left, "left"), (&right, "right")] {
        std::fs::create_dir(dir.path().join("2026-11-24")).unwrap();
        std::fs::write(dir.path().join(format!("2026-11-24/{name}.tar")), "x").unwrap();
    }
    pass_for_both(&world, &[&one, &other], "05:03").await;
    let up = async |job| other.verdict(job).await == Verdict::Up;
    until("one of them looks", async || up("left").await || up("right").await).await;
    pass_for_both(&world, &[&one, &other], "05:06").await;
    assert!(up("left").await != up("right").await, "both look");
    // As if it had been killed.
    let (dead, survivor, found) = if up("left").await { (one, other, "right") } else { (other, one, "left") };
    drop(dead);
    pass_for_both(&world, &[&survivor], "05:09").await;
    until("the other looks now", async || survivor.verdict(found).await == Verdict::Up).await;
    survivor.engine.stop().await;
}

#[tokio::test]
async fn a_whole_bucket_is_a_source_of_jobs() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::at("05:00").expect("pinged", "0 5 * * *");
    let url = format!("file://{}", dir.path().display());
    let more = parse(&format!(
        "[sources.prod]\nurl = '{url}'\n[jobs.nightly]\ncron = '0 5 * * *'\nsource = 'prod'\n"
    ));
    world.config.sources = more.sources;
    world.config.jobs.extend(more.jobs);
    let bucket = open(&url, &OpenOptions::default()).await.unwrap();
    let now = Timestamp::now();
    for job in ["nightly", "unknown-here"] {
        bucket.append(&[Evidence::new(slug(job), RunId(Uuid::now_v7()), Kind::Success, now)]).await.unwrap();
    }
    let served = world.serve().await;
    let sources = served.engine.sources();
    until("its roll is called", async || sources.all().values().any(|source| source.report.is_some())).await;
    let all = sources.all();
    let report = all.values().next().unwrap().report.as_ref().unwrap();
    let jobs: Vec<&str> = report.jobs.keys().map(tenko_core::Slug::as_str).collect();
    assert_eq!(jobs, ["nightly", "unknown-here"]);
    assert!(served.entry("nightly").await.is_empty(), "it is not kept here");
    served.engine.stop().await;
}
