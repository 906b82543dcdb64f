//! A webhook that notes when messages arrive.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use crate::Result;

/// A message: when its first byte was there, and its body.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) at: Timestamp,
    pub(super) body: String,
    /// How many notices it tells of.
    pub(super) notices: usize,
}

/// Receives messages until the program ends.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    messages: Arc<Mutex<Vec<Message>>>,
}

impl Receiver {
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let receiver = Self { address: listener.local_addr()?, messages: Arc::default() };
        let heard = receiver.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let heard = heard.clone();
                thread::spawn(move || heard.serve(&stream));
            }
        });
        Ok(receiver)
    }

    /// What has arrived, after `done` says that it is enough, or after so long.
    pub(super) fn until(&self, done: impl Fn(&[Message]) -> bool, patience: Duration) -> Vec<Message> {
        let begun = std::time::Instant::now();
        loop {
            let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
            if done(&messages) || begun.elapsed() > patience {
                return messages.clone();
            }
            drop(messages);
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Serves requests on one connection until it is closed.
    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let first = !reader.fill_buf().ok()?.is_empty();
            let at = Timestamp::now();
            if !first {
                return None;
            }
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).ok()?;
                if line.trim().is_empty() {
                    break;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().ok()?;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            let body = String::from_utf8_lossy(&body).into_owned();
            (&mut &*stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").ok()?;
            // Each notice has one.
            let notices = body.matches("\"created_at\":").count();
            let message = Message { at, body, notices };
            self.messages.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        }
    }
}
