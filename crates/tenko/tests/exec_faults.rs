//! The execution engine from outside: what a job sees and what its caller sees. Numbers are rows of docs/faults.md.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests, where a panic is the report")]

mod exec_support;

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use exec_support::{Probe, is_running, unique_sleep};
use tenko::exec::{self, Exit, Task};

#[test]
fn fault_84_a_killed_child_gives_128_plus_n_and_the_evidence_says_which_signal() {
    for number in [1, 2, 3, 6, 9, 10, 11, 13, 15, 24, 34, 40, 64] {
        let end = Probe::new(["sh", "-c", &format!("kill -{number} $$; sleep 9")]).run();
        assert_eq!(end.code, Some(128 + number), "signal {number}");
        assert_eq!(end.report["signal"], number);
    }
}

#[test]
fn fault_84_every_kind_of_exit_code_passes_unchanged() {
    for code in [0, 1, 2, 3, 64, 126, 127, 128, 137, 254, 255] {
        let end = Probe::new(["sh", "-c", &format!("exit {code}")]).run();
        assert_eq!((end.code, end.report["code"].as_i64()), (Some(code), Some(i64::from(code))));
    }
}

#[test]
fn what_cannot_start_gives_the_codes_of_shells() {
    let dir = tempfile::tempdir().unwrap();
    let lost = executable(dir.path(), "lost", "#!/nonexistent/interpreter\n");
    for (program, code) in
        [("no-such-command", 127), ("/no/such", 127), (&lost, 127), ("/etc/passwd", 126), ("/etc", 126)]
    {
        let task = Task::new(program);
        let error = exec::spawn(task).expect_err(program);
        assert_eq!(error.exit_code(), code, "{program}: {error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[test]
fn a_script_without_interpreter_line_is_run_by_sh() {
    let dir = tempfile::tempdir().unwrap();
    let script = executable(dir.path(), "plain", "echo \"$1-$0\"; exit 4\n");
    let end = Probe::new([script.as_str(), "an argument"]).run();
    assert_eq!((end.code, end.out_text()), (Some(4), format!("an argument-{script}\n")));
    let mut found = Probe::new(["plain", "found"]);
    found.command.env("PATH", format!("{}:/usr/bin:/bin", dir.path().display()));
    let end = found.run();
    assert!(end.out_text().starts_with("found-"), "{}", end.out_text());
}

#[test]
fn fault_85_a_daemon_that_keeps_the_pipes_does_not_keep_us() {
    let (arg, pattern) = unique_sleep();
    let start = Instant::now();
    let end = Probe::new(["sh", "-c", &format!("(sleep {arg})& echo ok")]).run_detached();
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    assert_eq!((end.code, end.report["head"].as_str()), (Some(0), Some("ok\n")));
    assert_eq!(end.report["left_open"], true);
    assert!(is_running(&pattern), "the daemon is none of our business");
    exec_support::kill_all(&pattern);
}

#[test]
fn fault_85_a_daemon_that_writes_for_ever_does_not_keep_us() {
    let start = Instant::now();
    let end =
        Probe::new(["sh", "-c", "yes & (while :; do echo e >&2; sleep 0.05; done)& exit 3"]).run_detached();
    assert_eq!((end.code, end.report["left_open"].as_bool()), (Some(3), Some(true)));
    let took = start.elapsed();
    assert!(took > Duration::from_millis(1900) && took < Duration::from_secs(6), "{took:?}");
}

#[test]
fn what_a_background_process_writes_right_after_the_end_is_still_passed_on() {
    let end = Probe::new(["sh", "-c", "(sleep 0.05; echo late)& echo early"]).run();
    assert_eq!((end.out_text().as_str(), end.report["left_open"].as_bool()), ("early\nlate\n", Some(false)));
}

#[test]
fn fault_88_output_of_any_size_passes_in_constant_memory() {
    const SIZE: usize = 200_000_000;
    let end =
        Probe::new(["sh", "-c", &format!("yes 0123456789 | head -c {SIZE}; echo end >&2")]).run_counting();
    assert_eq!((end.code, end.out.len()), (Some(0), 0));
    assert_eq!((end.counted, end.report["total"].as_u64()), (SIZE, Some(SIZE as u64 + 4)));
    assert!(end.report["head"].as_str().unwrap().contains("0123456789\n"));
    let rss = end.report["own_rss"].as_u64().unwrap();
    assert!(rss < 20_000, "{rss} kB");
}

#[test]
fn fault_88_binary_output_passes_untouched_each_on_its_stream() {
    let dir = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..700_001_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(dir.path().join("out"), &bytes).unwrap();
    fs::write(dir.path().join("err"), &bytes[1000..]).unwrap();
    let mut probe = Probe::new(["sh", "-c", "cat out & cat err >&2; wait"]);
    probe.command.current_dir(dir.path());
    let end = probe.run();
    assert!(end.out == bytes && end.err == bytes[1000..]);
    assert_eq!(end.report["total"], 1_400_002 - 1000);
}

#[test]
fn with_one_place_for_both_streams_the_order_is_exact() {
    let script = "i=0; while [ $i -lt 300 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done";
    let end = Probe::new(["sh", "-c", script]).run_merged();
    let want: String = (0..300).map(|i| format!("o{i}\ne{i}\n")).collect();
    assert_eq!(end.out_text(), want);
    assert_eq!(end.report["head"].as_str().unwrap(), &want[..2048]);
}

#[test]
fn fault_89_a_reader_that_goes_away_does_not_disturb_the_job() {
    let dir = tempfile::tempdir().unwrap();
    let done = dir.path().join("done");
    let script = format!("head -c 3000000 /dev/zero && echo fine >&2 && touch {} && exit 5", done.display());
    let end = Probe::new(["sh", "-c", &script]).run_without_reader();
    assert_eq!((end.code, end.report["total"].as_u64()), (Some(5), Some(3_000_005)));
    assert!(done.exists());
    assert_eq!(end.err, b"fine\n");
}

#[test]
fn a_reader_that_stalls_holds_up_neither_time_limit_nor_data() {
    let probe =
        Probe::new(["sh", "-c", "head -c 100000 /dev/zero; exec sleep 30"]).options(["--timeout", "300"]);
    let start = Instant::now();
    let end = probe.run_reading_after(Duration::from_millis(900));
    assert_eq!((end.code, end.report["timed_out"].as_bool()), (Some(143), Some(true)));
    assert!(end.report["millis"].as_u64().unwrap() < 800, "{}", end.report);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(end.out.len(), 100_000);
}

#[test]
fn at_its_time_limit_a_command_gets_term() {
    let script = "trap 'echo cleaning; exit 9' TERM; sleep 30 & wait";
    let end = Probe::new(["sh", "-c", script]).options(["--timeout", "200"]).run();
    assert_eq!((end.code, end.report["timed_out"].as_bool()), (Some(9), Some(true)));
    assert_eq!(end.out_text(), "cleaning\n");
}

#[test]
fn at_its_time_limit_a_stopped_command_ends_too() {
    let end = Probe::new(["sh", "-c", "kill -STOP $$; sleep 30"]).options(["--timeout", "200"]).run();
    assert_eq!(end.code, Some(143));
}

#[test]
fn who_ignores_term_is_killed_with_all_that_belongs_to_it() {
    let (arg, pattern) = unique_sleep();
    let script = format!("trap '' TERM; sleep {arg} & sleep {arg}; sleep {arg}");
    let options = ["--timeout", "150", "--kill-after", "150"];
    let end = Probe::new(["sh", "-c", &script]).options(options).run();
    assert_eq!((end.code, end.report["signal"].as_i64()), (Some(137), Some(9)));
    assert!(!is_running(&pattern));
}

#[test]
fn what_a_timed_out_command_leaves_behind_is_killed() {
    let (arg, pattern) = unique_sleep();
    let script = format!("(trap '' TERM; sleep {arg}; sleep {arg})& sleep 0.1; exec sleep {arg}");
    let end = Probe::new(["sh", "-c", &script]).options(["--timeout", "250", "--kill-after", "200"]).run();
    assert_eq!(end.code, Some(143));
    assert!(!is_running(&pattern));
}

#[test]
fn quiet_says_nothing_of_success_and_records_it() {
    let end = Probe::new(["sh", "-c", "echo out; echo err >&2"]).options(["--quiet"]).run();
    assert_eq!((end.code, end.out.len(), end.err.len()), (Some(0), 0, 0));
    assert_eq!(end.report["total"], 8);
}

#[test]
fn quiet_shows_a_failure_in_full_and_in_order() {
    let script = "echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo mid >&2; echo last; exit 1";
    let end = Probe::new(["sh", "-c", script]).options(["--quiet"]).run_merged();
    assert_eq!(end.code, Some(1));
    let text = end.out_text();
    assert_eq!(text.len(), 3_000_000 + 15);
    assert!(text.starts_with("first\nxxx") && text.ends_with("xxmid\nlast\n"));
}

#[test]
fn quiet_shows_what_was_timed_out_and_keeps_streams_apart() {
    let script = "echo out; echo err >&2; trap 'exit 0' TERM; sleep 30 & wait";
    let end = Probe::new(["sh", "-c", script]).options(["--quiet", "--timeout", "150"]).run();
    assert_eq!((end.code, end.out_text().as_str(), end.err.as_slice()), (Some(0), "out\n", &b"err\n"[..]));
}

#[test]
fn stdin_environment_directory_and_descriptors_are_those_of_tenko() {
    let script =
        "cat; pwd; echo $MARK; ls /proc/self/fd | wc -l; grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status";
    let job = ["sh", "-c", script];
    let wrapped = with_stdin(Probe::new(job).command);
    let mut bare = Command::new(job[0]);
    bare.args(&job[1..]);
    assert_eq!(wrapped, with_stdin(bare));
    assert!(wrapped.starts_with("from stdin\n/\nmarked\n"), "{wrapped}");
}

fn with_stdin(mut command: Command) -> String {
    command.env("MARK", "marked").current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"from stdin\n").unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn passthrough_gives_our_own_outputs() {
    let end =
        Probe::new(["sh", "-c", "readlink /proc/$PPID/fd/1 /proc/$$/fd/1"]).options(["--passthrough"]).run();
    let text = end.out_text();
    let links: Vec<_> = text.lines().collect();
    assert!(links.len() == 2 && links[0] == links[1], "{links:?}");
    assert_eq!(end.report["total"], 0);
}

#[test]
fn fault_12_without_descriptors_to_watch_it_the_command_still_runs() {
    for limit in 3..16 {
        let mut probe = Probe::new(["/bin/sh", "-c", "echo ran; exit 6"]);
        probe.behind(&format!("ulimit -n {limit}"));
        let end = probe.run();
        // Below this not even the loader can open the C library.
        let is_possible = limit > 3;
        assert_eq!(end.code == Some(6) && end.out_text() == "ran\n", is_possible, "{limit}: {:?}", end.code);
    }
}

#[test]
fn exit_status_is_seen_though_our_parent_ignores_sigchld() {
    let mut probe = Probe::new(["sh", "-c", "exit 6"]);
    probe.behind("trap '' CHLD");
    assert_eq!(probe.run().code, Some(6));
}

#[test]
fn fault_94_overlapping_runs_do_not_mix() {
    let run = |word: &str| {
        let mut task = Task::new("sh");
        task.args = vec!["-c".into(), "echo $WORD; sleep 0.2; echo $WORD".into()];
        task.env = vec![("WORD".into(), word.into())];
        task.quiet = true;
        exec::spawn(task).unwrap()
    };
    let (one, two) = (run("one"), run("two"));
    assert_ne!(one.pid(), two.pid());
    let (one, two) = (one.wait(), two.wait());
    assert_eq!(
        (one.output.head.as_slice(), two.output.head.as_slice()),
        (&b"one\none\n"[..], &b"two\ntwo\n"[..])
    );
    assert_eq!((one.exit, two.exit), (Exit::Code(0), Exit::Code(0)));
}

#[test]
fn fault_95_duration_and_usage_are_measured_by_clocks_nobody_sets() {
    let mut task = Task::new("sh");
    task.args = vec!["-c".into(), "sleep 0.2; i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done".into()];
    task.quiet = true;
    let running = exec::spawn(task).unwrap();
    let (_, started) = running.started();
    let outcome = running.wait();
    let limit = started.elapsed();
    assert!(outcome.duration >= Duration::from_millis(200) && outcome.duration <= limit, "{outcome:?}");
    let usage = outcome.usage.expect("Linux tells");
    assert!(usage.user > Duration::ZERO && usage.max_rss_bytes > 100_000, "{usage:?}");
}

fn executable(dir: &std::path::Path, name: &str, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}
