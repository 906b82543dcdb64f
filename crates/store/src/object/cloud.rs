//! Objects in a bucket of S3, of Google or of Azure, or of a server that speaks their protocols.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use jiff::Timestamp;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
};

use super::answer;
use super::connection::TheirClock;
use super::objects::{After, Created, ObjectMeta, Objects, PAGE, Page, Published};
use super::rights::{Doing, Rights};
use super::too_long;
use crate::Result;
use crate::error::{ErrorKind, StoreError};

/// How often a create is tried that collides with another that is under way.
const COLLISIONS: u32 = 6;

/// A bucket, or the part of it under a prefix.
pub(crate) struct Cloud<S> {
    store: Arc<S>,
    place: Place,
    clock: Arc<TheirClock>,
    /// Whether the bucket was seen, or can't be.
    seen: AtomicBool,
}

/// Which bucket, for messages and for telling it from others.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// As it may be shown.
    pub(crate) url: String,
    /// The server, the bucket and the prefix.
    pub(crate) identity: String,
    /// What all keys begin with: nothing, or text that ends in `/`.
    pub(crate) prefix: String,
    /// What the rights are called.
    pub(crate) rights: Rights,
}

/// Without the library's part, which shows signatures and tokens.
impl<S> fmt::Debug for Cloud<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud").field("place", &self.place).finish_non_exhaustive()
    }
}

impl<S: ObjectStore + PaginatedListStore> Cloud<S> {
    pub(crate) fn new(store: S, place: Place, clock: Arc<TheirClock>) -> Self {
        Self { store: Arc::new(store), place, clock, seen: AtomicBool::new(false) }
    }

    fn path(&self, key: &str) -> Result<Path> {
        Path::parse(format!("{}{key}", self.place.prefix)).map_err(|error| {
            let doing = format!("{key:?} can't be a key in {}", self.place.url);
            StoreError::new(ErrorKind::Config, doing).because(error)
        })
    }

    fn failed(&self, doing: Doing, key: &str, error: &Error) -> StoreError {
        answer::explain(&self.place.url, self.place.rights, doing, key, error)
    }

    /// The answer to HEAD has no text, so that a missing bucket looks like a missing object. It is looked for once.
    async fn ensure_bucket(&self) -> Result<()> {
        if self.seen.load(Ordering::Relaxed) {
            return Ok(());
        }
        let looked = self.list("", &After::Key(String::new()), 1).await;
        match looked {
            Err(error) if matches!(error.kind(), ErrorKind::Missing | ErrorKind::Unavailable) => Err(error),
            // Whoever may not list has been told 404 about the object alone, or can't know.
            Err(_) | Ok(_) => {
                self.seen.store(true, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    async fn try_create(&self, path: &Path, body: &Bytes) -> std::result::Result<Created, Error> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store.put_opts(path, PutPayload::from(body.clone()), options).await {
            Ok(_) => Ok(Created::New),
            Err(error) if answer::is_collision(&error) => Err(error),
            Err(error) if answer::is_taken(&error) => Ok(Created::Exists),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl<S: ObjectStore + PaginatedListStore> Objects for Cloud<S> {
    fn answered_at(&self) -> Option<Timestamp> {
        self.clock.last()
    }

    fn url(&self) -> &str {
        &self.place.url
    }

    fn identity(&self) -> String {
        self.place.identity.clone()
    }

    fn tags_tell_content(&self) -> bool {
        self.place.rights.tags_tell_content()
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<Created> {
        let path = self.path(key)?;
        let mut tries = 0;
        loop {
            match self.try_create(&path, &body).await {
                Ok(created) => return Ok(created),
                // Another create of the same key is under way; only its end tells whether the key exists.
                Err(error) if answer::is_collision(&error) && tries < COLLISIONS => {
                    tokio::time::sleep(Duration::from_millis(25 << tries)).await;
                    tries += 1;
                }
                Err(error) => return Err(self.failed(Doing::Write, key, &error)),
            }
        }
    }

    async fn put(&self, key: &str, body: Bytes, published: Published) -> Result<()> {
        let attributes = Attributes::from_iter([
            (Attribute::ContentType, published.content_type.to_owned()),
            (Attribute::CacheControl, format!("max-age={}", published.max_age)),
        ]);
        let options = PutOptions { mode: PutMode::Overwrite, attributes, ..PutOptions::default() };
        let put = self.store.put_opts(&self.path(key)?, PutPayload::from(body), options).await;
        put.map(drop).map_err(|error| self.failed(Doing::Write, key, &error))
    }

    async fn get(&self, key: &str, at_most: usize) -> Result<Option<Bytes>> {
        let found = match self.store.get_opts(&self.path(key)?, GetOptions::default()).await {
            Ok(found) => found,
            Err(error) if answer::is_no_object(&error) => return Ok(None),
            Err(error) => return Err(self.failed(Doing::Read, key, &error)),
        };
        if found.meta.size > at_most as u64 {
            return Err(too_long(&self.place.url, key, at_most));
        }
        let mut bytes = Vec::new();
        let mut parts = found.into_stream();
        while let Some(part) =
            parts.try_next().await.map_err(|error| self.failed(Doing::Read, key, &error))?
        {
            if bytes.len() + part.len() > at_most {
                return Err(too_long(&self.place.url, key, at_most));
            }
            bytes.extend_from_slice(&part);
        }
        Ok(Some(bytes.into()))
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        match self.store.head(&self.path(key)?).await {
            Ok(found) => {
                self.seen.store(true, Ordering::Relaxed);
                Ok(Some(meta(key.to_owned(), &found)))
            }
            Err(error) if answer::is_no_object(&error) => self.ensure_bucket().await.map(|()| None),
            Err(error) => Err(self.failed(Doing::Read, key, &error)),
        }
    }

    async fn list(&self, prefix: &str, after: &After, limit: usize) -> Result<Page> {
        self.page(prefix, after, limit, None).await
    }

    async fn list_flat(&self, prefix: &str, after: &After, limit: usize) -> Result<Page> {
        self.page(prefix, after, limit, Some("/")).await
    }

    async fn part(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        match self.store.get_range(&self.path(key)?, range).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if answer::is_no_object(&error) => Ok(None),
            Err(error) => Err(self.failed(Doing::Read, key, &error)),
        }
    }

    async fn delete(&self, key: &str) -> Result<()> {
        match self.store.delete(&self.path(key)?).await {
            Ok(()) => Ok(()),
            Err(error) if answer::is_no_object(&error) => Ok(()),
            Err(error) => Err(self.failed(Doing::Remove, key, &error)),
        }
    }
}

impl<S: ObjectStore + PaginatedListStore> Cloud<S> {
    async fn page(
        &self,
        prefix: &str,
        after: &After,
        limit: usize,
        delimiter: Option<&'static str>,
    ) -> Result<Page> {
        let of_all = format!("{}{prefix}", self.place.prefix);
        let options = PaginatedListOptions {
            // Below all keys of the prefix there is nothing to skip.
            offset: (after.key() > prefix).then(|| format!("{}{}", self.place.prefix, after.key())),
            max_keys: Some(limit.min(PAGE)),
            delimiter: delimiter.map(Into::into),
            page_token: match after {
                After::Page { token, .. } => Some(token.clone()),
                After::Key(_) => None,
            },
            ..PaginatedListOptions::default()
        };
        let page = self.store.list_paginated(Some(&of_all), options).await;
        self.seen.fetch_or(page.is_ok(), Ordering::Relaxed);
        let named = if delimiter.is_some() { prefix } else { "" };
        let page = page.map_err(|error| self.failed(Doing::List, named, &error))?;
        let next = page.page_token.map(|token| After::Page { key: after.key().to_owned(), token });
        let ours = page.result.objects.iter().filter_map(|object| {
            let key = object.location.as_ref().strip_prefix(&self.place.prefix)?;
            (key.starts_with(prefix) && key > after.key()).then(|| meta(key.to_owned(), object))
        });
        let mut objects: Vec<ObjectMeta> = ours.collect();
        objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(Page { objects, next })
    }
}

fn meta(key: String, found: &object_store::ObjectMeta) -> ObjectMeta {
    let last_modified = Timestamp::from_millisecond(found.last_modified.timestamp_millis());
    let last_modified = last_modified.unwrap_or(Timestamp::UNIX_EPOCH);
    // Some servers quote the tag in one answer and not in another.
    let bare = |tag: &String| tag.trim_start_matches("W/").trim_matches('"').to_owned();
    ObjectMeta { key, size: found.size, last_modified, etag: found.e_tag.as_ref().map(bare) }
}
