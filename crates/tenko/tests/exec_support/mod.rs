//! Runs the example `exec_probe` and collects what can be seen of it.
#![allow(dead_code, reason = "each test file uses its part")]
#![expect(clippy::unwrap_used, reason = "part of tests, where a panic is the report")]

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// One run of the probe to come.
pub(crate) struct Probe {
    pub(crate) command: Command,
    job: Vec<String>,
    dir: TempDir,
}

/// What was seen of it.
pub(crate) struct End {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
    /// Bytes of stdout when they were only counted.
    pub(crate) counted: usize,
    pub(crate) report: Value,
}

impl End {
    pub(crate) fn out_text(&self) -> String {
        String::from_utf8(self.out.clone()).unwrap()
    }
}

impl Probe {
    pub(crate) fn new<S: Into<String>>(job: impl IntoIterator<Item = S>) -> Self {
        let (dir, job) = (tempfile::tempdir().unwrap(), job.into_iter().map(Into::into).collect());
        let mut probe = Self { command: Command::new(probe_path()), job, dir };
        probe.finish_arguments::<&str>([]);
        probe
    }

    pub(crate) fn options<S: AsRef<OsStr>>(mut self, options: impl IntoIterator<Item = S>) -> Self {
        self.command = Command::new(probe_path());
        self.finish_arguments(options);
        self
    }

    /// Has a shell do `first` and then become the probe.
    pub(crate) fn behind(&mut self, first: &str) {
        let arguments: Vec<_> = self.command.get_args().map(ToOwned::to_owned).collect();
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(format!("{first}; exec \"$0\" \"$@\"")).arg(probe_path()).args(arguments);
        self.command = shell;
    }

    fn finish_arguments<S: AsRef<OsStr>>(&mut self, options: impl IntoIterator<Item = S>) {
        let report = self.report_path();
        self.command.args(options).arg("--report").arg(report).arg("--").args(&self.job);
    }

    fn report_path(&self) -> PathBuf {
        self.dir.path().join("report")
    }

    pub(crate) fn start(&mut self) -> Child {
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub(crate) fn end(&self, status: ExitStatus, out: Vec<u8>, err: Vec<u8>) -> End {
        use std::os::unix::process::ExitStatusExt as _;
        let report = fs::read(self.report_path()).unwrap_or_default();
        let report = serde_json::from_slice(&report).unwrap_or(Value::Null);
        End { code: status.code(), signal: status.signal(), out, err, counted: 0, report }
    }

    pub(crate) fn run(mut self) -> End {
        let done = self.start().wait_with_output().unwrap();
        self.end(done.status, done.stdout, done.stderr)
    }

    /// Does not wait for those who inherited our outputs, and shows none.
    pub(crate) fn run_detached(mut self) -> End {
        let (out, err) = (self.dir.path().join("out"), self.dir.path().join("err"));
        self.command.stdin(Stdio::null()).stdout(fs::File::create(out).unwrap());
        let status = self.command.stderr(fs::File::create(err).unwrap()).status().unwrap();
        self.end(status, Vec::new(), Vec::new())
    }

    /// Leads stdout and stderr into the same pipe.
    pub(crate) fn run_merged(mut self) -> End {
        let (mut read, write) = io::pipe().unwrap();
        self.command.stdin(Stdio::null()).stdout(write.try_clone().unwrap()).stderr(write);
        let mut child = self.command.spawn().unwrap();
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut out = Vec::new();
        read.read_to_end(&mut out).unwrap();
        self.end(child.wait().unwrap(), out, Vec::new())
    }

    pub(crate) fn run_counting(mut self) -> End {
        let mut child = self.start();
        let counted = io::copy(&mut child.stdout.take().unwrap(), &mut io::sink()).unwrap();
        let done = child.wait_with_output().unwrap();
        End { counted: usize::try_from(counted).unwrap(), ..self.end(done.status, done.stdout, done.stderr) }
    }

    /// Closes the reading end of stdout at once.
    pub(crate) fn run_without_reader(mut self) -> End {
        let mut child = self.start();
        drop(child.stdout.take());
        let done = child.wait_with_output().unwrap();
        self.end(done.status, done.stdout, done.stderr)
    }

    pub(crate) fn run_reading_after(mut self, pause: Duration) -> End {
        let child = self.start();
        thread::sleep(pause);
        let done = child.wait_with_output().unwrap();
        self.end(done.status, done.stdout, done.stderr)
    }

    /// Sends each of the signals after another line of the job's output.
    pub(crate) fn run_signalled(mut self, signals: &[Signal]) -> End {
        let mut child = self.start();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut out = Vec::new();
        for signal in signals {
            lines.read_until(b'\n', &mut out).unwrap();
            send(&child, *signal);
        }
        lines.read_to_end(&mut out).unwrap();
        let done = child.wait_with_output().unwrap();
        self.end(done.status, out, done.stderr)
    }
}

pub(crate) fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

/// Cargo puts examples beside the directory of test programs, and builds them whenever it builds all tests.
pub(crate) fn probe_path() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.ancestors().nth(2).unwrap().join("examples/exec_probe");
    assert!(path.exists(), "{} is missing: cargo build -p tenko --example exec_probe", path.display());
    path
}

/// Returns an argument for sleep(1) of about 25 s, and the command line by which to recognise it.
pub(crate) fn unique_sleep() -> (String, String) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let arg = format!("25.{:07}{:04}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let pattern = format!("sleep\0{arg}\0");
    (arg, pattern)
}

pub(crate) fn is_running(pattern: &str) -> bool {
    !pids(pattern).is_empty()
}

pub(crate) fn kill_all(pattern: &str) {
    pids(pattern).into_iter().for_each(|pid| kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap());
}

fn pids(pattern: &str) -> Vec<i32> {
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(|pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == pattern.as_bytes()))
        .collect()
}
