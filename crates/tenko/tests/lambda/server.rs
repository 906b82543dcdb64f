//! A small HTTP server on loopback that does what a closure says.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// A request; the names of headers are in lower case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// An answer; `None` closes the connection without one.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Option<Self> {
        Some(Self { status, headers: Vec::new(), body: body.into() })
    }
}

/// Listens until the tests end, with one thread for each connection.
pub(crate) fn serve(answer: impl Fn(Request) -> Option<Reply> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                let stream = stream.unwrap();
                let mut reader = BufReader::new(&stream);
                while let Some(request) = read(&mut reader) {
                    let Some(reply) = answer(request) else { return };
                    if write(&stream, &reply).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut request = Request { method: words.next()?, path: words.next()?, ..Request::default() };
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        request.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let body = match request.header("transfer-encoding") {
        "chunked" => chunks(reader)?,
        _ => exactly(reader, request.header("content-length").parse().unwrap_or(0))?,
    };
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}

fn exactly(reader: &mut BufReader<&TcpStream>, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn chunks(reader: &mut BufReader<&TcpStream>) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.trim(), 16).ok()?;
        all.extend(exactly(reader, length)?);
        exactly(reader, 2)?;
        if length == 0 {
            return Some(all);
        }
    }
}

/// In one write, so that no delayed acknowledgement comes between.
fn write(mut stream: &TcpStream, reply: &Reply) -> std::io::Result<()> {
    let headers: String = reply.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head =
        format!("HTTP/1.1 {} Status\r\nContent-Length: {}\r\n{headers}\r\n", reply.status, reply.body.len());
    stream.write_all(format!("{head}{}", reply.body).as_bytes())
}
