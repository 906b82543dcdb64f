//! A node that runs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything may take that has to come about by itself.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A node. Dropped, it is killed as `kill -9` does it.
pub(crate) struct Node {
    child: Child,
    /// Where it serves HTTP.
    pub(crate) http: SocketAddr,
    said: Receiver<String>,
}

impl Node {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, said) = channel();
        std::thread::spawn(move || {
            // To its end, whoever listens: it would wait for its standard error otherwise.
            lines.map_while(Result::ok).for_each(|line| drop(tell.send(line)));
        });
        let mut node = Self { child, http: SocketAddr::from(([127, 0, 0, 1], 0)), said };
        let line = node.says("serving pings at http://");
        let address = line.trim_start_matches("serving pings at http://").trim_end_matches("/ping/");
        node.http = address.parse().unwrap();
        node
    }

    /// Waits until it says this, and gives the line.
    pub(crate) fn says(&mut self, part: &str) -> String {
        let mut seen = Vec::new();
        loop {
            let Ok(line) = self.said.recv_timeout(PATIENCE) else {
                panic!("it never said {part:?}, but: {seen:#?}")
            };
            if line.contains(part) {
                return line;
            }
            seen.push(line);
        }
    }

    /// All that it answers.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.http).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    pub(crate) fn tell(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Lets it end in peace.
    pub(crate) fn stop(mut self) {
        self.tell(Signal::SIGTERM);
        until("the node has ended", || !self.runs());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
