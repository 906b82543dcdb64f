//! What is asked of a place that keeps objects: little enough for a bucket and a directory alike.

use std::fmt::Debug;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use crate::Result;

/// The most keys that one LIST returns.
pub(crate) const PAGE: usize = 1000;

/// A place that keeps objects under keys. Keys are relative to it, never begin with `/` and never leave it.
#[async_trait]
pub(crate) trait Objects: Debug + Send + Sync {
    /// The time by the clock of the place, as its last answer told it, if it is another than that of this machine.
    fn answered_at(&self) -> Option<Timestamp> {
        None
    }

    /// The place as it may be shown: without credentials.
    fn url(&self) -> &str;

    /// What makes this place another than all others: a promise proven here is proven for the same text only.
    fn identity(&self) -> String;

    /// Whether the same content has the same tag, wherever and whenever it was written in the same way.
    fn tags_tell_content(&self) -> bool;

    /// Creates an object, durably, if there is none under this key.
    async fn create(&self, key: &str, body: Bytes) -> Result<Created>;

    /// Writes an object, in place of one that may be there: for what is published, never for what is kept. Whoever reads
    /// meanwhile finds the one or the other, whole.
    async fn put(&self, key: &str, body: Bytes, published: Published) -> Result<()>;

    /// The object, if there is one. One longer than `at_most` is an error before its bytes are kept.
    async fn get(&self, key: &str, at_most: usize) -> Result<Option<Bytes>>;

    /// What is known of an object without reading it, if there is one.
    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>>;

    /// At most `limit` (and at most [`PAGE`]) objects of which the key begins with `prefix`, sorted by key,
    /// from the first key that is greater than `after`.
    async fn list(&self, prefix: &str, after: &After, limit: usize) -> Result<Page>;

    /// The same without those of which the key has a `/` behind `prefix`: what one directory holds.
    async fn list_flat(&self, prefix: &str, after: &After, limit: usize) -> Result<Page>;

    /// Bytes of an object, as many of them as there are; `None` if there is no such object.
    async fn part(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>>;

    /// Removes an object; one that is not there is removed already.
    async fn delete(&self, key: &str) -> Result<()>;
}

/// What a place that serves objects to browsers says with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its media type, such as `text/html; charset=utf-8`.
    pub content_type: &'static str,
    /// For how many seconds a copy may be shown.
    pub max_age: u32,
}

/// What became of the wish to create an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    /// It is there now.
    New,
    /// One was there before, or this one is: an answer that got lost and was asked for again looks the same.
    Exists,
}

/// What is known of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Its key.
    pub key: String,
    /// Its length in bytes.
    pub size: u64,
    /// When it was written, by the clock of the place that keeps it; many keep whole seconds only.
    pub last_modified: Timestamp,
    /// A tag that differs when the content does, where there are such tags.
    pub etag: Option<String>,
}

/// Where a list goes on.
#[derive(Clone, Debug)]
pub(crate) enum After {
    /// Behind this key, which need not exist.
    Key(String),
    /// Where the page before ended.
    Page {
        /// The key with which the first page began.
        key: String,
        /// What the place said.
        token: String,
    },
}

impl After {
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Key(key) | Self::Page { key, .. } => key,
        }
    }
}

/// A part of a list.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// The objects, sorted by key.
    pub(crate) objects: Vec<ObjectMeta>,
    /// Where the next part begins, if there is one.
    pub(crate) next: Option<After>,
}
