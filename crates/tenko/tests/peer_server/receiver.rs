//! Whoever is told: a webhook that remembers everything that reached it, and behaves as it is asked to.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::Value;
use uuid::Uuid;

/// A notice that reached it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) id: Uuid,
    pub(crate) job: String,
    pub(crate) kind: String,
    pub(crate) down_since: String,
    pub(crate) brief: bool,
}

/// A request: under which id, when, and what it told.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) id: Uuid,
    pub(crate) at: Instant,
    pub(crate) notices: Vec<Told>,
}

/// How it behaves once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mood {
    /// Answers with this status line and these headers.
    Says(&'static str),
    /// Never answers.
    Hangs,
    /// Ends the connection with a reset.
    Resets,
}

#[derive(Default)]
struct Inside {
    requests: Vec<Request>,
    moods: VecDeque<Mood>,
}

/// The receiver; it listens until the test program ends.
#[derive(Clone)]
pub(crate) struct Receiver {
    port: u16,
    inside: Arc<Mutex<Inside>>,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let receiver = Self { port, inside: Arc::default() };
        let shared = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = shared.clone();
                // Whoever sends may die in the middle.
                std::thread::spawn(move || shared.hear(&stream).unwrap_or(()));
            }
        });
        receiver
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Behaves so at the next requests, one after the other, and then accepts everything.
    pub(crate) fn behave(&self, moods: &[Mood]) {
        self.inside.lock().unwrap().moods.extend(moods);
    }

    /// Everything that reached it, in order, whether it was accepted or not.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.inside.lock().unwrap().requests.clone()
    }

    /// All notices that reached it, in order, the repeated ones too.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.requests().into_iter().flat_map(|request| request.notices).collect()
    }

    /// None, if whoever sends it dies in the middle.
    fn hear(&self, mut stream: &TcpStream) -> Option<()> {
        let (id, length) = read_head(stream)?;
        let mood = self.inside.lock().unwrap().moods.pop_front().unwrap_or(Mood::Says("200 OK"));
        // Who leaves something unread, ends the connection with a reset.
        let unread = usize::from(matches!(mood, Mood::Resets));
        let mut body = vec![b'}'; length];
        stream.read_exact(&mut body[..length - unread]).ok()?;
        let body: Value = serde_json::from_slice(&body).unwrap();
        let notices = body["notices"].as_array().unwrap().iter().map(told).collect();
        self.inside.lock().unwrap().requests.push(Request { id, at: Instant::now(), notices });
        match mood {
            Mood::Says(status) => {
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).ok()
            }
            Mood::Hangs => stream.read(&mut [0]).map(drop).ok(),
            Mood::Resets => Some(()),
        }
    }
}

/// The id of a request and the length of its body, of which nothing is read.
fn read_head(stream: &TcpStream) -> Option<(Uuid, usize)> {
    let mut reader = BufReader::with_capacity(1, stream);
    let (mut length, mut id) = (None, None);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let (name, value) = line.trim_end().split_once(": ").unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok(),
            "webhook-id" => id = value.parse().ok(),
            _ if line == "\r\n" => return Some((id?, length?)),
            _ => {}
        }
    }
}

fn told(notice: &Value) -> Told {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let facts = &notice["facts"];
    Told {
        id: text(&notice["id"]).parse().unwrap(),
        job: text(&notice["job"]),
        kind: text(&notice["kind"]),
        down_since: text(&facts["down_since"]),
        brief: facts["brief"].as_bool().unwrap_or_default(),
    }
}
