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
    DeleteObjectInput, DeleteObjectOutput, ETag, GetObjectInput, GetObjectOutput, HeadObjectInput,
    HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, Object, PutObjectInput, PutObjectOutput,
    StreamingBlob, Timestamp,
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
        let body = found.body.clone();
        let body = StreamingBlob::wrap(stream::once(async move { Ok::<_, std::io::Error>(body) }));
        Ok(S3Response::new(GetObjectOutput {
            body: Some(body),
            content_length: Some(found.length()),
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

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let prefix = input.prefix.clone().unwrap_or_default();
        let after =
            input.continuation_token.clone().or_else(|| input.start_after.clone()).unwrap_or_default();
        let limit = usize::try_from(input.max_keys.unwrap_or(1000).clamp(0, 1000)).unwrap_or(0);
        let (contents, more) = self.with(&input.bucket, |bucket| Ok(page(bucket, &prefix, &after, limit)))?;
        let next = contents.last().and_then(|last| last.key.clone()).filter(|_| more);
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(prefix),
            key_count: i32::try_from(contents.len()).ok(),
            max_keys: i32::try_from(limit).ok(),
            is_truncated: Some(more),
            next_continuation_token: next,
            contents: Some(contents),
            ..ListObjectsV2Output::default()
        }))
    }
}

async fn collect(body: StreamingBlob) -> S3Result<Vec<u8>> {
    let parts: Result<Vec<Bytes>, _> = body.try_collect().await;
    let parts = parts.map_err(|_| s3_error!(IncompleteBody, "The body ended early"))?;
    Ok(parts.concat())
}

fn page(bucket: &Bucket, prefix: &str, after: &str, limit: usize) -> (Vec<Object>, bool) {
    let from = if after >= prefix { Bound::Excluded(after) } else { Bound::Included(prefix) };
    let ahead =
        bucket.range::<str, _>((from, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix));
    let mut found: Vec<(&String, &Stored)> = ahead.take(limit + 1).collect();
    let more = found.len() > limit;
    found.truncate(limit);
    let object = |(key, stored): (&String, &Stored)| Object {
        key: Some(key.clone()),
        size: Some(stored.length()),
        e_tag: Some(stored.etag()),
        last_modified: Some(Timestamp::from(stored.modified)),
        ..Object::default()
    };
    (found.into_iter().map(object).collect(), more)
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
        Key::Checker => reads || lists || puts_under("roll"),
    }
}

fn exists(path: &S3Path, backend: &Backend) -> bool {
    let S3Path::Object { bucket, key } = path else { return false };
    backend.find(bucket, key).is_ok()
}
