//! The execution engine as PID 1 and on a terminal; needs tools of Debian's `util-linux`, `bsdutils` and `bash`.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests, where a panic is the report")]

mod exec_support;

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use exec_support::{Probe, probe_path};

#[test]
#[ignore = "needs root and unshare; run by ./test"]
fn fault_86_as_pid_1_it_reaps_a_thousand_orphans() {
    // A tenth of them ends by a real-time signal. One line a second look, until all have gone.
    let script = "i=0; while [ $i -lt 100 ]; do i=$((i+1)); \
        (sh -c 'kill -40 $$' &); for j in 1 2 3 4 5 6 7 8 9; do (true &); done; done; \
        for wait in 1 2 3 4 5 6 7 8 9; do sleep 0.2; left=$(grep -l '^State:.Z' /proc/[0-9]*/status | wc -l); \
        [ $left = 0 ] && break; done; echo pid 1 is $(cat /proc/1/comm), $left zombies; kill -41 $$";
    let end = in_namespace(&["sh", "-c", script], &[]);
    assert_eq!(end.out_text(), "pid 1 is exec_probe, 0 zombies\n", "{}", String::from_utf8_lossy(&end.err));
    assert_eq!((end.code, end.report["signal"].as_i64()), (Some(169), Some(41)));
}

#[test]
#[ignore = "needs root and unshare; run by ./test"]
fn fault_86_as_pid_1_the_end_is_that_of_the_command() {
    let start = Instant::now();
    let end = in_namespace(&["sh", "-c", "(sleep 30 &); echo ok; exit 3"], &[]);
    assert_eq!((end.code, end.out_text().as_str()), (Some(3), "ok\n"));
    let end = in_namespace(
        &["sh", "-c", "trap '' TERM; (sleep 30 &); sleep 30"],
        &["--timeout=200", "--kill-after=200"],
    );
    assert_eq!((end.code, end.report["timed_out"].as_bool()), (Some(137), Some(true)));
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

fn in_namespace(job: &[&str], options: &[&str]) -> exec_support::End {
    let mut probe = Probe::new(job.iter().copied()).options(options);
    let arguments: Vec<_> = probe.command.get_args().map(ToOwned::to_owned).collect();
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc"]).arg(probe_path()).args(arguments);
    probe.command = command;
    probe.run()
}

#[test]
#[ignore = "needs script; run by ./test"]
fn a_command_that_reads_the_terminal_gets_it() {
    let mut terminal = Terminal::open("$P -- sh -c 'echo ready; read x; echo got:$x'; echo rc=$?");
    terminal.await_text("ready");
    terminal.types("hello\n");
    terminal.await_text("got:hello");
    terminal.await_text("rc=0");
}

#[test]
#[ignore = "needs script; run by ./test"]
fn a_pager_at_the_end_of_the_pipe_keeps_the_terminal() {
    let mut terminal = Terminal::open("$P -- echo x | sh -c 'echo ready; read y </dev/tty; echo pager:$y'");
    terminal.await_text("ready");
    terminal.types("hello\n");
    terminal.await_text("pager:hello");
}

#[test]
#[ignore = "needs script; run by ./test"]
fn ctrl_c_reaches_a_command_that_never_touched_the_terminal() {
    let job = "trap \"echo int; exit 5\" INT; echo ready; while :; do sleep 0.05; done";
    let mut terminal = Terminal::open(&format!("trap : INT; $P -- sh -c '{job}'; echo rc=$?"));
    terminal.await_text("ready");
    terminal.types("\x03");
    terminal.await_text("int");
    terminal.await_text("rc=5");
}

#[test]
#[ignore = "needs script; run by ./test"]
fn ctrl_c_reaches_a_command_that_has_the_terminal() {
    let mut terminal = Terminal::open("trap : INT; $P -- sh -c 'read x; echo got:$x; read y'; echo rc=$?");
    terminal.types("a\n");
    terminal.await_text("got:a");
    // By now the second read may have begun or not; both must end.
    terminal.types("\x03");
    terminal.await_text("rc=130");
}

#[test]
#[ignore = "needs script and bash; run by ./test"]
fn ctrl_z_stops_the_command_and_fg_continues_it() {
    let mut terminal = Terminal::open("PS1=prompt: bash --norc --noprofile -i");
    terminal.await_text("prompt:");
    terminal.types("$P -- sh -c 'read a; echo \"1-$a\"; read b; echo \"2-$b\"'\n");
    terminal.types("one\n");
    terminal.await_text("1-one");
    terminal.types("\x1a");
    terminal.await_text("Stopped");
    terminal.types("fg\n");
    terminal.await_text("$P");
    terminal.types("two\n");
    terminal.await_text("2-two");
    terminal.types("echo rc=$?; exit\n");
    terminal.await_text("rc=0");
}

/// A command on a terminal of its own.
struct Terminal {
    script: std::process::Child,
    seen: Vec<u8>,
}

impl Terminal {
    fn open(command: &str) -> Self {
        let script = Command::new("timeout")
            .args(["--foreground", "15", "script", "--quiet", "--return", "--command", command, "/dev/null"])
            .env("P", probe_path())
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script(1) of bsdutils is installed");
        Self { script, seen: Vec::new() }
    }

    fn types(&mut self, keys: &str) {
        // The job may still be on its way to the terminal: what is typed waits there, except for keys that signal.
        thread::sleep(Duration::from_millis(150));
        self.script.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Reads up to and including the text. The terminal is closed after 15 s, which fails the test.
    fn await_text(&mut self, text: &str) {
        let mut byte = [0];
        while !self.seen.ends_with(text.as_bytes()) {
            let read = self.script.stdout.as_mut().unwrap().read(&mut byte);
            let is_open = matches!(read, Ok(1));
            assert!(is_open, "no {text:?} in {:?}", String::from_utf8_lossy(&self.seen));
            self.seen.push(byte[0]);
        }
        self.seen.clear();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        drop(self.script.kill());
        self.script.wait().expect("it was started");
    }
}
