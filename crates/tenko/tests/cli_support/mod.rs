//! Runs the program that is shipped, away from the environment of whoever runs the tests.
#![allow(dead_code, reason = "each test file uses its part")]
#![expect(clippy::unwrap_used, reason = "part of tests, where a panic is the report")]

pub(crate) mod recorder;

use std::ffi::OsStr;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A machine with nothing on it but a place for Tenko.
pub(crate) struct Place {
    dir: TempDir,
}

/// What can be seen of one call.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Seen {
    pub(crate) fn of(output: Output) -> Self {
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        let code = output.status.code().unwrap_or_else(|| panic!("{}: {err}", output.status));
        Self { code, out: output.stdout, err }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenko"));
        command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").env("TENKO_STATE_DIR", self.state());
        command.current_dir(self.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn tenko<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Seen {
        Seen::of(self.command(arguments).output().unwrap())
    }

    /// `tenko run` with these options, of a line of shell.
    pub(crate) fn run(&self, options: &[&str], line: &str) -> Seen {
        self.tenko([&["run"], options, &["--", "sh", "-c", line]].concat())
    }

    /// Calls the roll, and gives what it says.
    pub(crate) fn check(&self) -> Value {
        let seen = self.tenko(["check", "--json"]);
        assert!(matches!(seen.code, 0 | 1), "{seen:?}");
        seen.json()
    }

    /// Everything known of the job after a roll call, oldest first.
    pub(crate) fn log(&self, job: &str) -> Vec<Value> {
        self.check();
        let seen = self.tenko(["log", job, "--json", "-n", "100000"]);
        assert_eq!(seen.code, 0, "{seen:?}");
        seen.json().as_array().unwrap().clone()
    }

    /// The evidence of one kind of the job, oldest first.
    pub(crate) fn evidence(&self, job: &str, kind: &str) -> Vec<Value> {
        let mut log = self.log(job);
        log.retain(|entry| entry["what"] == "evidence" && entry["kind"] == kind);
        log
    }

    pub(crate) fn show(&self, job: &str) -> Value {
        self.check();
        let seen = self.tenko(["show", job, "--json"]);
        assert_eq!(seen.code, 0, "{seen:?}");
        seen.json()
    }

    /// How many pieces of evidence wait to be sent.
    pub(crate) fn waiting(&self) -> usize {
        files(&self.state().join("spool"))
            .iter()
            .filter(|file| file.extension() == Some(OsStr::new("json")))
            .count()
    }
}

/// All files below a directory.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(|entry| below(entry.unwrap().path())).collect()
}

/// Waits until something is so, for at most twenty seconds.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A port of loopback on which nobody listens as long as this lives: it is the near end of a connection.
pub(crate) struct ClosedPort(TcpStream, TcpListener);

impl ClosedPort {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self(TcpStream::connect(listener.local_addr().unwrap()).unwrap(), listener)
    }

    pub(crate) fn number(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }
}
