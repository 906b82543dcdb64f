//! Servers to measure, as processes of their own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

/// The key that may stand in ping URLs.
pub(super) const KEY: &str = "0123456789abcdefghijkl";
/// How long a server is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs until this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
    /// From its start to its first answer.
    pub(super) started_within: Duration,
}

impl Server {
    /// The server that stores nothing.
    pub(super) fn ceiling() -> Result<Self> {
        let begun = Instant::now();
        let program = std::env::current_exe()?.with_file_name("bench-ceiling");
        let mut child = Command::new(program).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let address = line.trim().parse()?;
        Ok(Self { child, address, started_within: begun.elapsed() })
    }

    /// Tenko, with a configuration that is completed by where it listens, its store and its key.
    pub(super) fn tenko(place: &Path, store: &str, config: &str) -> Result<Self> {
        let address = free_address()?;
        let path = place.join("tenko.toml");
        let server = format!("\n[server]\nlisten = \"{address}\"\nping_keys.bench = \"{KEY}\"\n");
        std::fs::write(&path, format!("store = \"{store}\"\n{config}{server}"))?;
        let begun = Instant::now();
        let child = Command::new(tenko()?)
            .args(["serve", "--config"])
            .arg(&path)
            .env("TENKO_STATE_DIR", place.join("state"))
            .env("TENKO_LOG", "error")
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(place.join("log"))?)
            .spawn()?;
        let mut server = Self { child, address, started_within: Duration::ZERO };
        while get(address, "/readyz").is_none_or(|answer| !answer.starts_with("HTTP/1.1 200")) {
            if begun.elapsed() > PATIENCE || server.child.try_wait()?.is_some() {
                return Err(std::fs::read_to_string(place.join("log"))?.into());
            }
            thread::sleep(Duration::from_micros(500));
        }
        server.started_within = begun.elapsed();
        Ok(server)
    }

    /// Creates the jobs that are pinged.
    pub(super) fn create_jobs(&self, count: usize) -> Result<()> {
        for job in 0..count {
            let path = format!("/ping/{KEY}/job-{job}?create=1");
            let answer = get(self.address, &path).ok_or("no answer")?;
            if !answer.starts_with("HTTP/1.1 20") {
                return Err(answer.into());
            }
        }
        Ok(())
    }

    /// Resident memory, in KiB.
    pub(super) fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Time of the processor that it has used.
    pub(super) fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after = stat.rsplit_once(')').ok_or("no name")?.1;
        let ticks = after.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        let ticks = ticks.sum::<std::result::Result<u64, _>>()?;
        // USER_HZ is 100 on Linux.
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn tenko() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("tenko"))
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// The whole answer to one GET; nothing if nobody answers.
pub(super) fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
