//! The store in memory, which is the reference.

use std::sync::Arc;

use tenko_store::MemoryStore;
use tenko_store::conformance::{Fresh, Suite};

async fn fresh() -> Fresh {
    let store = MemoryStore::new();
    Fresh::new(Arc::new(store.clone()), Arc::new(store), ())
}

tenko_store::conformance_tests!(fresh, Suite::default());
