//! Pings of which the test knows the id, and what was answered.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::home::KEY;

/// A ping that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) job: String,
    pub(crate) rid: Uuid,
    /// `start`, `success`, `fail` or `log`.
    pub(crate) kind: &'static str,
    /// When it was answered with 200 or 201, if it was.
    pub(crate) acknowledged: Option<Timestamp>,
}

/// A connection on which pings go one after the other.
struct Line(BufReader<TcpStream>);

impl Line {
    /// None, if nobody is there.
    fn to(node: SocketAddr, patience: Duration) -> Option<Self> {
        let stream = TcpStream::connect_timeout(&node, patience).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(patience)).ok()?;
        Some(Self(BufReader::new(stream)))
    }

    /// The status; none, if there was no answer.
    fn ping(&mut self, path: &str) -> Option<u16> {
        let request = format!("GET /ping/{KEY}/{path} HTTP/1.1\r\nHost: t\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).ok()?;
        let (mut status, mut length) = (None, 0);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest.get(..3)?.parse().ok();
            } else if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            } else if line.is_empty() {
                break;
            }
        }
        self.0.read_exact(&mut vec![0; length]).ok()?;
        status
    }
}

/// What one sender says, round and round: bad ends, good ones, runs with a beginning, remarks.
const TURNS: [(&str, &str); 6] = [
    ("/fail", "fail"),
    ("", "success"),
    ("/start", "start"),
    ("/7", "fail"),
    ("/log", "log"),
    ("/0", "success"),
];

/// What a sender says next.
struct Turns {
    turn: usize,
    rid: Uuid,
}

impl Turns {
    fn next(&mut self) -> (&'static str, &'static str, Uuid) {
        let (path, kind) = TURNS[self.turn % TURNS.len()];
        // The end after a start is that of the same run.
        if self.turn == 0 || TURNS[(self.turn - 1) % TURNS.len()].1 != "start" {
            self.rid = Uuid::new_v4();
        }
        self.turn += 1;
        (path, kind, self.rid)
    }
}

/// Pings one job on one connection, all that it can say, until there is no answer.
pub(crate) fn ping_until_it_dies(node: SocketAddr, job: &str) -> Vec<Sent> {
    let mut sent = Vec::new();
    let Some(mut line) = Line::to(node, Duration::from_secs(30)) else { return sent };
    let mut turns = Turns { turn: 0, rid: Uuid::nil() };
    loop {
        let (path, kind, rid) = turns.next();
        let status = line.ping(&format!("{job}{path}?create=1&rid={rid}"));
        let acknowledged = matches!(status, Some(200 | 201)).then(Timestamp::now);
        sent.push(Sent { job: job.to_owned(), rid, kind, acknowledged });
        match status {
            Some(200 | 201) => {}
            // It dies, or says that it can't say whether that is stored.
            None | Some(503) => return sent,
            Some(other) => panic!("{other} to {path}"),
        }
    }
}

/// Where nodes are at the moment, as a proxy in front of them knows it.
#[derive(Clone, Default)]
pub(crate) struct Nodes {
    addresses: Arc<Mutex<Vec<SocketAddr>>>,
    over: Arc<AtomicBool>,
}

impl Nodes {
    pub(crate) fn are(&self, addresses: impl IntoIterator<Item = SocketAddr>) {
        *self.addresses.lock().unwrap() = addresses.into_iter().collect();
    }

    /// Nobody sends anything any more.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    fn number(&self, number: usize) -> SocketAddr {
        let addresses = self.addresses.lock().unwrap();
        addresses[number % addresses.len()]
    }
}

/// Pings one job until it is over; a ping that a node does not take within `patience` is given up, and the next goes to
/// another node.
pub(crate) fn keep_pinging(nodes: &Nodes, first: usize, job: &str, patience: Duration) -> Vec<Sent> {
    let (mut sent, mut number, mut line) = (Vec::new(), first, None);
    let mut turns = Turns { turn: 0, rid: Uuid::nil() };
    while !nodes.is_over() {
        if line.is_none() {
            line = Line::to(nodes.number(number), patience);
        }
        let Some(open) = &mut line else {
            number += 1;
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        let (path, kind, rid) = turns.next();
        let status = open.ping(&format!("{job}{path}?rid={rid}"));
        let acknowledged = matches!(status, Some(200 | 201)).then(Timestamp::now);
        sent.push(Sent { job: job.to_owned(), rid, kind, acknowledged });
        match status {
            Some(200 | 201) => std::thread::sleep(Duration::from_millis(5)),
            None | Some(503) => {
                (line, number) = (None, number + 1);
                std::thread::sleep(Duration::from_millis(20));
            }
            Some(other) => panic!("{other} to {job}{path}"),
        }
    }
    sent
}
