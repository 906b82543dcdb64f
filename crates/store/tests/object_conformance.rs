//! Every promise of a store, kept by a directory and by a bucket.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod directory {
    use tenko_store::conformance::{Fresh, Suite};
    use tenko_store::open::{OpenOptions, open};

    async fn fresh() -> Fresh {
        let place = tempfile::tempdir().unwrap();
        let url = format!("file://{}", place.path().display());
        let store = open(&url, &OpenOptions::default()).await.unwrap();
        let other = open(&url, &OpenOptions::default()).await.unwrap();
        Fresh::new(store, other, place)
    }

    tenko_store::conformance_tests!(fresh, Suite { pieces: 60, ..Suite::default() });
}

mod bucket {
    use tenko_store::conformance::{Fresh, Suite};
    use tenko_store::testkit_s3::{Key, TestS3};

    async fn fresh() -> Fresh {
        let server = TestS3::start().await;
        let store = server.open("some/prefix", Key::Admin).await.unwrap();
        let other = server.open("some/prefix", Key::Admin).await.unwrap();
        Fresh::new(store, other, server)
    }

    tenko_store::conformance_tests!(fresh, Suite { rounds: 40, ..Suite::default() });
}
