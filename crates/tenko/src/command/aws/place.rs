//! Where things lie in AWS: the store, plain objects, secrets.

use std::collections::BTreeSet;

use tenko_core::Slug;
use tenko_store::open::{self, S3Place};

use crate::command::Setup;
use crate::config::{Config, nearest};
use crate::error::CommandError;

/// The store that keeps nothing.
const NOTHING: &str = "memory:";

/// The bucket of the store.
pub(super) fn store(setup: &Setup) -> Result<S3Place, CommandError> {
    let shown = open::redact_url(&setup.store_url);
    match open::s3_place(&setup.store_url)? {
        Some(place) => Ok(place),
        None => Err(CommandError::usage(format!("the store {shown} is not a bucket of S3"))
            .hint("name one: --store s3://BUCKET/PREFIX, or store = \"s3://BUCKET/PREFIX\" in tenko.toml")),
    }
}

/// The bucket of the store; `None` where nothing is kept (`memory:`).
pub(super) fn kept_in(setup: &Setup) -> Result<Option<S3Place>, CommandError> {
    if setup.store_url == NOTHING { Ok(None) } else { store(setup).map(Some) }
}

/// Refuses jobs that can't be judged where nothing is kept.
pub(super) fn only_objects(config: &Config) -> Result<(), CommandError> {
    let without = config.jobs.iter().find(|(_, configured)| configured.object.is_none());
    match without {
        Some((slug, _)) => Err(CommandError::usage(format!(
            "job {slug} has no object, and memory: holds no evidence"
        ))
        .hint("say which object it writes: object = \"s3://BUCKET/{date}/KEY\"; or keep evidence: store = \"s3://BUCKET/PREFIX\"")),
        None => Ok(()),
    }
}

/// A job that the configuration does not have; perhaps another is meant.
pub(super) fn not_configured(name: &str, config: &Config) -> CommandError {
    let error = CommandError::usage(format!("there is no job {name:?} in the configuration"));
    match nearest(name, config.jobs.keys().map(Slug::as_str)) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("tenko config show shows all of them"),
    }
}

/// The plain objects of a job, as a policy names them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Watched {
    /// The bucket.
    pub(super) bucket: String,
    /// Their keys, with `*` for what differs from due to due.
    pub(super) keys: String,
    /// Whether they have to be listed, because any of several may be the one.
    pub(super) listed: bool,
}

/// The plain objects of one job; `None` if it has none in S3.
pub(super) fn watched(config: &Config, job: &Slug) -> Option<Watched> {
    let object = config.jobs.get(job)?.object.as_ref()?;
    let place = open::s3_place(&object.url()).ok().flatten()?;
    Some(Watched { bucket: place.bucket, keys: object.pattern(), listed: object.has_wildcards() })
}

/// The secrets that the configuration fetches from AWS, by what follows `scheme` in their references.
pub(super) fn secrets(config: &Config, scheme: &str) -> BTreeSet<String> {
    let pending = config.pending.iter().flat_map(|pending| pending.references());
    let names = pending.filter_map(|reference| reference.strip_prefix(scheme));
    names.map(|name| name.split('#').next().unwrap_or(name).to_owned()).collect()
}

/// The one SSM parameter of the configuration, or the path below which all of them are; `None` if there is no such path.
pub(super) fn parameters(config: &Config) -> Option<String> {
    let names = secrets(config, "ssm:");
    let parent = |name: &str| name.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
    let mut all = names.iter();
    let Some(first) = all.next() else { return Some(String::new()) };
    let path = if names.len() == 1 { first.clone() } else { format!("{}/*", parent(first)) };
    let same = all.all(|name| parent(name) == parent(first));
    (path.starts_with('/') && path != "/*" && same && !path.contains(':')).then_some(path)
}
