//! A client that sends exactly what it is told.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An answer; the names of headers are in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Status and body.
    pub(crate) fn said(&self) -> (u16, &str) {
        (self.status, &self.body)
    }
}

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The next answer; `None` if the connection ends before it.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        self.answer_to(false).await
    }

    /// The next answer, without body if it is to a HEAD.
    pub(crate) async fn answer_to(&mut self, head_only: bool) -> Option<Answer> {
        let end = loop {
            match self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(end) => break end,
                None => self.more().await?,
            }
        };
        let head = String::from_utf8(self.read.drain(..end + 4).collect()).unwrap();
        let mut lines = head.trim_end().lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers: Vec<_> =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        let mut answer = Answer { status, headers, body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        if !head_only {
            while self.read.len() < length {
                self.more().await?;
            }
            answer.body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        }
        Some(answer)
    }

    /// Waits until the other side closes; what it still says is returned.
    pub(crate) async fn rest(&mut self) -> String {
        while self.more().await.is_some() {}
        String::from_utf8_lossy(&self.read).into_owned()
    }

    async fn more(&mut self) -> Option<()> {
        let mut bytes = [0; 16 * 1024];
        let read = timeout(Duration::from_secs(20), self.stream.read(&mut bytes)).await;
        let read = read.expect("the server neither answers nor closes").ok().filter(|read| *read > 0)?;
        self.read.extend(&bytes[..read]);
        Some(())
    }
}

/// Sends one request with its body, on a connection of its own.
pub(crate) async fn ask(address: SocketAddr, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
    let mut client = Client::connect(address).await;
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: tenko\r\n{length}{headers}\r\n");
    client.send([head.as_bytes(), body].concat()).await;
    client.answer_to(method == "HEAD").await.unwrap()
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path, "", b"").await
}

pub(crate) async fn post(address: SocketAddr, path: &str, body: impl AsRef<[u8]>) -> Answer {
    ask(address, "POST", path, "", body.as_ref()).await
}
