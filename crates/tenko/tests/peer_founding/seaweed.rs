//! An S3 server with one bucket and four identities, and the application that uploads.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Who asks, by the name of the access key; the secret has `-secret` behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Makes the bucket.
    Owner,
    /// May write, and nothing else.
    App,
    /// May read and list, and nothing else.
    Checker,
    /// May read, list and write: a checker whose state is in the bucket.
    Keeper,
    /// Is known, but has no right at all.
    Blind,
}

impl Who {
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Owner, "owner", r#""Admin""#),
        (Self::App, "app", r#""Write:hoge-bucket""#),
        (Self::Checker, "checker", r#""Read:hoge-bucket","List:hoge-bucket""#),
        (Self::Keeper, "keeper", r#""Read:hoge-bucket","List:hoge-bucket","Write:hoge-bucket""#),
        (Self::Blind, "blind", r#""Read:other-bucket""#),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(who, ..)| *who == self).unwrap().1
    }

    /// The credentials, as variables of the environment.
    pub(crate) fn env(self) -> [(&'static str, String); 2] {
        let name = self.name();
        [("AWS_ACCESS_KEY_ID", name.to_owned()), ("AWS_SECRET_ACCESS_KEY", format!("{name}-secret"))]
    }
}

/// The server, which ends with this.
pub(crate) struct Seaweed {
    port: u16,
    child: Child,
    _place: tempfile::TempDir,
}

impl Seaweed {
    /// Starts it and waits until it serves.
    pub(crate) fn start() -> Self {
        let place = tempfile::tempdir().unwrap();
        let identity = |(_, name, actions): &(Who, &str, &str)| {
            format!(
                r#"{{"name":"{name}","credentials":[{{"accessKey":"{name}","secretKey":"{name}-secret"}}],"actions":[{actions}]}}"#
            )
        };
        let identities: Vec<String> = Who::ALL.iter().map(identity).collect();
        let text = format!(r#"{{"identities":[{}]}}"#, identities.join(","));
        std::fs::write(place.path().join("s3.json"), text).unwrap();
        let ports = free_ports::<11>();
        let mut command = Command::new(peer("weed"));
        command.args(arguments(&place.path().display().to_string(), ports)).current_dir(place.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| panic!("weed can't be started: {error}"));
        let server = Self { port: ports[0], child, _place: place };
        server.make_bucket();
        server
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The application uploads under a key; says whether it could.
    pub(crate) fn upload(&self, who: Who, key: &str, text: &str) -> Output {
        self.application(who, &["upload", "hoge-bucket", key, text])
    }

    fn make_bucket(&self) {
        for _ in 0..60 {
            let made = self.application(Who::Owner, &["prepare", "hoge-bucket"]);
            // Volumes come a moment after the gateway.
            if made.status.success() && self.upload(Who::App, "ready", "yes").status.success() {
                return;
            }
            sleep(Duration::from_millis(300));
        }
        let last = self.application(Who::Owner, &["prepare", "hoge-bucket"]);
        panic!("SeaweedFS did not serve: {}", String::from_utf8_lossy(&last.stderr));
    }

    fn application(&self, who: Who, arguments: &[&str]) -> Output {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/application.py");
        let mut python = Command::new(peer("python"));
        python.arg(script).arg(self.endpoint()).args(arguments);
        python.env_clear().env("PYTHONDONTWRITEBYTECODE", "1").env("AWS_EC2_METADATA_DISABLED", "true");
        python.envs(who.env()).output().unwrap()
    }
}

impl Drop for Seaweed {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn peer(name: &str) -> PathBuf {
    let venv = std::env::var_os("TENKO_PEERS").expect("TENKO_PEERS names the virtualenv with the peers");
    PathBuf::from(venv).join("bin").join(name)
}

/// Ports that are free now. They are bound together, so that they differ.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

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
