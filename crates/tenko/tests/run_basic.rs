//! `tenko run` from outside: the command's caller sees what it saw before, and there is evidence.
#![cfg(target_os = "linux")]

mod cli_support;

use std::time::{Duration, Instant};

use cli_support::{Place, Seen, until};
use serde_json::json;

#[test]
fn the_exit_code_is_that_of_the_command() {
    let place = Place::new();
    for (line, code) in
        [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -9 $$", 137), ("kill -15 $$", 143)]
    {
        let seen = place.run(&["--job", "job"], line);
        assert_eq!((seen.code, seen.err.as_str()), (code, ""), "{line}");
    }
    let fails = place.evidence("job", "fail");
    let exits: Vec<_> = fails.iter().map(|fail| fail["exit"].clone()).collect();
    assert_eq!(
        exits,
        [json!({"code": 3}), json!({"code": 255}), json!({"signal": 9}), json!({"signal": 15})]
    );
    assert_eq!(place.evidence("job", "success").len(), 1);
}

#[test]
fn a_command_that_cannot_start_has_failed() {
    let place = Place::new();
    for (program, code) in [("/nonexistent/program", 127), ("no-such-program", 127), ("/etc/passwd", 126)] {
        let seen = place.tenko(["run", "--job", "job", "--", program]);
        assert_eq!(seen.code, code, "{seen:?}");
        assert!(seen.err.contains(program), "{seen:?}");
    }
    let fails = place.evidence("job", "fail");
    let exits: Vec<_> = fails.iter().map(|fail| fail["exit"]["code"].as_u64().unwrap()).collect();
    assert_eq!(exits, [127, 127, 126]);
    assert!(fails[0]["report"]["message"].as_str().unwrap().contains("/nonexistent/program"), "{fails:?}");
}

#[test]
fn output_passes_through_untouched() {
    let place = Place::new();
    let seen = place.tenko(["run", "--", "sh", "-c", r"printf 'a\000\377\033[1mb'; printf 'e\376' >&2"]);
    assert_eq!(seen.out, b"a\0\xff\x1b[1mb");
    let mut command =
        place.command(["run", "--", "sh", "-c", r"printf 'e\376\n' >&2; head -c 3000000 /dev/zero"]);
    let output = command.output().unwrap();
    assert_eq!((output.stdout.len(), output.stderr.as_slice()), (3_000_000, b"e\xfe\n".as_slice()));
}

#[test]
fn a_run_leaves_start_and_end_with_duration_and_host() {
    let place = Place::new();
    assert_eq!(place.run(&["--job", "job"], "echo out; sleep 0.1; echo err >&2").code, 0);
    let (starts, ends) = (place.evidence("job", "start"), place.evidence("job", "success"));
    assert_eq!((starts.len(), ends.len()), (1, 1));
    assert_eq!(starts[0]["run"], ends[0]["run"]);
    let report = &ends[0]["report"];
    assert!((100..5_000).contains(&report["duration"].as_u64().unwrap()), "{report}");
    assert_eq!(report["host"], nix::unistd::gethostname().unwrap().to_str().unwrap());
    assert_eq!(report["output"], json!({"head": "out\nerr\n", "omitted": 0}));
    let jobs = place.tenko(["jobs", "--json"]).json();
    assert_eq!(jobs["jobs"][0]["job"], "job");
    assert_eq!(jobs["jobs"][0]["verdict"], "up");
}

#[test]
fn values_of_named_variables_and_credentials_are_masked_in_the_evidence_alone() {
    let place = Place::new();
    let line = "echo got $TOKEN_OF_MINE and AKIAIOSFODNN7EXAMPLE; echo password=hunter2hunter2";
    let mut command =
        place.command(["run", "--job", "job", "--mask-env", "TOKEN_OF_MINE", "--", "sh", "-c", line]);
    let seen = Seen::of(command.env("TOKEN_OF_MINE", "s3kr3t-value").output().unwrap());
    assert_eq!(seen.text(), "got s3kr3t-value and AKIAIOSFODNN7EXAMPLE\npassword=hunter2hunter2\n");
    let head = place.evidence("job", "success")[0]["report"]["output"]["head"].as_str().unwrap().to_owned();
    for secret in ["s3kr3t-value", "AKIAIOSFODNN7EXAMPLE", "hunter2hunter2"] {
        assert!(!head.contains(secret), "{head}");
    }
    assert!(head.starts_with("got "), "{head}");
}

#[test]
fn of_a_long_output_head_and_tail_are_kept() {
    let place = Place::new();
    assert_eq!(place.run(&["--job", "job"], "echo begin; yes | head -c 1000000; echo end").code, 0);
    let output = place.evidence("job", "success")[0]["report"]["output"].clone();
    let (head, tail) = (output["head"].as_str().unwrap(), output["tail"].as_str().unwrap());
    assert!(head.starts_with("begin\ny\n") && tail.ends_with("y\nend\n"));
    assert_eq!((head.len(), tail.len()), (2048, 8192));
    assert_eq!(output["omitted"], 1_000_010 - 2048 - 8192);
    assert_eq!(place.run(&["--job", "silent", "--no-output"], "echo nobody keeps this").code, 0);
    assert_eq!(place.evidence("silent", "success")[0]["report"].get("output"), None);
}

#[test]
fn quiet_shows_the_output_of_failures_only() {
    let place = Place::new();
    assert_eq!(place.run(&["--quiet"], "echo nothing").out, b"");
    let failed = place.run(&["--quiet"], "echo it broke; echo why >&2; exit 4");
    assert_eq!((failed.code, failed.text(), failed.err.as_str()), (4, "it broke\n", "why\n"));
    assert_eq!(place.run(&["--quiet", "--clean-exit", "0,4"], "echo nothing; exit 4").out, b"");
}

#[test]
fn a_run_that_takes_too_long_is_ended() {
    let place = Place::new();
    let began = Instant::now();
    let seen = place.run(&["--job", "job", "--timeout", "1s"], "echo begun; exec sleep 60");
    assert_eq!((seen.code, seen.text()), (143, "begun\n"), "{seen:?}");
    assert!(began.elapsed() < Duration::from_secs(20));
    let fail = &place.evidence("job", "fail")[0];
    assert_eq!((&fail["report"]["timed_out"], &fail["exit"]["signal"]), (&json!(true), &json!(15)));
}

#[test]
fn a_time_limit_that_cannot_be_is_said_and_the_command_runs() {
    let place = Place::new();
    let seen = place.run(&["--timeout", "soon"], "echo ran");
    assert_eq!((seen.code, seen.text()), (0, "ran\n"));
    assert!(seen.err.contains("--timeout") && seen.err.contains("soon"), "{}", seen.err);
}

#[test]
fn with_lock_a_second_run_is_left_out_while_the_first_is_there() {
    let place = Place::new();
    let line = "echo 1 > there; while [ ! -e go ]; do sleep 0.01; done";
    let mut first = place.command(["run", "--job", "job", "--lock", "--", "sh", "-c", line]).spawn().unwrap();
    until("the first run is there", || place.path().join("there").exists());
    let second = place.run(&["--job", "job", "--lock"], "echo must not run");
    assert_eq!((second.code, second.text()), (0, ""));
    assert!(second.err.contains("skipped"), "{}", second.err);
    assert_eq!(place.run(&["--job", "other", "--lock"], "echo runs").text(), "runs\n");
    std::fs::write(place.path().join("go"), "").unwrap();
    assert!(first.wait().unwrap().success());
    assert_eq!(place.run(&["--job", "job", "--lock"], "echo runs").text(), "runs\n");
    assert_eq!(place.evidence("job", "success").len(), 2);
}

#[test]
fn clean_exit_says_which_codes_are_a_success() {
    let place = Place::new();
    assert_eq!(place.run(&["--job", "job", "--clean-exit", "0,3"], "exit 3").code, 3);
    assert_eq!(place.evidence("job", "success").len(), 1);
    assert_eq!(place.run(&["--job", "job", "--clean-exit", "0,3"], "exit 4").code, 4);
    assert_eq!(place.evidence("job", "fail").len(), 1);
}

#[test]
fn a_job_says_itself_what_is_expected_of_it() {
    let place = Place::new();
    let options = [
        "--job",
        "nightly",
        "--cron",
        "0 5 * * *",
        "--tz",
        "Asia/Tokyo",
        "--grace",
        "30m",
        "--max-runtime",
        "2h",
        "--failures",
        "2",
        "--description",
        "the nightly report",
        "--runbook",
        "https://wiki.example/nightly",
    ];
    assert_eq!(place.run(&options, "exit 0").code, 0);
    let shown = place.show("nightly");
    assert_eq!(shown["schedule"], "0 5 * * * (Asia/Tokyo)");
    assert_eq!(shown["time_zone"], "Asia/Tokyo");
    assert_eq!(shown["limits"]["grace"], "30m");
    assert_eq!(shown["limits"]["max_runtime"], "2h");
    assert_eq!(shown["limits"]["failures"], "2");
    assert_eq!(shown["description"], "the nightly report");
    assert_eq!(shown["runbook"], "https://wiki.example/nightly");
    assert!(shown["next_due"].as_str().unwrap().ends_with("T20:00:00Z"), "{shown}");
    assert_eq!(place.run(&["--job", "often", "--every", "15m"], "exit 0").code, 0);
    assert!(place.show("often")["schedule"].as_str().unwrap().contains("15m"));
}

#[test]
fn what_cannot_be_expected_is_said_and_the_command_runs() {
    let place = Place::new();
    let impossible: [&[&str]; 5] = [
        &["--cron", "0 0 30 2 *"],
        &["--cron", "61 * * * *"],
        &["--cron", "0 5 * * *", "--tz", "Mars/Olympus"],
        &["--every", "often"],
        &["--grace=-1h", "--every", "1h"],
    ];
    for (number, options) in impossible.iter().enumerate() {
        let job = format!("job-{number}");
        let seen = place.run(&[&["--job", &job], *options].concat(), "echo ran; exit 5");
        assert_eq!((seen.code, seen.text()), (5, "ran\n"), "{options:?}: {seen:?}");
        assert!(seen.err.contains(&job), "{options:?}: {}", seen.err);
        assert_eq!(place.evidence(&job, "fail").len(), 1, "{options:?}");
    }
}

#[test]
fn the_name_of_the_job_is_that_of_the_program_unless_it_is_said() {
    let place = Place::new();
    assert_eq!(place.tenko(["run", "--", "/bin/true"]).err, "");
    assert_eq!(place.evidence("true", "success").len(), 1);
    for (said, used) in
        [("../x", "x"), ("Big Job", "big-job"), ("a/../../b", ""), ("", ""), ("...", "unnamed")]
    {
        let seen = place.run(&["--job", said], "echo $TENKO_JOB; exit 6");
        assert_eq!(seen.code, 6, "{said:?}: {seen:?}");
        assert!(!seen.err.is_empty(), "{said:?}");
        let name = seen.text().trim();
        assert!(used.is_empty() || used == name, "{said:?} became {name}");
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{name}");
        assert!(!place.evidence(name, "fail").is_empty(), "{said:?}");
    }
    let outside =
        cli_support::files(place.path()).into_iter().filter(|file| !file.starts_with(place.state()));
    assert_eq!(outside.count(), 0);
}

#[test]
fn the_command_knows_its_job_and_its_run() {
    let place = Place::new();
    let seen = place.run(&["--job", "job"], "echo $TENKO_JOB $TENKO_RUN_ID");
    let (job, run) = seen.text().trim().split_once(' ').unwrap();
    assert_eq!(job, "job");
    assert_eq!(uuid::Uuid::parse_str(run).unwrap().get_version_num(), 7);
    assert_eq!(place.evidence("job", "success")[0]["run"], run);
    let own = "6f1c9d1e-3b52-4f0e-9a8e-000000000001";
    let seen = place.run(&["--job", "job", "--run-id", own], "echo $TENKO_RUN_ID");
    assert_eq!(seen.text().trim(), own);
    assert_eq!(place.evidence("job", "success")[1]["run"], own);
}

#[test]
fn flags_can_come_from_the_environment() {
    let place = Place::new();
    let mut command = place.command(["run", "--", "sh", "-c", "exit 7"]);
    let settings = [
        ("TENKO_JOB", "from-env"),
        ("TENKO_CLEAN_EXIT", "0,7"),
        ("TENKO_EVERY", "1h"),
        ("TENKO_GRACE", "5m"),
    ];
    let seen = Seen::of(command.envs(settings).output().unwrap());
    assert_eq!((seen.code, seen.err.as_str()), (7, ""));
    assert_eq!(place.evidence("from-env", "success").len(), 1);
    assert_eq!(place.show("from-env")["limits"]["grace"], "5m");
}

#[test]
fn a_wrapped_command_may_ping_for_its_own_run() {
    let place = Place::new();
    let tenko = env!("CARGO_BIN_EXE_tenko");
    let seen = place.run(&["--job", "job"], &format!("{tenko} ping $TENKO_JOB log -m halfway"));
    assert_eq!((seen.code, seen.err.as_str()), (0, ""));
    let (log, end) = (place.evidence("job", "log"), place.evidence("job", "success"));
    assert_eq!((log.len(), &log[0]["run"]), (1, &end[0]["run"]));
    assert_eq!(log[0]["report"]["message"], "halfway");
}

#[test]
fn a_variable_that_is_wrong_is_said_and_the_command_runs() {
    let place = Place::new();
    let wrong = [
        ("TENKO_QUIET", "banana"),
        ("TENKO_RUN_ID", "17"),
        ("TENKO_FAILURES", "many"),
        ("TENKO_SCHEDULER", "nobody"),
        ("TENKO_CLEAN_EXIT", "300"),
        ("TENKO_EVERY", "1h"),
    ];
    for (name, value) in wrong {
        let mut command = place.command([
            "run",
            "--job",
            "job",
            "--cron",
            "0 5 * * *",
            "--",
            "sh",
            "-c",
            "echo ran; exit 5",
        ]);
        let seen = Seen::of(command.env(name, value).output().unwrap());
        assert_eq!((seen.code, seen.text()), (5, "ran\n"), "{name}: {seen:?}");
        assert!(seen.err.contains(&format!("{name} is ignored")), "{}", seen.err);
        assert_eq!(seen.err.lines().count(), 1, "{}", seen.err);
    }
    let mut command = place.command(["run", "--job", "job", "--", "sh", "-c", "echo ran; exit 5"]);
    let seen = Seen::of(command.envs(wrong).output().unwrap());
    assert_eq!((seen.code, seen.text()), (5, "ran\n"), "{seen:?}");
    assert_eq!(place.evidence("job", "fail").len(), wrong.len() + 1);
}

#[test]
fn a_variable_that_is_empty_counts_as_not_set() {
    let place = Place::new();
    let mut command = place.command(["run", "--", "sh", "-c", "echo ran"]);
    for name in
        ["TENKO_JOB", "TENKO_STORE", "TENKO_TO", "TENKO_CONFIG", "TENKO_TZ", "TENKO_RUN_ID", "TENKO_QUIET"]
    {
        command.env(name, "");
    }
    let seen = Seen::of(command.output().unwrap());
    assert_eq!((seen.code, seen.text(), seen.err.as_str()), (0, "ran\n", ""));
    assert_eq!(place.evidence("sh", "success").len(), 1);
}

#[test]
fn switches_in_the_environment_are_on_or_off_by_any_common_word() {
    let place = Place::new();
    for (value, shown) in
        [("1", ""), ("yes", ""), ("true", ""), ("0", "out\n"), ("off", "out\n"), ("false", "out\n")]
    {
        let mut command = place.command(["run", "--", "echo", "out"]);
        let seen = Seen::of(command.env("TENKO_QUIET", value).output().unwrap());
        assert_eq!((seen.text(), seen.err.as_str()), (shown, ""), "{value}");
    }
}
