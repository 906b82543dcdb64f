//! A server in the way of Healthchecks that remembers what it was told, and answers as it is told.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: Vec<u8>,
    pub(crate) at: Instant,
}

#[derive(Default)]
struct Inside {
    heard: Vec<Heard>,
    script: VecDeque<String>,
    headers: String,
}

/// The server; it listens until the test program ends.
pub(crate) struct Recorder {
    pub(crate) port: u16,
    inside: Arc<Mutex<Inside>>,
}

impl Recorder {
    /// Answers 200 to all.
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let inside = Arc::<Mutex<Inside>>::default();
        let shared = Arc::clone(&inside);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(&stream.unwrap(), &shared));
            }
        });
        Self { port, inside }
    }

    /// Answers with these first lines (status and headers, `\r\n` between them), and then 200 to all.
    pub(crate) fn answers(self, script: &[&str]) -> Self {
        self.inside.lock().unwrap().script = script.iter().map(|&answer| answer.to_owned()).collect();
        self
    }

    /// Puts a header into every answer.
    pub(crate) fn header(self, line: &str) -> Self {
        self.inside.lock().unwrap().headers = format!("{line}\r\n");
        self
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.inside.lock().unwrap().heard.clone()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.heard().into_iter().map(|heard| heard.path).collect()
    }
}

fn serve(stream: &TcpStream, inside: &Mutex<Inside>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let mut words = head.split(' ');
    let method = words.next().unwrap().to_owned();
    let target = words.next().unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let heard = Heard { method, path: path.to_owned(), query: query.to_owned(), body, at: Instant::now() };
    let answer = {
        let mut inside = inside.lock().unwrap();
        inside.heard.push(heard);
        let first = inside.script.pop_front().unwrap_or_else(|| "200 OK".to_owned());
        format!("HTTP/1.1 {first}\r\n{}content-length: 2\r\nconnection: close\r\n\r\nOK", inside.headers)
    };
    // Who does not wait for the answer need not get it.
    drop((&mut &*stream).write_all(answer.as_bytes()));
}
