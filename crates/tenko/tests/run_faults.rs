//! `tenko run` when things are broken: the command never fares worse, and evidence is not lost. Numbers are rows of the
//! fault catalogue.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests, where a panic is the report")]

mod cli_support;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use cli_support::recorder::Recorder;
use cli_support::{ClosedPort, Place, Seen, until};
use jiff::Timestamp;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tenko_store::testkit_s3::{Key, TestS3};

/// A call that uses a bucket behind this endpoint.
fn with_bucket(place: &Place, endpoint: &str, arguments: &[&str]) -> Seen {
    let mut command = place.command(arguments);
    command.env("TENKO_STORE", "s3://tenko-test/here").env("AWS_ENDPOINT_URL", endpoint);
    command.env("AWS_ALLOW_HTTP", "true").env("AWS_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", Key::Admin.id()).env("AWS_SECRET_ACCESS_KEY", Key::Admin.secret());
    Seen::of(command.output().unwrap())
}

/// Starts a bucket, which is there until the test program ends, and gives its endpoint.
fn bucket() -> String {
    let (started, endpoint) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bucket = TestS3::start().await;
            started.send(bucket.endpoint()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    endpoint.recv().unwrap()
}

const RUN: [&str; 9] =
    ["run", "--job", "job", "--report-timeout", "1s", "--", "sh", "-c", "echo ran; exit 9"];

#[test]
fn fault_93_a_broken_configuration_is_said_and_the_command_runs() {
    let place = Place::new();
    for text in ["jobs = [[[", "\u{0}", "store = 5\n"] {
        fs::write(place.path().join("tenko.toml"), text).unwrap();
        let seen = place.run(&["--job", "job"], "echo ran; exit 9");
        assert_eq!((seen.code, seen.text()), (9, "ran\n"), "{text:?}: {seen:?}");
        assert!(seen.err.contains("tenko.toml"), "{text:?}: {}", seen.err);
    }
    fs::remove_file(place.path().join("tenko.toml")).unwrap();
    let seen = place.run(&["--job", "job", "--config", "/nonexistent/tenko.toml"], "echo ran; exit 9");
    assert_eq!((seen.code, seen.text()), (9, "ran\n"), "{seen:?}");
    assert!(seen.err.contains("/nonexistent/tenko.toml"), "{}", seen.err);
    // Which store is meant is known when the configuration can be read again.
    assert!(place.waiting() >= 4, "{}", place.waiting());
    let flushed = place.tenko(["flush"]);
    assert_eq!((flushed.code, place.waiting()), (0, 0), "{flushed:?}");
    assert_eq!(place.evidence("job", "fail").len(), 4);
}

#[test]
fn what_waited_for_the_configuration_goes_along_with_the_next_run() {
    let place = Place::new();
    fs::write(place.path().join("tenko.toml"), "jobs = [[[").unwrap();
    place.run(&["--job", "job"], "exit 9");
    assert!(place.waiting() >= 1);
    fs::remove_file(place.path().join("tenko.toml")).unwrap();
    place.run(&["--job", "job"], "exit 8");
    assert_eq!(place.waiting(), 0);
    assert_eq!(place.evidence("job", "fail").len(), 2);
}

#[test]
fn fault_91_what_a_closed_bucket_does_not_take_is_kept_and_sent_later_with_its_own_time() {
    let place = Place::new();
    let closed = ClosedPort::new();
    let closed = format!("http://127.0.0.1:{}", closed.number());
    let before = Timestamp::now();
    let seen = with_bucket(&place, &closed, &RUN);
    let after = Timestamp::now();
    assert_eq!((seen.code, seen.text()), (9, "ran\n"), "{seen:?}");
    assert!(seen.err.contains("kept and will be sent later"), "{}", seen.err);
    assert_eq!(place.waiting(), 2);
    let early = ["ping", "job", "success", "--at", "2026-01-02T03:04:05Z", "--report-timeout", "1s"];
    assert_eq!(with_bucket(&place, &closed, &early).code, 3);
    let flushed = with_bucket(&place, &closed, &["flush"]);
    assert_eq!((flushed.code, place.waiting()), (3, 3), "{flushed:?}");

    let bucket = bucket();
    let flushed = with_bucket(&place, &bucket, &["flush"]);
    assert_eq!((flushed.code, place.waiting()), (0, 0), "{flushed:?}");
    assert!(matches!(with_bucket(&place, &bucket, &["check"]).code, 0 | 1));
    let log = with_bucket(&place, &bucket, &["log", "job", "--since", "3650d", "--json"]).json();
    let of_kind =
        |kind: &str| log.as_array().unwrap().iter().find(|entry| entry["kind"] == kind).unwrap().clone();
    let at: Timestamp = of_kind("fail")["at"].as_str().unwrap().parse().unwrap();
    assert!(before.as_millisecond() <= at.as_millisecond() && at <= after, "{before} {at} {after}");
    assert_eq!(of_kind("fail")["report"]["output"]["head"], "ran\n");
    assert_eq!(of_kind("success")["at"], "2026-01-02T03:04:05Z");
    assert_eq!(of_kind("success")["late_delivered"], true);
}

#[test]
fn fault_91_what_waits_goes_along_with_the_next_run_that_is_stored() {
    let place = Place::new();
    let closed = ClosedPort::new();
    assert_eq!(with_bucket(&place, &format!("http://127.0.0.1:{}", closed.number()), &RUN).code, 9);
    let bucket = bucket();
    let seen = with_bucket(&place, &bucket, &RUN);
    assert_eq!((seen.code, seen.err.as_str(), place.waiting()), (9, "", 0));
    assert!(matches!(with_bucket(&place, &bucket, &["check"]).code, 0 | 1));
    let log = with_bucket(&place, &bucket, &["log", "job", "--json"]).json();
    assert_eq!(log.as_array().unwrap().iter().filter(|entry| entry["kind"] == "fail").count(), 2);
}

#[test]
fn fault_91_the_channels_are_told_once_that_evidence_could_not_be_stored() {
    let place = Place::new();
    let (closed, slack) = (ClosedPort::new(), Recorder::new());
    let url = slack.url("/services/T0/planted-secret");
    let config =
        format!("notify = [\"ops\"]\n[channels.ops]\nslack = \"{url}\"\n[run]\nmask_env = [\"MINE\"]\n");
    fs::write(place.path().join("tenko.toml"), config).unwrap();
    let endpoint = format!("http://127.0.0.1:{}", closed.number());
    let seen = with_bucket(&place, &endpoint, &RUN);
    assert_eq!((seen.code, seen.text()), (9, "ran\n"), "{seen:?}");
    assert!(seen.err.contains("ops was told") && !seen.err.contains("planted"), "{}", seen.err);
    let heard = slack.heard();
    assert_eq!(heard.len(), 1);
    let told = String::from_utf8_lossy(&heard[0].body).into_owned();
    assert!(told.contains("job") && told.contains("exit code 9"), "{told}");
    let seen = with_bucket(&place, &endpoint, &RUN);
    assert_eq!((seen.code, slack.heard().len()), (9, 1), "{}", seen.err);
    let bucket = bucket();
    assert_eq!(with_bucket(&place, &bucket, &["flush"]).code, 0);
    assert_eq!((with_bucket(&place, &endpoint, &RUN).code, slack.heard().len()), (9, 2));
}

#[test]
fn fault_91_a_channel_that_never_answers_does_not_keep_the_caller() {
    let place = Place::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/services/planted-secret", silent.local_addr().unwrap());
    let config = format!("notify = [\"ops\"]\n[channels.ops]\nslack = \"{url}\"\n");
    fs::write(place.path().join("tenko.toml"), config).unwrap();
    let began = Instant::now();
    let seen = with_bucket(&place, &format!("http://{}", silent.local_addr().unwrap()), &RUN);
    assert_eq!((seen.code, seen.text(), place.waiting()), (9, "ran\n", 2), "{seen:?}");
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    assert!(!seen.err.contains("planted"), "{}", seen.err);
}

#[test]
fn fault_90_a_bucket_that_never_answers_costs_the_time_that_is_allowed() {
    let place = Place::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let began = Instant::now();
    let seen = with_bucket(&place, &format!("http://{}", silent.local_addr().unwrap()), &RUN);
    assert_eq!((seen.code, seen.text()), (9, "ran\n"), "{seen:?}");
    assert!(began.elapsed() >= Duration::from_millis(900) && began.elapsed() < Duration::from_secs(8));
    assert!(seen.err.contains("kept and will be sent later"), "{}", seen.err);
    assert_eq!(place.waiting(), 2);
}

#[test]
fn fault_90_the_command_does_not_wait_for_a_bucket_that_never_answers() {
    let place = Place::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let line = "date +%s%N > began; sleep 0.3; date +%s%N > ended";
    let run = ["run", "--job", "job", "--report-timeout", "1s", "--", "sh", "-c", line];
    let before = Timestamp::now();
    assert_eq!(with_bucket(&place, &format!("http://{}", silent.local_addr().unwrap()), &run).code, 0);
    let nanos = |name| fs::read_to_string(place.path().join(name)).unwrap().trim().parse::<i128>().unwrap();
    assert!(nanos("began") - before.as_nanosecond() < 2_000_000_000);
    assert!(nanos("ended") - nanos("began") < 2_000_000_000);
}

#[test]
fn fault_93_without_a_place_for_state_the_command_runs_and_the_loss_is_said() {
    let place = Place::new();
    fs::write(place.path().join("file"), "not a directory").unwrap();
    for state in ["/proc/nowhere", "file", "/dev/null/state", "/proc/self/fd"] {
        let mut command = place.command(["run", "--job", "job", "--", "sh", "-c", "echo ran; exit 9"]);
        let seen = Seen::of(command.env("TENKO_STATE_DIR", state).output().unwrap());
        assert_eq!((seen.code, seen.text()), (9, "ran\n"), "{state}: {seen:?}");
        assert!(seen.err.contains("lost"), "{state}: {}", seen.err);
        let mut command = place.command(["ping", "job"]);
        let seen = Seen::of(command.env("TENKO_STATE_DIR", state).output().unwrap());
        assert_eq!(seen.code, 3, "{state}: {seen:?}");
        let mut command =
            place.command(["run", "--job", "job", "--lock", "--quiet", "--", "sh", "-c", "exit 9"]);
        assert_eq!(Seen::of(command.env("TENKO_STATE_DIR", state).output().unwrap()).code, 9, "{state}");
    }
    assert_eq!(fs::read_to_string(place.path().join("file")).unwrap(), "not a directory");
}

#[test]
fn fault_5_in_a_directory_that_may_not_be_written_the_command_runs() {
    let place = Place::new();
    assert_eq!(place.run(&["--job", "job"], "exit 0").code, 0);
    // Modes do not bind root, so root becomes somebody else for this.
    let mut tenko = vec!["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    if !nix::unistd::geteuid().is_root() {
        tenko.clear();
    }
    tenko.extend([env!("CARGO_BIN_EXE_tenko"), "run", "--job", "job", "--", "sh", "-c", "echo ran; exit 9"]);
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(place.state(), fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = std::process::Command::new(tenko[0]);
    command.args(&tenko[1..]).env_clear().env("PATH", "/usr/bin:/bin").env("TENKO_STATE_DIR", place.state());
    let seen = Seen::of(command.output().unwrap());
    fs::set_permissions(place.state(), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!((seen.code, seen.text()), (9, "ran\n"), "{seen:?}");
    assert!(seen.err.contains("lost"), "{}", seen.err);
    assert_eq!(place.evidence("job", "success").len(), 1);
}

#[test]
fn fault_93_without_any_environment_the_command_runs() {
    let place = Place::new();
    let mut command = place.command(["run", "--job", "job", "--", "/bin/sh", "-c", "echo ran; exit 9"]);
    command.env_clear().env("TMPDIR", place.path()).env("XDG_STATE_HOME", place.path());
    // For root the place is /var/lib/tenko, which tests leave alone.
    if nix::unistd::geteuid().is_root() {
        command.env("TENKO_STATE_DIR", place.state());
    }
    let seen = Seen::of(command.output().unwrap());
    assert_eq!((seen.code, seen.text()), (9, "ran\n"), "{seen:?}");
}

#[test]
fn fault_87_a_signal_reaches_the_command_and_evidence_is_left() {
    let place = Place::new();
    for (signal, line, code) in [
        (Signal::SIGTERM, "trap 'exit 5' TERM; echo 1 > there; while :; do sleep 0.01; done", 5),
        (Signal::SIGTERM, "echo 1 > there; exec sleep 60", 143),
        (Signal::SIGINT, "trap 'exit 6' INT; echo 1 > there; while :; do sleep 0.01; done", 6),
        (Signal::SIGHUP, "trap 'exit 7' HUP; echo 1 > there; while :; do sleep 0.01; done", 7),
    ] {
        let mut child = place.command(["run", "--job", "job", "--", "sh", "-c", line]).spawn().unwrap();
        until("the command is there", || place.path().join("there").exists());
        fs::remove_file(place.path().join("there")).unwrap();
        nix::sys::signal::kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
    }
    let exits: Vec<_> = place.evidence("job", "fail").iter().map(|fail| fail["exit"].clone()).collect();
    let code = |code: u8| serde_json::json!({ "code": code });
    assert_eq!(exits, [code(5), serde_json::json!({"signal": 15}), code(6), code(7)]);
}

/// Holds the lock of whoever writes to a database in WAL mode: byte 120 of its index (sqlite.org/walformat.html).
fn hold_writing(database: &std::path::Path) -> fs::File {
    let index =
        fs::OpenOptions::new().read(true).write(true).open(database.with_extension("db-shm")).unwrap();
    let lock = nix::libc::flock {
        l_type: nix::libc::F_WRLCK as i16,
        l_whence: nix::libc::SEEK_SET as i16,
        l_start: 120,
        l_len: 1,
        l_pid: 0,
    };
    nix::fcntl::fcntl(&index, nix::fcntl::FcntlArg::F_SETLK(&lock)).unwrap();
    index
}

#[test]
fn fault_21_a_locked_database_costs_the_time_that_is_allowed_and_no_evidence() {
    let place = Place::new();
    let database = place.path().join("elsewhere.db");
    fs::write(place.path().join("tenko.toml"), format!("store = \"sqlite://{}\"\n", database.display()))
        .unwrap();
    assert_eq!(place.run(&["--job", "job"], "exit 9").code, 9);
    let lock = hold_writing(&database);
    let began = Instant::now();
    let seen = place.tenko(RUN);
    assert_eq!((seen.code, seen.text()), (9, "ran\n"), "{seen:?}");
    assert!(seen.err.contains("reporting took too long; the evidence is kept"), "{}", seen.err);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(place.waiting(), 1);
    drop(lock);
    let flushed = place.tenko(["flush"]);
    assert_eq!(flushed.text(), format!("sqlite://{}: 1 sent, 0 left\n", database.display()), "{flushed:?}");
    assert_eq!(place.evidence("job", "fail").len(), 2);
}
