//! Programs of other people that tests run: where they are, free ports for them, and SeaweedFS.
//!
//! `$TENKO_PEERS` is the virtual environment that `scripts/peers` makes. All functions panic if what they need is not
//! there: a test that can't meet its peer has not passed.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use uuid::Uuid;

/// How long a program may take until it listens.
const PATIENCE: Duration = Duration::from_secs(60);

/// The path of a program in `$TENKO_PEERS/bin`.
///
/// # Panics
/// If `TENKO_PEERS` is not set.
pub fn peer(name: &str) -> PathBuf {
    let venv = std::env::var_os("TENKO_PEERS").expect("TENKO_PEERS names the virtualenv with the peers");
    PathBuf::from(venv).join("bin").join(name)
}

/// Ports of the loopback interface that are free now. They are bound together, so that they differ.
///
/// None is of those that the system gives to connections: with many tests at once, a connection of another test would
/// have the port before the program binds it.
///
/// # Panics
/// If there are none.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let below = first_for_connections();
    let listeners = [(); N].map(|()| listener(LOWEST_PORT, below).expect("loopback has a free port"));
    listeners.map(|listener| listener.local_addr().expect("a bound socket has an address").port())
}

/// Ports below are those of well-known services.
const LOWEST_PORT: u16 = 10_000;

/// The first port that the system gives to connections, see `ip_local_port_range` in `ip(7)`.
fn first_for_connections() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = range.split_whitespace().next().and_then(|first| first.parse().ok());
    first.filter(|first| *first > LOWEST_PORT + 1_000).unwrap_or(32_768)
}

fn listener(from: u16, below: u16) -> Option<TcpListener> {
    let random = || from + (Uuid::new_v4().as_u128() % u128::from(below - from)) as u16;
    (0..1_000).find_map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, random())).ok())
}

/// A program that runs in a directory of its own; both end with this.
#[derive(Debug)]
pub struct PeerProcess {
    child: Child,
    place: tempfile::TempDir,
}

impl PeerProcess {
    /// A directory for a program, which has to be filled before it starts.
    ///
    /// # Panics
    /// If no temporary directory can be made.
    pub fn place() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary directory can be made")
    }

    /// Starts a program in its directory, without input.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn start(command: &mut Command, place: tempfile::TempDir) -> Self {
        let output = || File::create(place.path().join("stdout")).expect("the directory is ours");
        let errors = || File::create(place.path().join("stderr")).expect("the directory is ours");
        command.current_dir(place.path()).stdin(Stdio::null()).stdout(output()).stderr(errors());
        let child = command.spawn();
        let child =
            child.unwrap_or_else(|error| panic!("{:?} can't be started: {error}", command.get_program()));
        Self { child, place }
    }

    /// The directory in which it runs.
    pub fn directory(&self) -> &Path {
        self.place.path()
    }

    /// Waits until it listens on a port of the loopback interface.
    ///
    /// # Errors
    /// What it printed, if it ended before, or did not listen within a minute.
    pub fn listens(&mut self, port: u16) -> Result<(), String> {
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let ended = self.child.try_wait().is_ok_and(|ended| ended.is_some());
            if ended || began.elapsed() > PATIENCE {
                let file = |name| fs::read_to_string(self.place.path().join(name)).unwrap_or_default();
                return Err(format!("port {port}: {}{}", file("stdout"), file("stderr")));
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for PeerProcess {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Somebody whom SeaweedFS knows: the access key, and what it grants, such as `Admin` or `Read:bucket`. The secret is
/// the access key with `-secret` behind it.
pub type Identity<'a> = (&'a str, &'a [&'a str]);

/// `SeaweedFS`, an S3 server. It ends with this.
#[derive(Debug)]
pub struct SeaweedFs {
    port: u16,
    _process: PeerProcess,
}

impl SeaweedFs {
    /// Starts it, and waits until it listens. It takes a few seconds more until it serves.
    ///
    /// It binds its many ports one by one, so that one of them may be somebody else's by then: it is started again with
    /// others.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn start(identities: &[Identity<'_>]) -> Self {
        let mut said = String::new();
        for _ in 0..3 {
            match Self::try_start(identities) {
                Ok(server) => return server,
                Err(error) => said = error,
            }
        }
        panic!("SeaweedFS can't be started: {said}");
    }

    fn try_start(identities: &[Identity<'_>]) -> Result<Self, String> {
        let place = PeerProcess::place();
        let known = serde_json::json!({ "identities": identities.iter().map(identity).collect::<Vec<_>>() });
        fs::write(place.path().join("s3.json"), known.to_string()).expect("the directory is ours");
        let ports = free_ports();
        let mut weed = Command::new(peer("weed"));
        weed.args(arguments(&place.path().display().to_string(), ports));
        let mut process = PeerProcess::start(&mut weed, place);
        process.listens(ports[0])?;
        Ok(Self { port: ports[0], _process: process })
    }

    /// Its address as a URL.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn identity((name, actions): &Identity<'_>) -> serde_json::Value {
    let credentials = serde_json::json!([{ "accessKey": name, "secretKey": format!("{name}-secret") }]);
    serde_json::json!({ "name": name, "credentials": credentials, "actions": actions })
}

/// Every port is named: those of its own choice are fixed.
fn arguments(dir: &str, ports: [u16; 11]) -> Vec<String> {
    let names = [
        "s3.port",
        "s3.port.grpc",
        "s3.port.iceberg",
        "s3.port.lance",
        "master.port",
        "master.port.grpc",
        "volume.port",
        "volume.port.grpc",
        "filer.port",
        "filer.port.grpc",
        "debug.port",
    ];
    let fixed = format!(
        "server -ip=127.0.0.1 -ip.bind=127.0.0.1 -dir={dir} -s3 -s3.config={dir}/s3.json -volume.max=20 \
         -master.volumeSizeLimitMB=64 -master.telemetry=false -s3.localSocket={dir}/s3.sock -filer.localSocket={dir}/filer.sock"
    );
    let mut arguments: Vec<String> = fixed.split_whitespace().map(str::to_owned).collect();
    arguments.extend(names.iter().zip(ports).map(|(name, port)| format!("-{name}={port}")));
    arguments
}
