//! The store in a PostgreSQL database.

#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use jiff::Timestamp;
use tenko_core::Kind;
use tenko_core::roll::Cursor;
use tenko_store::conformance::{Fresh, Suite, evidence, now};
use tenko_store::testkit_peers::free_ports;
use tenko_store::testkit_postgres::Database;
use tenko_store::{ErrorKind, PostgresStore, Store as _};

async fn fresh() -> Fresh {
    let database = Database::create().await;
    let [store, other] = [(); 2].map(|()| Arc::new(PostgresStore::new(&database.url()).unwrap()));
    Fresh::new(store, other, database)
}

tenko_store::conformance_tests!(ignore = "needs PostgreSQL", fresh, Suite { rounds: 20, ..Suite::default() });

mod kept_by_servers {
    use super::*;

    tenko_store::live_tests!(ignore = "needs PostgreSQL", fresh, Suite { rounds: 20, ..Suite::default() });
}

async fn refused(url: &str) -> (ErrorKind, String) {
    let error = PostgresStore::new(url).unwrap().load().await.unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    (error.kind(), error.help().unwrap_or_default().to_owned())
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn what_is_wrong_with_a_database_is_said() {
    let database = Database::create().await;
    let url = database.url();
    let (kind, hint) = refused(&format!("{url}_none")).await;
    assert_eq!((kind, hint.contains("create the database")), (ErrorKind::Missing, true), "{hint}");
    let role = format!("{}_guest", database.name());
    database.execute(&format!("create role {role} login password 'hunter2'")).await;
    let guest = url.replace("tenko@", &format!("{role}:hunter2@"));
    let (kind, hint) = refused(&guest).await;
    assert_eq!((kind, hint.contains("right to create a schema")), (ErrorKind::Denied, true), "{hint}");
    let (kind, _) = refused(&url.replace("tenko@", "nobody:hunter2@")).await;
    assert_eq!(kind, ErrorKind::Denied);
    let [closed] = free_ports();
    let (kind, hint) = refused(&format!("postgres://tenko@127.0.0.1:{closed}/x")).await;
    assert_eq!((kind, hint.contains("running")), (ErrorKind::Unavailable, true), "{hint}");
    database.execute(&format!("create schema \"{role}\" authorization {role}")).await;
    let store = PostgresStore::new(&format!("{guest}?schema={role}")).unwrap();
    store.load().await.unwrap();
    drop(store);
    database.execute(&format!("drop schema \"{role}\" cascade; drop role {role}")).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn tables_of_a_newer_tenko_and_of_others_are_not_touched() {
    let database = Database::create().await;
    let store = PostgresStore::new(&database.url()).unwrap();
    store.load().await.unwrap();
    database.execute("insert into tenko.migrations (version) values (999)").await;
    let newer = refused(&database.url()).await;
    assert_eq!(newer.0, ErrorKind::Newer);
    database.execute("create schema shop; create table shop.jobs (id int)").await;
    let (kind, hint) = refused(&format!("{}?schema=shop", database.url())).await;
    assert_eq!((kind, hint.contains("another application")), (ErrorKind::Config, true), "{hint}");
    database.execute("drop table shop.jobs").await;
    let shop = PostgresStore::new(&format!("{}?schema=shop", database.url())).unwrap();
    shop.append(&[evidence("job", Kind::Success, now())]).await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_database_that_can_only_be_read_is_said() {
    let database = Database::create().await;
    let store = PostgresStore::new(&database.url()).unwrap();
    store.load().await.unwrap();
    let read_only = format!("{}?options[default_transaction_read_only]=on", database.url());
    let store = PostgresStore::new(&read_only).unwrap();
    let error = store.append(&[evidence("job", Kind::Success, now())]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.help().unwrap().contains("can only be read"));
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn of_many_who_come_first_one_makes_the_tables() {
    let database = Database::create().await;
    let comers = (0..8).map(|_| {
        let url = database.url();
        tokio::spawn(async move {
            let store = PostgresStore::new(&url).unwrap();
            store.append(&[evidence("job", Kind::Success, now())]).await.unwrap();
        })
    });
    futures::future::join_all(comers).await.into_iter().for_each(|done| done.unwrap());
    let store = PostgresStore::new(&database.url()).unwrap();
    assert_eq!(store.between(None, Timestamp::MIN, Timestamp::MAX).await.unwrap().len(), 8);
}

/// After a dump was restored into a server that has counted fewer transactions.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_cursor_from_a_server_that_counted_further_hides_nothing() {
    let database = Database::create().await;
    let store = PostgresStore::new(&database.url()).unwrap();
    store.append(&[evidence("job", Kind::Success, now())]).await.unwrap();
    database.execute("update tenko.evidence set txn = (2::numeric ^ 40)::bigint::text::xid8").await;
    let far = Cursor("txn:1099511627800:1099511627800:".into());
    assert_eq!(store.news(&far, now()).await.unwrap().evidence.len(), 1);
    for odd in ["txn:5:4:", "txn:5:9:4", "txn:5:9:7,6", "txn:a:b:", "txn:-1:9:", "txn:0:0:", "txn:5:9:7;"] {
        assert_eq!(store.news(&Cursor(odd.into()), now()).await.unwrap().evidence.len(), 1, "{odd}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn whoever_is_the_last_to_need_a_store_may_let_go_of_it() {
    const TO_LISTEN: std::time::Duration = std::time::Duration::from_millis(300);
    let database = Database::create().await;
    let store = PostgresStore::new(&database.url()).unwrap();
    let changed = store.live().unwrap().changed();
    tokio::time::timeout(TO_LISTEN, changed).await.unwrap_err();
    std::thread::spawn(|| drop(store)).join().unwrap();
    // Its runtime may be gone, too.
    let url = database.url();
    let elsewhere = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store = PostgresStore::new(&url).unwrap();
        let hear = async {
            let changed = store.live().unwrap().changed();
            tokio::time::timeout(TO_LISTEN, changed).await.unwrap_err();
        };
        runtime.block_on(hear);
        drop(runtime);
        drop(store);
    });
    elsewhere.join().unwrap();
}
