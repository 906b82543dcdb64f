//! The store in one SQLite file.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use tenko_store::SqliteStore;
use tenko_store::conformance::{Fresh, Suite};

async fn fresh() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state/tenko.db");
    let store = SqliteStore::open(&path).unwrap();
    Fresh::new(Arc::new(store), Arc::new(SqliteStore::open(&path).unwrap()), directory)
}

tenko_store::conformance_tests!(fresh, Suite::default());
