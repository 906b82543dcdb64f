//! `tenko run --to https://...`: reports to any server that understands the pings of Healthchecks.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests, where a panic is the report")]

mod cli_support;

use std::time::{Duration, Instant};

use cli_support::recorder::Recorder;
use cli_support::{ClosedPort, Place, Seen};

/// Whoever knows it can ping.
const SECRET: &str = "/ping/5bf66975-planted-4a6e-b7a4-secret";

fn run_to(place: &Place, url: &str, line: &str) -> Seen {
    let seen = place.run(&["--job", "job", "--report-timeout", "3s", "--to", url], line);
    assert!(!seen.err.contains("planted"), "the URL is shown: {}", seen.err);
    seen
}

fn suffixes(server: &Recorder) -> Vec<String> {
    server.paths().iter().map(|path| path.strip_prefix(SECRET).unwrap().to_owned()).collect()
}

#[test]
fn start_and_end_are_two_pings_of_one_run() {
    let (place, server) = (Place::new(), Recorder::new());
    let seen =
        run_to(&place, &server.url(SECRET), "echo out; sleep 0.2; echo err >&2; echo $TENKO_RUN_ID > run");
    assert_eq!((seen.code, seen.text(), seen.err.as_str()), (0, "out\n", "err\n"));
    assert_eq!(suffixes(&server), ["/start", "/0"]);
    let run = std::fs::read_to_string(place.path().join("run")).unwrap();
    let heard = server.heard();
    for ping in &heard {
        assert_eq!(
            (ping.method.as_str(), ping.query.as_str()),
            ("POST", format!("rid={}", run.trim()).as_str())
        );
    }
    assert_eq!(
        (heard[0].body.as_slice(), heard[1].body.as_slice()),
        (b"".as_slice(), b"out\nerr\n".as_slice())
    );
    assert!(heard[1].at - heard[0].at >= Duration::from_millis(100));
}

#[test]
fn the_exit_status_is_the_end_of_the_path() {
    let (place, server) = (Place::new(), Recorder::new());
    for (line, code) in [("exit 3", 3), ("kill -9 $$", 137), ("kill -15 $$", 143), ("exit 255", 255)] {
        assert_eq!(run_to(&place, &server.url(SECRET), line).code, code);
        assert_eq!(suffixes(&server).last().unwrap(), &format!("/{code}"));
    }
    let seen =
        place.tenko(["run", "--to", &server.url(SECRET), "--clean-exit", "0,4", "--", "sh", "-c", "exit 4"]);
    assert_eq!((seen.code, suffixes(&server).last().unwrap().as_str()), (4, "/0"));
    let seen = place.tenko(["run", "--to", &server.url(SECRET), "--", "/nonexistent/program"]);
    assert_eq!((seen.code, suffixes(&server).last().unwrap().as_str()), (127, "/127"));
    assert!(String::from_utf8_lossy(&server.heard().last().unwrap().body).contains("/nonexistent/program"));
}

#[test]
fn ping_says_all_kinds() {
    let (place, server) = (Place::new(), Recorder::new());
    for what in ["start", "success", "fail", "log"] {
        assert_eq!(place.tenko(["ping", "job", what, "-m", "a remark", "--to", &server.url(SECRET)]).code, 0);
    }
    assert_eq!(suffixes(&server), ["/start", "/0", "/fail", "/log"]);
    assert!(server.heard().iter().all(|ping| ping.body.starts_with(b"a remark")));
}

#[test]
fn a_url_may_have_a_query_of_its_own() {
    let (place, server) = (Place::new(), Recorder::new());
    assert_eq!(place.tenko(["ping", "job", "--to", &server.url("/ping/key/slug?create=1")]).code, 0);
    let ping = &server.heard()[0];
    assert_eq!(ping.path, "/ping/key/slug/0");
    assert!(ping.query.starts_with("create=1&rid="), "{}", ping.query);
}

#[test]
fn of_a_long_output_head_and_tail_are_sent_as_far_as_the_server_wants() {
    let (place, server) = (Place::new(), Recorder::new().header("Ping-Body-Limit: 1000"));
    let line = "echo begin; sleep 0.2; yes | head -c 100000; echo end; exit 1";
    assert_eq!(run_to(&place, &server.url(SECRET), line).code, 1);
    let body = server.heard().last().unwrap().body.clone();
    assert!((900..=1000).contains(&body.len()), "{}", body.len());
    assert!(body.starts_with(b"begin\n") && body.ends_with(b"y\nend\n"));

    let wide = Recorder::new();
    assert_eq!(run_to(&place, &wide.url(SECRET), line).code, 1);
    let body = wide.heard().last().unwrap().body.clone();
    assert!((9_900..=10_000).contains(&body.len()), "{}", body.len());
    assert!(body.starts_with(b"begin\n") && body.ends_with(b"y\nend\n"));
}

#[test]
fn what_may_work_later_is_tried_again_and_the_server_says_when() {
    for status in
        ["408 Request Timeout", "429 Too Many Requests\r\nRetry-After: 1", "500 x", "503 x\r\nRetry-After: 1"]
    {
        let (place, server) = (Place::new(), Recorder::new().answers(&[status]));
        let seen = run_to(&place, &server.url(SECRET), "exit 3");
        assert_eq!((seen.code, seen.err.as_str(), place.waiting()), (3, "", 0), "{status}");
        let heard = server.heard();
        assert_eq!(suffixes(&server).last().unwrap(), "/3");
        assert!(heard.len() >= 2, "{status}");
        if status.contains("Retry-After") {
            assert!(heard[1].at - heard[0].at >= Duration::from_secs(1), "{status}");
        }
    }
}

#[test]
fn a_server_that_asks_to_wait_too_long_gets_it_later() {
    let (place, server) = (Place::new(), Recorder::new().answers(&["429 x\r\nRetry-After: 3600"]));
    let began = Instant::now();
    let seen = run_to(&place, &server.url(SECRET), "exit 3");
    assert_eq!((seen.code, place.waiting()), (3, 1));
    assert!(began.elapsed() < Duration::from_secs(3));
    assert!(seen.err.contains("429"), "{}", seen.err);
    let flushed = place.tenko(["flush"]);
    assert_eq!((flushed.code, place.waiting()), (0, 0), "{flushed:?}");
    assert_eq!(suffixes(&server).last().unwrap(), "/3");
}

#[test]
fn what_the_server_refuses_is_not_tried_again() {
    let (place, server) = (Place::new(), Recorder::new().answers(&["404 Not Found"; 50]));
    let seen = run_to(&place, &server.url(SECRET), "exit 3");
    assert_eq!(seen.code, 3);
    assert!(seen.err.contains("404"), "{}", seen.err);
    assert!(seen.err.contains("given up, because it will never be accepted"), "{}", seen.err);
    let heard = server.heard().len();
    assert!(heard <= 2, "{heard} pings");
    assert_eq!(place.waiting(), 0);
    let ping = place.tenko(["ping", "job", "--to", &server.url(SECRET)]);
    assert_eq!((ping.code, place.waiting()), (3, 0), "{ping:?}");
    assert!(ping.err.contains("will never be accepted and is given up"), "{}", ping.err);
}

#[test]
fn what_waited_for_a_check_that_is_gone_is_given_up_and_said_once() {
    let (place, server) = (Place::new(), Recorder::new());
    let url = server.url(SECRET);
    // It asks to wait for longer than there is time: the ends are kept.
    let server = server.answers(&["503 Busy\r\nRetry-After: 60", "503 Busy\r\nRetry-After: 60"]);
    for _ in 0..2 {
        place.tenko(["ping", "job", "fail", "--to", &url, "--report-timeout", "1s"]);
    }
    assert_eq!(place.waiting(), 2);
    let server = server.answers(&["410 Gone", "404 Not Found"]);
    let flushed = place.tenko(["flush"]);
    assert_eq!((flushed.code, place.waiting()), (0, 0), "{flushed:?}");
    assert!(flushed.text().ends_with(": 0 sent, 2 given up, 0 left\n"), "{flushed:?}");
    assert!(flushed.err.contains("2 older, for http://127.0.0.1/..., will never be accepted"), "{flushed:?}");
    let again = place.tenko(["flush"]);
    assert_eq!((again.code, again.text(), again.err.as_str()), (0, "", ""));
    assert_eq!(server.heard().len(), 4);
}

#[test]
fn a_server_that_is_away_gets_the_end_later() {
    let place = Place::new();
    let closed = ClosedPort::new();
    let url = format!("http://127.0.0.1:{}{SECRET}", closed.number());
    let seen = run_to(&place, &url, "echo out; sleep 0.1; exit 3");
    assert_eq!((seen.code, seen.text(), place.waiting()), (3, "out\n", 1), "{seen:?}");
    assert!(seen.err.contains("kept and will be sent later"), "{}", seen.err);
    let flushed = place.tenko(["flush"]);
    assert_eq!((flushed.code, place.waiting()), (3, 1));
    assert!(!flushed.err.contains("planted") && !flushed.text().contains("planted"), "{flushed:?}");
}

#[test]
fn nothing_the_server_does_keeps_the_command_or_its_caller() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Place::new();
    let began = Instant::now();
    let url = format!("http://{}{SECRET}", silent.local_addr().unwrap());
    let seen = place.run(&["--report-timeout", "1s", "--to", &url], "echo out; exit 3");
    assert_eq!((seen.code, seen.text(), place.waiting()), (3, "out\n", 1), "{seen:?}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let redirecting = Recorder::new().answers(&["302 Found\r\nLocation: /elsewhere"; 50]);
    assert_eq!(run_to(&place, &redirecting.url(SECRET), "exit 3").code, 3);
    assert!(redirecting.paths().iter().all(|path| path.starts_with(SECRET)));
}
