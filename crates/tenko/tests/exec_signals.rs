//! Signals sent to the wrapper. Numbers are rows of docs/faults.md.
#![cfg(target_os = "linux")]

mod exec_support;

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use exec_support::{Probe, is_running, send, unique_sleep};
use nix::sys::signal::Signal;

const FORWARDED: [Signal; 6] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];

#[test]
fn fault_87_each_signal_reaches_the_command_and_the_rest_of_its_group() {
    for forwarded in FORWARDED {
        let signal = forwarded.as_str().trim_start_matches("SIG");
        let member =
            format!("trap 'echo member >&2; exit' {signal}; echo ready; while :; do sleep 0.02; done");
        let script = format!(
            "trap 'code=8' {signal}; sh -c \"{member}\" | sh -c \"trap '' {signal}; cat\"; exit $code",
        );
        let end = Probe::new(["sh", "-c", &script]).run_signalled(&[forwarded]);
        assert_eq!((end.code, end.out_text().as_str()), (Some(8), "ready\n"), "{signal}");
        // Among what the shell says of its own about ended children.
        assert!(end.err.ends_with(b"member\n"), "{signal}: {:?}", String::from_utf8_lossy(&end.err));
    }
}

#[test]
fn fault_87_an_unhandled_signal_ends_the_command_and_is_its_exit() {
    for signal in FORWARDED {
        let end = Probe::new(["sh", "-c", "echo ready; exec sleep 30"]).run_signalled(&[signal]);
        assert_eq!(
            (end.code, end.report["signal"].as_i64()),
            (Some(128 + signal as i32), Some(signal as i64))
        );
    }
}

#[test]
fn fault_87_a_second_interrupt_is_forwarded_again() {
    let script = "n=0; trap 'n=$((n+1)); echo int $n; [ $n = 2 ] && exit 7' INT; echo ready; \
                  while :; do sleep 0.02; done";
    let end = Probe::new(["sh", "-c", script]).run_signalled(&[Signal::SIGINT, Signal::SIGINT]);
    assert_eq!((end.code, end.out_text().as_str()), (Some(7), "ready\nint 1\nint 2\n"));
}

#[test]
fn fault_87_after_term_the_command_takes_the_time_it_needs() {
    let script = "trap 'sleep 0.5; echo saved; exit 0' TERM; echo ready; while :; do sleep 0.02; done";
    let end = Probe::new(["sh", "-c", script]).run_signalled(&[Signal::SIGTERM]);
    assert_eq!((end.code, end.out_text().as_str()), (Some(0), "ready\nsaved\n"));
    assert!(end.report["millis"].as_u64().unwrap() >= 500);
}

#[test]
fn fault_87_signals_at_random_moments_leave_neither_orphan_nor_doubt() {
    // In steps of 47 microseconds over the first 9 ms, in which the probe starts up and the command begins to run.
    for step in 0..200_u64 {
        let (arg, pattern) = unique_sleep();
        let mut probe = Probe::new(["sleep", &arg]);
        let child = probe.start();
        thread::sleep(Duration::from_micros(step * 47));
        let sent = Instant::now();
        send(&child, Signal::SIGTERM);
        let done = child.wait_with_output().unwrap();
        let end = probe.end(done.status, done.stdout, done.stderr);
        assert!(sent.elapsed() < Duration::from_secs(5), "step {step}");
        assert!(!is_running(&pattern), "step {step}: the command was left alone");
        let died_before_start = end.signal == Some(15) && end.report.is_null();
        let forwarded = end.code == Some(143) && end.report["signal"] == 15;
        assert!(
            died_before_start || forwarded,
            "step {step}: {:?} {:?} {}",
            end.code,
            end.signal,
            end.report
        );
    }
}

#[test]
fn what_is_ignored_stays_ignored_as_under_nohup() {
    let mut probe = Probe::new(["grep", "SigIgn", "/proc/self/status"]);
    probe.behind("trap '' HUP");
    let text = probe.run().out_text();
    let ignored = u64::from_str_radix(text.trim_start_matches("SigIgn:").trim(), 16).unwrap();
    let (hup, pipe) = (1, 1 << (Signal::SIGPIPE as i32 - 1));
    assert_eq!((ignored & hup, ignored & pipe), (hup, 0), "{text}");
    let mut probe = Probe::new(["sh", "-c", "echo ready; sleep 0.3; exit 4"]);
    probe.behind("trap '' HUP");
    assert_eq!(probe.run_signalled(&[Signal::SIGHUP]).code, Some(4));
}

#[test]
fn who_asks_to_end_after_the_command_need_not_wait_for_a_stalled_reader() {
    let mut probe = Probe::new(["sh", "-c", "head -c 100000 /dev/zero"]);
    let mut child = probe.command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "the reader has not yet taken all");
    send(&child, Signal::SIGTERM);
    let status = child.wait().unwrap();
    let end = probe.end(status, Vec::new(), Vec::new());
    assert_eq!((end.code, end.report["left_open"].as_bool()), (Some(0), Some(true)));
}
