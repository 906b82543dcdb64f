//! The store over Azure Blob Storage, as Azurite plays it, which comes from npm.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod azurite;
#[expect(dead_code, reason = "the other promises are kept by the conformance suite here")]
#[path = "../object_promises/mod.rs"]
mod object_promises;

use std::collections::BTreeMap;

use jiff::Timestamp;
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_store::conformance::{Fresh, Suite, keeps_all_promises};
use tenko_store::open::{OpenOptions, open};
use tenko_store::{Appended, ErrorKind, SharedStore, StoreError};

use azurite::{ACCOUNT, Azurite, CONTAINER};
use object_promises::{evidence, many_pieces_are_all_found};

async fn container(prefix: &str, env: &BTreeMap<String, String>) -> SharedStore {
    let options = OpenOptions { env: Some(env.clone()), per_request: None };
    open(&format!("az://{CONTAINER}/{prefix}"), &options).await.unwrap()
}

async fn news(store: &SharedStore) -> tenko_store::Result<usize> {
    Ok(store.news(&Cursor::default(), Timestamp::now()).await?.evidence.len())
}

fn told(error: &StoreError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{:?}: {error}\n  {cause}\n  help: {}\n", error.kind(), error.help().unwrap_or("-"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Azurite; run by ./test"]
async fn azurite_keeps_all_promises() {
    let server = Azurite::start().await;
    let owner = server.owner();
    let fresh = async |promise: &str| {
        Fresh::new(container(promise, &owner).await, container(promise, &owner).await, ())
    };
    keeps_all_promises(fresh, Suite { pieces: 60, ..Suite::default() }).await;
    many_pieces_are_all_found(&container("many", &owner).await).await;
}

#[tokio::test]
#[ignore = "needs Azurite; run by ./test"]
async fn settings_are_found_under_the_names_that_people_use() {
    let server = Azurite::start().await;
    let owner = server.owner();
    container("x", &owner).await.append(&[evidence("job", 1, Timestamp::now())]).await.unwrap();
    let key = owner["AZURE_STORAGE_ACCOUNT_KEY"].clone();
    let text = server.connection_string();
    let url = format!("az://{CONTAINER}/x?endpoint={}&account={ACCOUNT}&allow_http=true", server.endpoint());
    let plain = format!("az://{CONTAINER}/x");
    let http = ("AZURE_ALLOW_HTTP", "true");
    let endpoint = server.endpoint();
    for (url, env) in [
        (&url, vec![("AZURE_STORAGE_KEY", &*key)]),
        (&url, vec![("AZURE_STORAGE_ACCESS_KEY", &*key)]),
        (&plain, vec![("AZURE_STORAGE_CONNECTION_STRING", &*text), http]),
        (
            &plain,
            vec![
                ("AZURE_STORAGE_ACCOUNT", ACCOUNT),
                ("AZURE_STORAGE_KEY", &*key),
                ("AZURE_ENDPOINT", &*endpoint),
                http,
            ],
        ),
    ] {
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let store = open(url, &OpenOptions { env: Some(env), per_request: None }).await.unwrap();
        assert_eq!(news(&store).await.unwrap(), 1, "{url}");
    }
}

#[tokio::test]
#[ignore = "needs Azurite; run by ./test"]
async fn whoever_may_only_create_delivers_evidence_and_nothing_else() {
    let server = Azurite::start().await;
    let writer = container("x", &server.granted("c")).await;
    let piece = evidence("job", 1, Timestamp::now());
    assert_eq!(writer.append(std::slice::from_ref(&piece)).await.unwrap(), [Appended::Added]);
    // Azure itself says UnauthorizedBlobOverwrite, which is known to mean that it is there; Azurite knows no such code.
    assert_eq!(writer.append(&[piece]).await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(news(&writer).await.unwrap_err().kind(), ErrorKind::Denied);
    // What a roll call needs; "w" only because of what Azurite does not say.
    let checker = container("x", &server.granted("cwrl")).await;
    assert_eq!(news(&checker).await.unwrap(), 1);
    checker.commit(0, &Roll::default(), &Changes::default()).await.unwrap();
    assert_eq!(checker.load().await.unwrap().version, 1);
}

#[tokio::test]
#[ignore = "needs Azurite; run by ./test"]
async fn names_that_are_no_paths_blind_nobody() {
    let server = Azurite::start().await;
    let store = container("x", &server.owner()).await;
    store.append(&[evidence("job", 1, Timestamp::now())]).await.unwrap();
    server.put("x/evidence/2026-11-23//twice/y").await;
    server.put("x/evidence/2026-11-23/end/").await;
    let found = store.news(&Cursor::default(), Timestamp::now()).await.unwrap();
    assert_eq!((found.evidence.len(), found.unreadable.len()), (1, 2), "{found:?}");
}

#[tokio::test]
#[ignore = "needs Azurite; run by ./test"]
async fn what_is_refused_is_explained() {
    let server = Azurite::start().await;
    let mut said = String::new();
    let wrong_key = server.env(&[("AZURE_STORAGE_ACCOUNT_KEY", "d3Jvbmc=")]);
    for (what, env) in [
        ("a wrong key", wrong_key),
        ("a signature that ended", server.granted_once("crl")),
        ("no right to write", server.granted("rl")),
    ] {
        let store = container("x", &env).await;
        let error = store.append(&[evidence("job", 1, Timestamp::UNIX_EPOCH)]).await.unwrap_err();
        said.push_str(&format!("{what}\n{}", told(&error)));
    }
    let error = news(&container("x", &server.granted("r")).await).await.unwrap_err();
    said.push_str(&format!("no right to list\n{}", told(&error)));
    let options = OpenOptions { env: Some(server.owner()), per_request: None };
    let nowhere = open("az://no-such-container/x", &options).await.unwrap();
    let error = nowhere.append(&[evidence("job", 1, Timestamp::UNIX_EPOCH)]).await.unwrap_err();
    said.push_str(&format!("no container\n{}", told(&error)));
    let error = news(&nowhere).await.unwrap_err();
    said.push_str(&format!("no container to list\n{}", told(&error)));
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"evidence/[0-9-]+/[0-9.]+Z", "evidence/[time]");
    settings.bind(|| insta::assert_snapshot!(said));
}
