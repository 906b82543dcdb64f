//! Load: as much as goes, by `wrk`, and so much per second, by connections of our own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Result;

/// How many connections there are at once.
pub(super) const CONNECTIONS: usize = 64;
/// Over how many jobs the pings are spread.
pub(super) const JOBS: usize = 1000;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// How many bytes of body; none is a GET.
    pub(super) body: usize,
    /// Whether a connection serves many requests.
    pub(super) keep_alive: bool,
}

impl Shape {
    pub(super) const ALL: [Self; 4] = [
        Self { body: 0, keep_alive: true },
        Self { body: 1000, keep_alive: true },
        Self { body: 0, keep_alive: false },
        Self { body: 1000, keep_alive: false },
    ];

    pub(super) fn words(self) -> String {
        let what = if self.body == 0 { "GET".to_owned() } else { format!("POST {} B", self.body) };
        format!("{what}, {}", if self.keep_alive { "keep-alive" } else { "a connection each" })
    }

    fn request(self, key: &str, job: usize) -> String {
        let method = if self.body == 0 { "GET" } else { "POST" };
        let mut request =
            format!("{method} /ping/{key}/job-{job} HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\n");
        if !self.keep_alive {
            request.push_str("Connection: close\r\n");
        }
        if self.body > 0 {
            request.push_str(&format!("Content-Length: {}\r\n", self.body));
        }
        request + "\r\n" + &"x".repeat(self.body)
    }
}

/// What `wrk` saw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flood {
    pub(super) per_second: f64,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
}

/// As many pings as go, over all connections.
pub(super) fn flood(
    to: SocketAddr,
    key: &str,
    shape: Shape,
    length: Duration,
    place: &Path,
) -> Result<Flood> {
    let script = place.join("pings.lua");
    std::fs::write(&script, lua(key, shape))?;
    let output = Command::new("wrk")
        .args(["--threads", "1", "--latency", "--timeout", "10s"])
        .args(["--connections", &CONNECTIONS.to_string()])
        .args(["--duration", &format!("{}s", length.as_secs())])
        .arg("--script")
        .arg(&script)
        .arg(format!("http://{to}"))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    understood(&text)
        .ok_or_else(|| format!("wrk says {text}{}", String::from_utf8_lossy(&output.stderr)).into())
}

/// The requests are made once, so that making them costs nothing.
fn lua(key: &str, shape: Shape) -> String {
    let head = if shape.body == 0 { "GET" } else { "POST" };
    let close = if shape.keep_alive { "" } else { "wrk.headers[\"Connection\"] = \"close\"\n" };
    format!(
        "wrk.method = \"{head}\"\nwrk.headers[\"User-Agent\"] = \"bench\"\n{close}\
         if {body} > 0 then wrk.body = string.rep(\"x\", {body}) end\n\
         local made, at = {{}}, 0\n\
         init = function(args)\n  for i = 0, {last} do made[i] = wrk.format(nil, \"/ping/{key}/job-\" .. i) end\nend\n\
         request = function()\n  at = (at + 7) % {JOBS}\n  return made[at]\nend\n",
        body = shape.body,
        last = JOBS - 1,
    )
}

fn understood(text: &str) -> Option<Flood> {
    let after = |name: &str| {
        let line = text.lines().map(str::trim).find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next().map(str::to_owned)
    };
    // Whoever was refused was not served.
    if text.contains("Non-2xx") {
        return None;
    }
    Some(Flood {
        per_second: after("Requests/sec:")?.parse().ok()?,
        p50: length(&after("50%")?)?,
        p99: length(&after("99%")?)?,
    })
}

fn length(text: &str) -> Option<Duration> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return None,
    };
    Some(Duration::from_secs_f64(number.parse::<f64>().ok()? * unit))
}

/// So many pings per second for so long, over connections that stay open. How long each took, sorted: from when it was to be
/// sent, where its connection was still busy with the one before; else from when it was sent.
pub(super) async fn paced(
    to: SocketAddr,
    key: &str,
    shape: Shape,
    per_second: f64,
    length: Duration,
) -> Result<Vec<Duration>> {
    let every = Duration::from_secs_f64(CONNECTIONS as f64 / per_second);
    let start = Instant::now() + Duration::from_millis(50);
    let each = (length.as_secs_f64() / every.as_secs_f64()) as u32;
    let connections = (0..CONNECTIONS).map(|number| {
        let requests: Vec<String> =
            (0..JOBS / CONNECTIONS).map(|job| shape.request(key, job * CONNECTIONS + number)).collect();
        let first = start + every.mul_f64(number as f64 / CONNECTIONS as f64);
        tokio::spawn(one_connection(to, requests, first, every, each))
    });
    let mut all = Vec::new();
    for connection in connections.collect::<Vec<_>>() {
        all.extend(connection.await??);
    }
    all.sort_unstable();
    Ok(all)
}

async fn one_connection(
    to: SocketAddr,
    requests: Vec<String>,
    first: Instant,
    every: Duration,
    each: u32,
) -> std::io::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let mut took = Vec::new();
    let mut buffer = vec![0; 4096];
    for number in 0..each {
        let due = first + every * number;
        let was_busy = Instant::now() > due;
        tokio::time::sleep_until(due.into()).await;
        let begun = if was_busy { due } else { Instant::now() };
        stream.write_all(requests[number as usize % requests.len()].as_bytes()).await?;
        answer(&mut stream, &mut buffer).await?;
        took.push(begun.elapsed());
    }
    Ok(took)
}

/// Reads one answer; anything but 200 is an error.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> std::io::Result<()> {
    let mut read = 0;
    loop {
        let more = stream.read(&mut buffer[read..]).await?;
        read += more;
        let seen = &buffer[..read];
        if more == 0 || !seen.starts_with(&b"HTTP/1.1 200"[..read.min(12)]) {
            return Err(std::io::Error::other(String::from_utf8_lossy(seen).into_owned()));
        }
        if seen.ends_with(b"\r\n\r\nOK") {
            return Ok(());
        }
    }
}
