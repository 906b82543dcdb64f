//! The store over a bucket when answers arrive in part, or byte by byte.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tenko_core::evidence::{Kind, Output, RunId};
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_core::{Evidence, Slug};
use tenko_store::open::{OpenOptions, open};
use tenko_store::testkit_s3::{Key, TestS3};
use tenko_store::{Commit, ErrorKind, SharedStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

/// Stands between the store and the server. Of each connection only so many bytes of the answers come through.
struct Wire {
    endpoint: String,
    at_most: Arc<AtomicUsize>,
    drips: Arc<AtomicUsize>,
}

impl Wire {
    async fn to(server: &TestS3) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let behind = server.endpoint().trim_start_matches("http://").to_owned();
        let at_most = Arc::new(AtomicUsize::new(usize::MAX));
        let drips = Arc::new(AtomicUsize::new(0));
        let (limit, drip) = (Arc::clone(&at_most), Arc::clone(&drips));
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&behind).await.unwrap();
                let (limit, drip) = (limit.load(Ordering::SeqCst), drip.load(Ordering::SeqCst) > 0);
                tokio::spawn(async move {
                    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                    tokio::select! {
                        () = pass(near_in, far_out, usize::MAX, false) => {}
                        () = pass(far_in, near_out, limit, drip) => {}
                    }
                });
            }
        });
        Self { endpoint, at_most, drips }
    }

    async fn open(&self, server: &TestS3) -> SharedStore {
        let env = Some(server.env(Key::Admin));
        let url = server.url("").replace(&server.endpoint(), &self.endpoint);
        assert!(url.contains(&self.endpoint), "{url}");
        open(&url, &OpenOptions { env, per_request: Some(Duration::from_secs(1)) }).await.unwrap()
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    at_most: usize,
    drips: bool,
) {
    let (mut buffer, mut passed) = ([0; 1024], 0);
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let part = read.min(at_most - passed);
        for byte in buffer[..part].chunks(if drips { 1 } else { 1024 }) {
            if to.write_all(byte).await.is_err() {
                return;
            }
            if drips {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        passed += part;
        if passed == at_most {
            return;
        }
    }
}

async fn with_a_long_report(store: &SharedStore) -> Evidence {
    let job = Slug::new("daily-report").unwrap();
    let mut long = Evidence::new(job, RunId(Uuid::from_u128(1)), Kind::Success, Timestamp::now());
    let head = "row\n".repeat(10_000);
    long.report.output = Some(Output { head, ..Output::default() });
    store.append(&[long]).await.unwrap();
    let news = store.news(&Cursor::default(), Timestamp::now()).await.unwrap();
    news.evidence.into_iter().next().unwrap()
}

#[tokio::test]
async fn fault_26_what_arrives_in_part_is_not_read() {
    let server = TestS3::start().await;
    let wire = Wire::to(&server).await;
    let piece = with_a_long_report(&wire.open(&server).await).await;
    for at_most in [20_000, 300, 10] {
        wire.at_most.store(at_most, Ordering::SeqCst);
        match wire.open(&server).await.read(&piece).await {
            // The rest was asked for where the first connection ended.
            Ok(whole) => assert_eq!(whole.report.output.unwrap().head.len(), 40_000, "{at_most}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{at_most}: {error}"),
        }
    }
    assert!(wire.open(&server).await.read(&piece).await.is_err());
    wire.at_most.store(usize::MAX, Ordering::SeqCst);
    let whole = wire.open(&server).await.read(&piece).await.unwrap();
    assert_eq!(whole.report.output.unwrap().head.len(), 40_000);
}

#[tokio::test]
async fn fault_26_a_roll_that_arrives_in_part_is_not_taken_for_none() {
    let server = TestS3::start().await;
    let wire = Wire::to(&server).await;
    let roll = Roll { called_at: Some(Timestamp::now()), ..Roll::default() };
    let store = wire.open(&server).await;
    assert_eq!(store.commit(0, &roll, &Changes::default()).await.unwrap(), Commit::Won(1));
    for at_most in [10, 100, 400] {
        wire.at_most.store(at_most, Ordering::SeqCst);
        let error = wire.open(&server).await.load().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{at_most}: {error}");
    }
    wire.at_most.store(usize::MAX, Ordering::SeqCst);
    assert_eq!(wire.open(&server).await.load().await.unwrap().version, 1);
}

#[tokio::test]
async fn fault_25_an_answer_byte_by_byte_is_given_up() {
    let server = TestS3::start().await;
    let wire = Wire::to(&server).await;
    wire.drips.store(1, Ordering::SeqCst);
    let began = Instant::now();
    let store = wire.open(&server).await;
    let error = store.news(&Cursor::default(), Timestamp::now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}
