//! The store over Google Cloud Storage, as far as its documentation tells: see `fake.rs` for what that is worth.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fake;
#[expect(dead_code, reason = "shared with the tests of credentials, which need TLS")]
#[path = "../fake_http/mod.rs"]
mod fake_http;
#[expect(dead_code, reason = "the other promises are kept by the conformance suite here")]
#[path = "../object_promises/mod.rs"]
mod object_promises;

use jiff::Timestamp;
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_store::conformance::{Fresh, Suite};
use tenko_store::{Appended, ErrorKind, SharedStore, StoreError};

use fake::{BUCKET, Google};
use object_promises::{evidence, many_pieces_are_all_found};

async fn fresh() -> Fresh {
    let server = Google::start().await;
    let store = server.open(BUCKET, "some/prefix", "owner").await;
    let other = server.open(BUCKET, "some/prefix", "owner").await;
    Fresh::new(store, other, server)
}

tenko_store::conformance_tests!(fresh, Suite { rounds: 40, ..Suite::default() });

async fn news(store: &SharedStore) -> tenko_store::Result<usize> {
    Ok(store.news(&Cursor::default(), Timestamp::now()).await?.evidence.len())
}

#[tokio::test]
async fn more_than_two_pages_are_all_found() {
    let server = Google::start().await;
    many_pieces_are_all_found(&server.open(BUCKET, "", "owner").await).await;
}

#[tokio::test]
async fn all_that_is_written_is_only_created() {
    let server = Google::start().await;
    let store = server.open(BUCKET, "x", "owner").await;
    store.append(&[evidence("job", 1, Timestamp::now())]).await.unwrap();
    store.commit(0, &Roll::default(), &Changes::default()).await.unwrap();
    let asked = server.asked();
    let written: Vec<_> = asked.iter().filter(|request| request.method == "PUT").collect();
    assert!(written.len() > 2);
    assert!(written.iter().all(|request| request.header("x-goog-if-generation-match") == "0"));
    assert!(asked.iter().all(|request| request.header("authorization") == "Bearer owner"));
}

#[tokio::test]
async fn whoever_may_only_create_delivers_evidence_and_nothing_else() {
    let server = Google::start().await;
    let writer = server.open(BUCKET, "x", "creator").await;
    let piece = evidence("job", 1, Timestamp::now());
    assert_eq!(writer.append(std::slice::from_ref(&piece)).await.unwrap(), [Appended::Added]);
    assert_eq!(writer.append(std::slice::from_ref(&piece)).await.unwrap(), [Appended::Known]);
    assert_eq!(news(&writer).await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(news(&server.open(BUCKET, "x", "viewer").await).await.unwrap(), 1);
}

fn told(error: &StoreError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{:?}: {error}\n  {cause}\n  help: {}\n", error.kind(), error.help().unwrap_or("-"))
}

#[tokio::test]
async fn what_is_refused_is_explained() {
    let server = Google::start().await;
    let mut said = String::new();
    for (what, bucket, token) in [
        ("no right", BUCKET, "nobody"),
        ("a token that nobody knows", BUCKET, "stranger"),
        ("no bucket", "no-such-bucket", "owner"),
    ] {
        let store = server.open(bucket, "x", token).await;
        let error = store.append(&[evidence("job", 1, Timestamp::UNIX_EPOCH)]).await.unwrap_err();
        said.push_str(&format!("{what}\n{}", told(&error)));
        said.push_str(&told(&news(&store).await.unwrap_err()));
    }
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"evidence/[0-9-]+/[0-9.]+Z", "evidence/[time]");
    settings.bind(|| insta::assert_snapshot!(said));
}
