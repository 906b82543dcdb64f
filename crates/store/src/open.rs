//! TEMP until the object-store branch lands.
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use jiff::Timestamp;
use tenko_core::Evidence;
use crate::{Appended, Result, SharedStore, StoreError, ErrorKind};
#[derive(Clone, Debug, Default)]
pub struct OpenOptions { pub deadline: Duration }
pub async fn open(url: &str, _o: &OpenOptions) -> Result<SharedStore> {
    match url.strip_prefix("sqlite://") { Some(p) => Ok(Arc::new(crate::sqlite::SqliteStore::open(Path::new(p))?)), None => Err(StoreError::new(ErrorKind::Config, format!("can't open {url}"))) }
}
pub fn append_now(url: &str, e: &[Evidence]) -> Option<Result<Vec<Appended>>> { url.strip_prefix("sqlite://").map(|p| crate::sqlite::append_now(Path::new(p), e)) }
pub fn redact_url(url: &str) -> String { url.to_owned() }
#[derive(Debug)] pub struct PlainObjects;
#[derive(Debug, Clone)] pub struct ObjectMeta { pub size: u64, pub last_modified: Timestamp, pub etag: Option<String> }
impl PlainObjects { pub async fn head(&self, _k: &str) -> Result<Option<ObjectMeta>> { Ok(None) } }
pub async fn open_objects(_u: &str) -> Result<PlainObjects> { Ok(PlainObjects) }
