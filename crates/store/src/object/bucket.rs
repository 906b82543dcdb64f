//! From a URL to a bucket.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

#[cfg(feature = "azure")]
use super::azure;
use super::cloud::Place;
#[cfg(feature = "gcs")]
use super::google;
use super::objects::Objects;
use super::rights::Rights;
use super::s3;
use crate::Result;
use crate::credentials::Environment;
use crate::error::{ErrorKind, StoreError};
use crate::open::S3Place;

/// What a URL may say of a bucket of S3 behind its question mark.
const S3_OPTIONS: &[&str] = &["endpoint", "region", "path_style", "allow_http", "profile"];
/// The same of a bucket of Google.
const GOOGLE_OPTIONS: &[&str] = &["endpoint", "allow_http"];
/// The same of a container of Azure.
const AZURE_OPTIONS: &[&str] = &["endpoint", "account", "allow_http"];

/// What a URL says.
#[derive(Debug)]
pub(crate) struct BucketUrl {
    url: Url,
    bucket: String,
    prefix: String,
}

impl BucketUrl {
    /// Reads a URL without asking anybody.
    pub(crate) fn parse(url: Url) -> Result<Self> {
        let wrong = |problem: &str| config(&url, problem);
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it contains credentials").hint(
                "put them into the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or a profile",
            ));
        }
        let bucket = url.host_str().unwrap_or_default().to_owned();
        if bucket.is_empty() {
            return Err(wrong("it names no bucket"));
        }
        if url.port().is_some() {
            return Err(
                wrong("a bucket has no port").hint("name the server with ?endpoint=https://HOST:PORT")
            );
        }
        let path = url.path().trim_matches('/');
        let decoded = percent_decode(path).ok_or_else(|| wrong("its prefix is no text"))?;
        let prefix = if decoded.is_empty() { String::new() } else { format!("{decoded}/") };
        if object_store::path::Path::parse(&prefix).is_err() {
            return Err(wrong("its prefix can't be part of a key"));
        }
        let parsed = Self { bucket, prefix, url };
        parsed.check_options()?;
        Ok(parsed)
    }

    fn check_options(&self) -> Result<()> {
        let allowed = match self.url.scheme() {
            "gs" => GOOGLE_OPTIONS,
            "az" => AZURE_OPTIONS,
            _ => S3_OPTIONS,
        };
        for (name, value) in self.url.query_pairs() {
            if !allowed.contains(&&*name) {
                let hint = format!("it may say {}", allowed.join(", "));
                return Err(self.wrong(&format!("it has an unknown option {name:?}")).hint(hint));
            }
            if matches!(&*name, "path_style" | "allow_http") && !matches!(&*value, "true" | "false") {
                return Err(self.wrong(&format!("{name} is neither true nor false")));
            }
        }
        Ok(())
    }

    /// Why it can't be used.
    pub(super) fn wrong(&self, problem: &str) -> StoreError {
        config(&self.url, problem)
    }

    /// The bucket, or the container.
    pub(super) fn name(&self) -> &str {
        &self.bucket
    }

    /// What stands behind the question mark under a name.
    pub(super) fn option(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// Whether it is one of S3.
    pub(super) fn is_s3(&self) -> bool {
        self.url.scheme() == "s3"
    }

    /// What keys begin with, with the slash behind it.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The bucket, if it is one of S3.
    pub(crate) fn s3_place(&self) -> Option<S3Place> {
        let place = || S3Place {
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            region: self.option("region"),
        };
        self.is_s3().then(place)
    }

    /// As it may be shown.
    pub(crate) fn shown(&self) -> String {
        let prefix = self.prefix.trim_end_matches('/');
        let separator = if prefix.is_empty() { "" } else { "/" };
        format!("{}://{}{separator}{prefix}", self.url.scheme(), self.bucket)
    }

    /// Checks the URL of a server: without TLS only where that was asked for.
    pub(super) fn checked_endpoint(&self, endpoint: &str, allow_http: &AllowHttp) -> Result<Url> {
        let url = Url::parse(endpoint).map_err(|error| {
            self.wrong(&format!("its endpoint is no URL: {error}")).hint("write endpoint=https://HOST")
        })?;
        match url.scheme() {
            "https" => Ok(url),
            "http" if allow_http.allowed => Ok(url),
            "http" => Err(self.wrong("its endpoint is reached without TLS").hint(format!(
                "add allow_http=true to the URL, or set {}=true, if that is wanted",
                allow_http.variable
            ))),
            _ => Err(self.wrong("its endpoint is neither https nor http")),
        }
    }

    /// The place that a server keeps for this URL.
    pub(super) fn place(&self, server: &str, rights: Rights) -> Place {
        let identity = format!("{} {server} {} {}", self.url.scheme(), self.bucket, self.prefix);
        Place { url: self.shown(), identity, prefix: self.prefix.clone(), rights }
    }
}

/// Whether a server may be reached without TLS.
#[derive(Debug)]
pub(super) struct AllowHttp {
    pub(super) allowed: bool,
    variable: &'static str,
}

impl AllowHttp {
    /// As the URL says, or a variable of the environment.
    pub(super) fn of(bucket: &BucketUrl, env: &Environment, variable: &'static str) -> Self {
        let said = bucket.option("allow_http").or_else(|| env.get(variable));
        Self { allowed: said.is_some_and(|said| said == "true" || said == "1"), variable }
    }
}

fn config(url: &Url, problem: &str) -> StoreError {
    let shown = crate::open::redact_url(url.as_str());
    StoreError::new(ErrorKind::Config, format!("{shown:?} is no URL of a store")).because(problem.to_owned())
}

fn percent_decode(path: &str) -> Option<String> {
    let query = format!("x={}", path.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(query.as_bytes()).next().map(|(_, value)| value.into_owned())
}

/// Prepares a bucket; nothing is asked of it yet.
pub(crate) fn connect(
    bucket: &BucketUrl,
    env: &Environment,
    per_request: Option<Duration>,
) -> Result<Arc<dyn Objects>> {
    match bucket.url.scheme() {
        "s3" => s3::connect(bucket, env, per_request),
        #[cfg(feature = "gcs")]
        "gs" => google::connect(bucket, env, per_request),
        #[cfg(feature = "azure")]
        "az" => azure::connect(bucket, env, per_request),
        scheme => Err(bucket
            .wrong(&format!("this build of Tenko does not speak {scheme}:"))
            .hint("build it with the features gcs and azure")),
    }
}
