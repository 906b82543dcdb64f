//! Programs of other people that tests run: where they are, free ports for them, and SeaweedFS.
//!
//! `$TENKO_PEERS` is the virtual environment that `scripts/peers` makes. All functions panic if what they need is not
//! there: a test that can't meet its peer has not passed.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

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
/// # Panics
/// If there are none.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("loopback has a free port"));
    listeners.map(|listener| listener.local_addr().expect("a bound socket has an address").port())
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

    /// Starts a program in its directory, without input, and with its output thrown away.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn start(command: &mut Command, place: tempfile::TempDir) -> Self {
        command.current_dir(place.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child =
            child.unwrap_or_else(|error| panic!("{:?} can't be started: {error}", command.get_program()));
        Self { child, place }
    }

    /// The directory in which it runs.
    pub fn directory(&self) -> &Path {
        self.place.path()
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
    /// Starts it. It takes a few seconds until it serves.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn start(identities: &[Identity<'_>]) -> Self {
        let place = PeerProcess::place();
        let known = serde_json::json!({ "identities": identities.iter().map(identity).collect::<Vec<_>>() });
        std::fs::write(place.path().join("s3.json"), known.to_string()).expect("the directory is ours");
        let ports = free_ports();
        let mut weed = Command::new(peer("weed"));
        weed.args(arguments(&place.path().display().to_string(), ports));
        Self { port: ports[0], _process: PeerProcess::start(&mut weed, place) }
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
