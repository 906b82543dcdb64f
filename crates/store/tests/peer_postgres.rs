//! The store in a PostgreSQL database.

#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use tenko_store::PostgresStore;
use tenko_store::conformance::{Fresh, Suite};
use tenko_store::testkit_postgres::Database;

async fn fresh() -> Fresh {
    let database = Database::create().await;
    let [store, other] = [(); 2].map(|()| Arc::new(PostgresStore::new(&database.url()).unwrap()));
    Fresh::new(store, other, database)
}

tenko_store::conformance_tests!(ignore = "needs PostgreSQL", fresh, Suite { rounds: 20, ..Suite::default() });
