//! Every store keeps the same promises.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use tenko_store::conformance::{Fresh, Suite};
use tenko_store::open::{OpenOptions, open};
use tenko_store::testkit_s3::{Key, TestS3};
use tenko_store::{MemoryStore, conformance_tests};

/// Opens a store of which the URL begins so and ends with a path below a new directory, twice.
async fn on_disk(scheme: &str, name: &str) -> Fresh {
    let place = tempfile::tempdir().unwrap();
    let url = format!("{scheme}://{}", place.path().join(name).display());
    let store = open(&url, &OpenOptions::default()).await.unwrap();
    let other = open(&url, &OpenOptions::default()).await.unwrap();
    Fresh::new(store, other, place)
}

mod memory {
    use super::*;

    async fn fresh() -> Fresh {
        let store = MemoryStore::new();
        Fresh::new(Arc::new(store.clone()), Arc::new(store), ())
    }

    conformance_tests!(fresh, Suite::default());
}

mod sqlite {
    use super::*;

    async fn fresh() -> Fresh {
        on_disk("sqlite", "new/tenko.db").await
    }

    conformance_tests!(fresh, Suite::default());
}

mod directory {
    use super::*;

    async fn fresh() -> Fresh {
        on_disk("file", "new").await
    }

    conformance_tests!(fresh, Suite::default());
}

mod s3 {
    use super::*;

    async fn fresh() -> Fresh {
        let server = TestS3::start().await;
        let store = server.open("prod", Key::Admin).await.unwrap();
        let other = server.open("prod", Key::Admin).await.unwrap();
        Fresh::new(store, other, server)
    }

    conformance_tests!(fresh, Suite::default());
}
