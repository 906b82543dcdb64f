//! Reads a configuration that lies in a bucket, by its URL: `s3://bucket/dir/tenko.toml`.

use std::path::Path;
use std::thread;
use std::time::Duration;

use tenko_store::open::{self, OpenOptions, redact_url};
use tenko_store::{ErrorKind, StoreError};

use super::find::{Found, LARGEST, not_text};
use super::problem::ConfigErrors;
use crate::error::chain;

/// How long it may take altogether.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long one request may take.
const PER_REQUEST: Duration = Duration::from_secs(3);

/// Reads the object. Whoever calls may have a runtime or none: the waiting is done on a thread of its own.
pub(super) fn fetch(url: &str) -> Result<Found, ConfigErrors> {
    let shown = redact_url(url);
    let wrong = |problem: &str, hint: &str| ConfigErrors::of_file(Path::new(&shown), problem, hint);
    let fetched = thread::scope(|scope| scope.spawn(|| wait_for(url)).join());
    let fetched = fetched.unwrap_or_else(|_| Err(late(url)));
    let bytes = fetched.map_err(|error| {
        let hint = error.help().unwrap_or("check the URL and the credentials");
        wrong(&format!("cannot be read: {}", chain(&error)), hint)
    })?;
    let Some(bytes) = bytes else {
        return Err(wrong("does not exist", "check the URL; put the file there first"));
    };
    let text = String::from_utf8(bytes).map_err(|error| not_text(Path::new(&shown), &error))?;
    // Who may read an object is a matter of the bucket.
    Ok(Found { path: shown.into(), text, exposed: false })
}

fn wait_for(url: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let unable =
        |error: std::io::Error| StoreError::new(ErrorKind::Unavailable, "nobody can wait").because(error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unable)?;
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, object(url)).await.unwrap_or_else(|_| Err(late(url)))
    })
}

async fn object(url: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let (place, key) = parts(url)?;
    let options = OpenOptions { per_request: Some(PER_REQUEST), ..OpenOptions::default() };
    let objects = open::open_objects(&place, &options).await?;
    let most = usize::try_from(LARGEST).unwrap_or(usize::MAX);
    Ok(objects.read(&key, most).await?.map(Vec::from))
}

/// The place and the key in it; what stands behind a question mark belongs to the place.
fn parts(url: &str) -> Result<(String, String), StoreError> {
    let (path, options) = url.split_at(url.find('?').unwrap_or(url.len()));
    let start = path.find("://").map_or(0, |at| at + 3);
    match path[start..].rsplit_once('/') {
        Some((place, key)) if !key.is_empty() => {
            let place = if place.is_empty() { "/" } else { place };
            Ok((format!("{}{place}{options}", &path[..start]), key.to_owned()))
        }
        _ => Err(StoreError::new(ErrorKind::Config, "it names no object")
            .hint("write s3://BUCKET/tenko.toml, gs://..., az://... or file:///PATH/tenko.toml")),
    }
}

fn late(url: &str) -> StoreError {
    let doing = format!("no answer about {} in {} s", redact_url(url), PATIENCE.as_secs());
    StoreError::new(ErrorKind::Unavailable, doing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_place_and_a_key() {
        let parts =
            |url| parts(url).map(|(place, key)| format!("{place} {key}")).map_err(|error| error.to_string());
        for (url, expected) in [
            ("s3://acme/tenko.toml", "s3://acme tenko.toml"),
            (
                "s3://acme/a/b.toml?region=eu-west-1&endpoint=http://x",
                "s3://acme/a?region=eu-west-1&endpoint=http://x b.toml",
            ),
            ("file:///etc/tenko.toml", "file:///etc tenko.toml"),
            ("file:///tenko.toml", "file:/// tenko.toml"),
        ] {
            assert_eq!(parts(url).as_deref(), Ok(expected));
        }
        for url in ["s3://acme", "s3://acme/", "s3://acme/dir/"] {
            assert!(parts(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_file_can_be_named_by_its_url() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tenko.toml"), "timezone = \"Asia/Tokyo\"").unwrap();
        let url = format!("file://{}/tenko.toml", dir.path().display());
        assert_eq!(fetch(&url).unwrap().text, "timezone = \"Asia/Tokyo\"");
        let missing = fetch(&format!("{url}x")).unwrap_err().to_string();
        assert!(missing.contains("does not exist"), "{missing}");
    }

    #[test]
    fn what_no_object_can_have_is_refused() {
        for url in ["sqlite:///x/y.db", "ftp://host/tenko.toml", "s3://acme"] {
            let refused = fetch(url).unwrap_err().to_string();
            assert!(refused.contains("cannot be read"), "{refused}");
        }
    }
}
