//! From a URL to a store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tenko_core::Evidence;
use url::Url;

use crate::credentials::Environment;
use crate::directory::{self, Directory};
use crate::error::{ErrorKind, StoreError};
use crate::object::ObjectStore;
use crate::object::bucket::{self, BucketUrl};
use crate::object::objects::Objects;
use crate::object::s3;
#[cfg(feature = "postgres")]
use crate::postgres::{Address, PostgresStore};
#[cfg(feature = "sqlite")]
use crate::sqlite::{self, SqliteStore};
use crate::{Appended, MemoryStore, Result, SharedStore};

mod plain;

pub use crate::object::objects::{ObjectMeta, Published};
pub use plain::{PlainObjects, SomeObjects, open_objects};

/// How a store is opened.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// The environment in which settings and credentials are looked for; that of the process, if `None`.
    pub env: Option<BTreeMap<String, String>>,
    /// How long one request may take; ten seconds, if `None`. Whoever calls sets an end to all of them together.
    pub per_request: Option<Duration>,
}

impl OpenOptions {
    pub(crate) fn environment(&self) -> Environment {
        self.env.clone().map_or_else(Environment::of_process, |env| env.into_iter().collect())
    }
}

/// Opens the store that a URL names. Nothing is asked of a bucket or a database server yet.
///
/// # Errors
/// [`ErrorKind::Config`] if the URL names no store.
pub async fn open(url: &str, options: &OpenOptions) -> Result<SharedStore> {
    match Target::parse(url)? {
        Target::Memory => Ok(Arc::new(MemoryStore::that_forgets())),
        #[cfg(feature = "sqlite")]
        Target::Sqlite(path) => Ok(Arc::new(SqliteStore::open(&path)?)),
        Target::Directory(root) => Ok(Arc::new(ObjectStore::new(Arc::new(Directory::new(&root))))),
        Target::Bucket(bucket) => Ok(Arc::new(ObjectStore::new(connect(&bucket, options)?))),
        #[cfg(feature = "postgres")]
        Target::Postgres(address) => {
            choose_cryptography();
            Ok(Arc::new(PostgresStore::at(*address)))
        }
    }
}

/// Whether a URL names a store, without asking anybody.
///
/// # Errors
/// [`ErrorKind::Config`] with what is wrong.
pub fn check_url(url: &str) -> Result<()> {
    Target::parse(url).map(drop)
}

/// Which tables a store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Their version; 0 if there are none yet.
    pub found: i32,
    /// The version that this Tenko writes.
    pub current: i32,
}

/// Which tables the store at a URL has, without changing any; `None` for stores without tables.
///
/// # Errors
/// [`ErrorKind::Config`] if the URL names no store, [`ErrorKind::Newer`] if a newer Tenko wrote the tables.
#[cfg_attr(
    not(feature = "postgres"),
    expect(clippy::unused_async, reason = "a database that is elsewhere is asked")
)]
pub async fn tables(url: &str) -> Result<Option<Tables>> {
    let versions: Option<(i32, i32)> = match Target::parse(url)? {
        #[cfg(feature = "sqlite")]
        Target::Sqlite(path) => Some(SqliteStore::versions(&path)?),
        #[cfg(feature = "postgres")]
        Target::Postgres(address) => {
            choose_cryptography();
            Some(PostgresStore::at(*address).versions().await?)
        }
        Target::Memory | Target::Directory(_) | Target::Bucket(_) => None,
    };
    Ok(versions.map(|(found, current)| Tables { found, current }))
}

/// Adds evidence to a store on this machine and returns when it is on disk: no runtime, no second thread. `None` for
/// stores that are elsewhere.
pub fn append_now(url: &str, evidence: &[Evidence]) -> Option<Result<Vec<Appended>>> {
    open_here(url).map(|opened| opened?.append(evidence))
}

/// A store on this machine that was opened to add evidence to it once.
#[derive(Debug)]
pub struct Here(Place);

#[derive(Debug)]
enum Place {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlite::Opened),
    Directory(PathBuf),
}

/// Opens a store on this machine, as [`append_now`] does, before there is evidence. `None` for stores that are
/// elsewhere.
pub fn open_here(url: &str) -> Option<Result<Here>> {
    match Target::parse(url) {
        #[cfg(feature = "sqlite")]
        Ok(Target::Sqlite(path)) => Some(sqlite::Opened::new(&path).map(Place::Sqlite).map(Here)),
        Ok(Target::Directory(root)) => Some(Ok(Here(Place::Directory(root)))),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    }
}

impl Here {
    /// Adds evidence and returns when it is on disk.
    ///
    /// # Errors
    /// As [`crate::Store::append`].
    pub fn append(self, evidence: &[Evidence]) -> Result<Vec<Appended>> {
        match self.0 {
            #[cfg(feature = "sqlite")]
            Place::Sqlite(opened) => opened.append(evidence),
            Place::Directory(root) => directory::append_now(&root, evidence),
        }
    }
}

/// The directory that a `file:` URL names; `None` for other stores.
///
/// # Errors
/// [`ErrorKind::Config`] if the URL names no store.
pub fn directory_of(url: &str) -> Result<Option<PathBuf>> {
    Ok(match Target::parse(url)? {
        Target::Directory(root) => Some(root),
        _ => None,
    })
}

/// A bucket of S3, and what all keys of a store in it begin with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct S3Place {
    /// The name of the bucket.
    pub bucket: String,
    /// Empty, or text that ends in `/`.
    pub prefix: String,
    /// The region, if the URL names one.
    pub region: Option<String>,
}

/// The bucket of S3 that a URL names; `None` for other stores.
///
/// # Errors
/// [`ErrorKind::Config`] if the URL names no store.
pub fn s3_place(url: &str) -> Result<Option<S3Place>> {
    Ok(match Target::parse(url)? {
        Target::Bucket(bucket) => bucket.s3_place(),
        _ => None,
    })
}

/// What a signed URL lets its holder do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload {
    /// Create an object that is not there yet. The holder has to send `If-None-Match: *`, which is part of the signature.
    Create,
    /// Write an object, whether there is one or not.
    Overwrite,
}

/// A URL by which anybody can PUT one object under a key of a bucket of S3, for as long as it is valid and the
/// credentials that signed it are. S3 accepts at most seven days. Nothing is asked of the bucket.
///
/// # Errors
/// [`ErrorKind::Config`] if the URL names no bucket of S3, [`ErrorKind::Denied`] if there are no credentials to sign with.
pub async fn presign(
    url: &str,
    key: &str,
    upload: Upload,
    valid_for: Duration,
    options: &OpenOptions,
) -> Result<Url> {
    let Target::Bucket(bucket) = Target::parse(url)? else {
        return Err(wrong(url).because("only requests to a bucket of S3 can be signed"));
    };
    choose_cryptography();
    s3::presign(&bucket, &options.environment(), key, upload, valid_for).await
}

/// A URL as it may be shown: without user, password and whatever stands behind the question mark.
pub fn redact_url(url: &str) -> String {
    if is_of_database(url) {
        return redact_database(url);
    }
    let shown = url.split(['?', '#']).next().unwrap_or_default();
    match shown.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => shown.rsplit('@').next().unwrap_or_default().to_owned(),
    }
}

fn is_of_database(url: &str) -> bool {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("postgres" | "postgresql"))
}

/// What is shown of the URL of a database that can't be taken apart.
pub(crate) const UNCLEAR: &str = "postgres://...";

/// Passwords hold anything, be it written as it should or not: where it is not clear which part one is, nothing is shown.
fn redact_database(url: &str) -> String {
    let Ok(parsed) = Url::parse(url) else { return UNCLEAR.to_owned() };
    let rest = &url[url.find("://").map_or(0, |at| at + 3)..];
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if rest[authority.len()..].contains('@') {
        return UNCLEAR.to_owned();
    }
    let port = parsed.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{}{port}{}", parsed.scheme(), parsed.host_str().unwrap_or_default(), parsed.path())
}

fn connect(bucket: &BucketUrl, options: &OpenOptions) -> Result<Arc<dyn Objects>> {
    choose_cryptography();
    bucket::connect(bucket, &options.environment(), options.per_request)
}

fn choose_cryptography() {
    // Whoever was first has chosen for the process.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// What a URL names.
enum Target {
    Memory,
    #[cfg(feature = "sqlite")]
    Sqlite(PathBuf),
    Directory(PathBuf),
    Bucket(BucketUrl),
    #[cfg(feature = "postgres")]
    Postgres(Box<Address>),
}

impl Target {
    fn parse(url: &str) -> Result<Self> {
        let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("memory") if url.len() == "memory:".len() => Ok(Self::Memory),
            Some("memory") => Err(wrong(url).because("it takes no path").hint("write memory:")),
            #[cfg(not(feature = "sqlite"))]
            Some("sqlite") => Err(wrong(url).because("this build of Tenko has no SQLite").hint(
                "build it with the feature sqlite, or name another store: file:///DIRECTORY, s3://BUCKET/PREFIX",
            )),
            #[cfg(feature = "sqlite")]
            Some("sqlite") => Ok(Self::Sqlite(path_of(url, "sqlite")?)),
            Some("file") => Ok(Self::Directory(path_of(url, "file")?)),
            Some("s3" | "gs" | "az") => Ok(Self::Bucket(BucketUrl::parse(parse(url)?)?)),
            #[cfg(feature = "postgres")]
            Some("postgres" | "postgresql") => Ok(Self::Postgres(Box::new(Address::parse(url)?))),
            #[cfg(not(feature = "postgres"))]
            Some("postgres" | "postgresql") => Err(wrong(url)
                .because("this build of Tenko has no PostgreSQL")
                .hint("build it with --features postgres, or choose another store")),
            _ => Err(unknown(url, scheme.as_deref())),
        }
    }
}

const SCHEMES: [&str; 7] = ["s3", "gs", "az", "file", "sqlite", "postgres", "memory"];

fn wrong(url: &str) -> StoreError {
    StoreError::new(ErrorKind::Config, format!("{:?} is no URL of a store", redact_url(url)))
}

fn parse(url: &str) -> Result<Url> {
    Url::parse(url).map_err(|error| wrong(url).because(error))
}

/// The path of a URL of three slashes: `file:///dir`.
fn path_of(url: &str, scheme: &str) -> Result<PathBuf> {
    let example = format!("write {scheme}:///PATH, with three slashes");
    let Some(path) = url.get(scheme.len()..).and_then(|rest| rest.strip_prefix("://")) else {
        return Err(wrong(url).because("it does not begin with two slashes").hint(example));
    };
    if !path.starts_with('/') {
        return Err(wrong(url).because("its path is not absolute").hint(example));
    }
    if path.contains(['?', '#', '\0']) {
        return Err(wrong(url).because("it takes no options"));
    }
    let trimmed = path.trim_end_matches('/');
    Ok(Path::new(if trimmed.is_empty() { "/" } else { trimmed }).to_owned())
}

fn unknown(url: &str, scheme: Option<&str>) -> StoreError {
    let list = "it may begin with s3://, gs://, az://, file:///, sqlite:///, postgres://, or be memory:";
    let Some(scheme) = scheme else {
        let hint =
            if url.starts_with('/') { format!("did you mean file://{url}? {list}") } else { list.to_owned() };
        return wrong(url).because("it does not say what kind of store it is").hint(hint);
    };
    let near = match scheme {
        "s3a" | "s3n" | "aws" => Some("s3"),
        "gcs" | "google" => Some("gs"),
        "azure" | "abfs" | "abfss" | "adl" => Some("az"),
        "sqlite3" | "sql" | "db" => Some("sqlite"),
        "pg" | "psql" | "pgsql" => Some("postgres"),
        "mem" => Some("memory"),
        "dir" | "path" => Some("file"),
        _ => SCHEMES.into_iter().find(|known| known.starts_with(scheme) || scheme.starts_with(known)),
    };
    let hint = near.map_or_else(|| list.to_owned(), |near| format!("did you mean {near}:? {list}"));
    wrong(url).because(format!("{scheme}: is unknown")).hint(hint)
}
