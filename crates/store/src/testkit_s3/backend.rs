//! Objects in memory, and who may do what to them.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use futures::{TryStreamExt, stream};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::{
    CommonPrefix, DeleteObjectInput, DeleteObjectOutput, ETag, GetBucketLocationInput,
    GetBucketLocationOutput, GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput,
    HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, Object, PutObjectInput,
    PutObjectOutput, StreamingBlob, Timestamp,
};
use s3s::path::S3Path;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use sha2::{Digest, Sha256};

use super::Key;
use super::faults::{Plan, lock};

/// An object.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    body: Bytes,
    modified: SystemTime,
}

impl Stored {
    pub(super) fn new(body: Vec<u8>, modified: SystemTime) -> Self {
        Self { body: body.into(), modified }
    }

    fn etag(&self) -> ETag {
        let digest = Sha256::digest(&self.body);
        ETag::Strong(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    fn length(&self) -> i64 {
        i64::try_from(self.body.len()).unwrap_or(i64::MAX)
    }
}

type Bucket = BTreeMap<String, Stored>;

#[derive(Clone, Debug)]
pub(super) struct Backend {
    buckets: Arc<Mutex<HashMap<String, Bucket>>>,
    seen: Arc<Mutex<Vec<String>>>,
    plan: Arc<Plan>,
}

impl Backend {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        Self { buckets: Arc::default(), seen: Arc::default(), plan }
    }

    pub(super) fn create_bucket(&self, bucket: &str) {
        lock(&self.buckets).entry(bucket.to_owned()).or_default();
    }

    pub(super) fn put(&self, bucket: &str, key: &str, object: Stored) {
        lock(&self.buckets).entry(bucket.to_owned()).or_default().insert(key.to_owned(), object);
    }

    pub(super) fn get(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        Some(lock(&self.buckets).get(bucket)?.get(key)?.body.to_vec())
    }

    pub(super) fn remove(&self, bucket: &str, key: &str) {
        if let Some(bucket) = lock(&self.buckets).get_mut(bucket) {
            bucket.remove(key);
        }
    }

    pub(super) fn keys(&self, bucket: &str) -> Vec<String> {
        lock(&self.buckets).get(bucket).map(|bucket| bucket.keys().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn access_keys_seen(&self) -> Vec<String> {
        lock(&self.seen).clone()
    }

    fn with<T>(&self, bucket: &str, act: impl FnOnce(&mut Bucket) -> S3Result<T>) -> S3Result<T> {
        match lock(&self.buckets).get_mut(bucket) {
            Some(bucket) => act(bucket),
            None => Err(s3_error!(NoSuchBucket, "The specified bucket does not exist")),
        }
    }

    fn find(&self, bucket: &str, key: &str) -> S3Result<Stored> {
        let find = |bucket: &mut Bucket| bucket.get(key).cloned();
        self.with(bucket, |bucket| {
            find(bucket).ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))
        })
    }
}

#[async_trait::async_trait]
impl S3 for Backend {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let body = match input.body {
            Some(body) => collect(body).await?,
            None => Vec::new(),
        };
        let object = Stored::new(body, self.plan.now());
        let etag = object.etag();
        let only_if_new = input.if_none_match.is_some() && !self.plan.ignores_conditions();
        self.with(&input.bucket, |bucket| {
            if only_if_new && bucket.contains_key(&input.key) {
                return Err(s3_error!(PreconditionFailed, "At least one of the pre-conditions did not hold"));
            }
            bucket.insert(input.key.clone(), object);
            Ok(())
        })?;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(etag), ..PutObjectOutput::default() }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let found = self.find(&request.input.bucket, &request.input.key)?;
        let total = u64::try_from(found.length()).unwrap_or(0);
        let range = request.input.range.map(|range| range.check(total)).transpose()?;
        let content_range =
            range.as_ref().map(|part| format!("bytes {}-{}/{total}", part.start, part.end - 1));
        let body = match range {
            Some(part) => found.body.slice(place(part.start)..place(part.end)),
            None => found.body.clone(),
        };
        let content_length = i64::try_from(body.len()).ok();
        let body = StreamingBlob::wrap(stream::once(async move { Ok::<_, std::io::Error>(body) }));
        Ok(S3Response::new(GetObjectOutput {
            body: Some(body),
            content_length,
            content_range,
            e_tag: Some(found.etag()),
            last_modified: Some(Timestamp::from(found.modified)),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let found = self.find(&request.input.bucket, &request.input.key)?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(found.length()),
            e_tag: Some(found.etag()),
            last_modified: Some(Timestamp::from(found.modified)),
            ..HeadObjectOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.with(&request.input.bucket, |bucket| {
            bucket.remove(&request.input.key);
            Ok(())
        })?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.with(&request.input.bucket, |_| Ok(S3Response::new(GetBucketLocationOutput::default())))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.with(&request.input.bucket, |_| Ok(S3Response::new(HeadBucketOutput::default())))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let prefix = input.prefix.clone().unwrap_or_default();
        let after =
            input.continuation_token.clone().or_else(|| input.start_after.clone()).unwrap_or_default();
        let limit = usize::try_from(input.max_keys.unwrap_or(1000).clamp(0, 1000)).unwrap_or(0);
        let delimiter = input.delimiter.clone().filter(|delimiter| !delimiter.is_empty());
        let wanted = Wanted { prefix: &prefix, after: &after, limit, delimiter: delimiter.as_deref() };
        let Listed { contents, folders, next } =
            self.with(&input.bucket, |bucket| Ok(page(bucket, &wanted)))?;
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(prefix),
            delimiter,
            key_count: i32::try_from(contents.len() + folders.len()).ok(),
            max_keys: i32::try_from(limit).ok(),
            is_truncated: Some(next.is_some()),
            next_continuation_token: next,
            contents: Some(contents),
            common_prefixes: Some(folders.into_iter().map(folder).collect()),
            ..ListObjectsV2Output::default()
        }))
    }
}

/// A position within a body, which is in memory.
fn place(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

async fn collect(body: StreamingBlob) -> S3Result<Vec<u8>> {
    let parts: Result<Vec<Bytes>, _> = body.try_collect().await;
    let parts = parts.map_err(|_| s3_error!(IncompleteBody, "The body ended early"))?;
    Ok(parts.concat())
}

/// What is to be listed.
struct Wanted<'a> {
    prefix: &'a str,
    after: &'a str,
    limit: usize,
    delimiter: Option<&'a str>,
}

/// A page, and where the next one begins if there is one.
#[derive(Default)]
struct Listed {
    contents: Vec<Object>,
    folders: Vec<String>,
    next: Option<String>,
}

/// Keys that have the delimiter behind the prefix are told as one folder, which counts as one towards the limit.
fn page(bucket: &Bucket, wanted: &Wanted<'_>) -> Listed {
    let Wanted { prefix, after, limit, delimiter } = *wanted;
    let from = if after >= prefix { Bound::Excluded(after) } else { Bound::Included(prefix) };
    let mut listed = Listed::default();
    let mut last: Option<&str> = None;
    for (key, stored) in bucket.range::<str, _>((from, Bound::Unbounded)) {
        if !key.starts_with(prefix) {
            break;
        }
        let behind = &key[prefix.len()..];
        let folder = delimiter.and_then(|delimiter| behind.find(delimiter).map(|at| at + delimiter.len()));
        let folder = folder.map(|end| &key[..prefix.len() + end]);
        // A page that ended with a folder is not to begin with it again.
        if folder.is_some_and(|folder| {
            after.starts_with(folder) || listed.folders.last().is_some_and(|f| f == folder)
        }) {
            last = Some(key);
            continue;
        }
        if listed.contents.len() + listed.folders.len() == limit {
            listed.next = last.map(str::to_owned);
            break;
        }
        match folder {
            Some(folder) => listed.folders.push(folder.to_owned()),
            None => listed.contents.push(object(key, stored)),
        }
        last = Some(key);
    }
    listed
}

fn object(key: &str, stored: &Stored) -> Object {
    Object {
        key: Some(key.to_owned()),
        size: Some(stored.length()),
        e_tag: Some(stored.etag()),
        last_modified: Some(Timestamp::from(stored.modified)),
        ..Object::default()
    }
}

fn folder(prefix: String) -> CommonPrefix {
    CommonPrefix { prefix: Some(prefix) }
}

/// The secret of each key.
pub(super) struct KnownKeys;

#[async_trait::async_trait]
impl S3Auth for KnownKeys {
    async fn get_secret_key(&self, id: &str) -> S3Result<SecretKey> {
        match Key::of(id) {
            Some(key) => Ok(SecretKey::from(key.secret())),
            None => Err(s3_error!(
                InvalidAccessKeyId,
                "The AWS Access Key Id you provided does not exist in our records."
            )),
        }
    }
}

/// What each key may do.
pub(super) struct Gate {
    pub(super) backend: Backend,
}

#[async_trait::async_trait]
impl S3Access for Gate {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let denied = || Err(s3_error!(AccessDenied, "Access Denied"));
        let Some(credentials) = context.credentials() else { return denied() };
        let mut seen = lock(&self.backend.seen);
        if seen.last() != Some(&credentials.access_key) {
            seen.push(credentials.access_key.clone());
        }
        drop(seen);
        let Some(key) = Key::of(&credentials.access_key) else { return denied() };
        if may(key, context.s3_op().name(), context.s3_path(), &self.backend) { Ok(()) } else { denied() }
    }
}

fn may(key: Key, operation: &str, path: &S3Path, backend: &Backend) -> bool {
    let reads = matches!(operation, "GetObject" | "HeadObject");
    let lists = operation == "ListObjectsV2";
    let puts_under = |part: &str| {
        let S3Path::Object { key, .. } = path else { return false };
        operation == "PutObject" && format!("/{key}").contains(&format!("/{part}/"))
    };
    match key {
        Key::Admin => true,
        Key::Writer => puts_under("evidence"),
        Key::Reader => reads || lists,
        // Whoever may not list is not told whether an object exists.
        Key::Getter => reads && exists(path, backend),
        Key::Lister => lists,
        Key::Checker => reads || lists || puts_under("roll"),
    }
}

fn exists(path: &S3Path, backend: &Backend) -> bool {
    let S3Path::Object { bucket, key } = path else { return false };
    backend.find(bucket, key).is_ok()
}
