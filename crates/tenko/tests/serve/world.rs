//! A place with a configuration, and a server that runs there.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A key that every configuration here knows.
pub(crate) const KEY: &str = "gt0bh4bkrm5fapcm0bqwbx";
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory with a configuration and a store.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
}

impl Place {
    /// `rest` follows the keys of `[server]`.
    pub(crate) fn new(rest: &str) -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        place.configure(rest);
        place
    }

    pub(crate) fn configure(&self, rest: &str) {
        let text =
            format!("[server]\nlisten = \"127.0.0.1:0\"\nping_keys = {{ main = \"env:KEY\" }}\n{rest}");
        std::fs::write(self.path("tenko.toml"), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenko"));
        command.args(args).current_dir(self.dir.path()).env_clear();
        command.env("TENKO_STATE_DIR", self.path("state")).env("KEY", KEY).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Standard output of a command that has to succeed.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn serve(&self) -> Served {
        self.serve_with(|command| command)
    }

    pub(crate) fn serve_with(&self, change: impl FnOnce(&mut Command) -> &mut Command) -> Served {
        let mut command = self.command(&["serve"]);
        change(&mut command);
        Served::start(command)
    }
}

/// A server that runs. Dropped, it is killed.
pub(crate) struct Served {
    child: Child,
    said: Lines,
    /// Where it serves HTTP.
    pub(crate) http: String,
}

/// What it says on standard error, line by line.
struct Lines {
    seen: Vec<String>,
    lines: std::sync::mpsc::Receiver<String>,
    _reader: JoinHandle<()>,
}

impl Lines {
    fn of(stderr: ChildStderr) -> Self {
        let (send, lines) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Self { seen: Vec::new(), lines, _reader: reader }
    }

    fn until(&mut self, part: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("it never said {part:?}, but: {:#?}", self.seen);
            };
            self.seen.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }
}

impl Served {
    fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut said = Lines::of(child.stderr.take().unwrap());
        let line = said.until("serving pings at http://");
        let http = line.trim_start_matches("serving pings at http://").trim_end_matches("/ping/").to_owned();
        said.until("keeping ");
        Self { child, said, http }
    }

    /// Waits until it says this, and gives the line.
    pub(crate) fn says(&mut self, part: &str) -> String {
        self.said.until(part)
    }

    /// What it said so far, where a test waited for it.
    pub(crate) fn said(&self) -> String {
        self.said.seen.join("\n")
    }

    pub(crate) fn get(&self, path: &str) -> String {
        self.request(&format!("GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"))
    }

    /// Sends bytes, and reads all that is answered.
    pub(crate) fn request(&self, text: &str) -> String {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    pub(crate) fn ping(&self, rest: &str) -> String {
        let answer = self.get(&format!("/ping/{KEY}/{rest}"));
        answer.lines().next().unwrap_or_default().to_owned()
    }

    pub(crate) fn tell(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    pub(crate) fn ends(mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn stop(self) {
        self.tell(Signal::SIGTERM);
        assert_eq!(self.ends().code(), Some(0));
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
