//! From a URL to a bucket.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::signer::{HeaderName, HeaderValue, Method, SignedUrlOptions, Signer as _};
use object_store::{ClientOptions, Error};
use url::Url;

use super::answer::{self, Doing, Rights};
use super::cloud::{Cloud, Place};
use super::connection::{Connector, retries};
use super::objects::Objects;
use crate::Result;
use crate::credentials::{self, Environment};
use crate::error::{ErrorKind, StoreError};
use crate::open::{S3Place, Upload};

/// What a URL may say of a bucket of S3 behind its question mark.
const S3_OPTIONS: [&str; 5] = ["endpoint", "region", "path_style", "allow_http", "profile"];
/// Variables of the environment that would take away what the store relies on.
const IGNORED: [AmazonS3ConfigKey; 4] = [
    AmazonS3ConfigKey::Bucket,
    AmazonS3ConfigKey::ConditionalPut,
    AmazonS3ConfigKey::CopyIfNotExists,
    AmazonS3ConfigKey::VirtualHostedStyleRequest,
];

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
        if Path::parse(&prefix).is_err() {
            return Err(wrong("its prefix can't be part of a key"));
        }
        let parsed = Self { bucket, prefix, url };
        parsed.check_options()?;
        Ok(parsed)
    }

    fn check_options(&self) -> Result<()> {
        let allowed: &[&str] = if self.is_s3() { &S3_OPTIONS } else { &[] };
        for (name, value) in self.url.query_pairs() {
            if !allowed.contains(&&*name) {
                let hint = match allowed {
                    [] => "it takes no options".to_owned(),
                    _ => format!("it may say {}", allowed.join(", ")),
                };
                return Err(config(&self.url, &format!("it has an unknown option {name:?}")).hint(hint));
            }
            if matches!(&*name, "path_style" | "allow_http") && !matches!(&*value, "true" | "false") {
                return Err(config(&self.url, &format!("{name} is neither true nor false")));
            }
        }
        Ok(())
    }

    fn is_s3(&self) -> bool {
        self.url.scheme() == "s3"
    }

    fn option(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
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

    fn place(&self, server: &str, rights: Rights) -> Place {
        let identity = format!("{} {server} {} {}", self.url.scheme(), self.bucket, self.prefix);
        Place { url: self.shown(), identity, prefix: self.prefix.clone(), rights }
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
pub(crate) async fn connect(
    bucket: &BucketUrl,
    env: &Environment,
    per_request: Option<Duration>,
) -> Result<Arc<dyn Objects>> {
    match bucket.url.scheme() {
        "s3" => s3(bucket, env, per_request),
        #[cfg(feature = "gcs")]
        "gs" => google(bucket, env, per_request),
        #[cfg(feature = "azure")]
        "az" => azure(bucket, env, per_request),
        scheme => Err(config(&bucket.url, &format!("this build of Tenko does not speak {scheme}:"))
            .hint("build it with the features gcs and azure")),
    }
}

/// Signs a PUT of a key.
pub(crate) async fn presign(
    bucket: &BucketUrl,
    env: &Environment,
    key: &str,
    upload: Upload,
    valid_for: Duration,
) -> Result<Url> {
    if !bucket.is_s3() {
        return Err(config(&bucket.url, "only requests to a bucket of S3 can be signed"));
    }
    let (store, _) = s3_client(bucket, env, None)?;
    let path = Path::parse(format!("{}{key}", bucket.prefix))
        .map_err(|error| config(&bucket.url, &format!("{key:?} can't be a key in it")).because(error))?;
    let options = match upload {
        Upload::Create => SignedUrlOptions::new()
            .with_signed_header(HeaderName::from_static("if-none-match"), HeaderValue::from_static("*")),
        Upload::Overwrite => SignedUrlOptions::new(),
    };
    let signed = store.signed_url_opts(Method::PUT, &path, valid_for, &options).await;
    signed.map_err(|error| unsigned(bucket, key, &error))
}

fn unsigned(bucket: &BucketUrl, key: &str, error: &Error) -> StoreError {
    answer::explain(&bucket.shown(), Rights::S3, Doing::Write, key, error)
}

fn s3(bucket: &BucketUrl, env: &Environment, per_request: Option<Duration>) -> Result<Arc<dyn Objects>> {
    let (store, server) = s3_client(bucket, env, per_request)?;
    Ok(Arc::new(Cloud::new(store, bucket.place(&server, Rights::S3))))
}

/// What speaks to a bucket of S3, and the server that it speaks to.
fn s3_client(
    bucket: &BucketUrl,
    env: &Environment,
    per_request: Option<Duration>,
) -> Result<(AmazonS3, String)> {
    let endpoint = bucket.option("endpoint").or_else(|| env.get("AWS_ENDPOINT_URL_S3"));
    let endpoint = endpoint.or_else(|| env.get("AWS_ENDPOINT_URL")).or_else(|| env.get("AWS_ENDPOINT"));
    let allow_http = bucket.option("allow_http").or_else(|| env.get("AWS_ALLOW_HTTP"));
    let allow_http = allow_http.is_some_and(|allowed| allowed == "true" || allowed == "1");
    let path_style = bucket.option("path_style").map_or(endpoint.is_some(), |style| style == "true");
    let profile = credentials::profile(env, bucket.option("profile"))?;
    let region = bucket.option("region").or_else(|| env.get("AWS_REGION"));
    let region = region.or_else(|| env.get("AWS_DEFAULT_REGION"));
    let region = region.or_else(|| profile.as_ref().and_then(|profile| profile.region()));
    let region = region.unwrap_or_else(|| "us-east-1".to_owned());
    let server = match &endpoint {
        Some(endpoint) => checked_endpoint(bucket, endpoint, allow_http, path_style)?,
        None => default_endpoint(&bucket.bucket, &region, path_style),
    };
    let mut builder = of_environment(env)
        .with_bucket_name(&bucket.bucket)
        .with_region(&region)
        .with_config(AmazonS3ConfigKey::S3Endpoint, &server)
        .with_virtual_hosted_style_request(!path_style)
        .with_disable_bulk_delete(true)
        .with_retry(retries())
        .with_client_options(ClientOptions::new().with_allow_http(allow_http))
        .with_http_connector(Connector { per_request });
    if let Some(provider) = profile.and_then(|profile| profile.into_provider()) {
        builder = builder.with_credentials(provider);
    }
    let store =
        builder.build().map_err(|error| config(&bucket.url, "its settings do not fit").because(error))?;
    Ok((store, server))
}

/// What the environment says of AWS, as far as it leaves the store what it relies on.
pub(crate) fn of_environment(env: &Environment) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::new();
    for (name, value) in env.starting_with("AWS_") {
        match name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
            Ok(key) if !IGNORED.contains(&key) => builder = builder.with_config(key, value),
            _ => {}
        }
    }
    builder
}

/// The endpoint with the bucket in front of its host, unless paths name the bucket.
fn checked_endpoint(
    bucket: &BucketUrl,
    endpoint: &str,
    allow_http: bool,
    path_style: bool,
) -> Result<String> {
    let wrong = |problem: &str| config(&bucket.url, problem);
    let mut url = Url::parse(endpoint).map_err(|error| {
        wrong(&format!("its endpoint is no URL: {error}")).hint("write endpoint=https://HOST")
    })?;
    match url.scheme() {
        "https" => {}
        "http" if allow_http => {}
        "http" => {
            return Err(wrong("its endpoint is reached without TLS")
                .hint("add allow_http=true to the URL, or set AWS_ALLOW_HTTP=true, if that is wanted"));
        }
        _ => return Err(wrong("its endpoint is neither https nor http")),
    }
    let host = url.host_str().map(|host| format!("{}.{host}", bucket.bucket));
    if !path_style && let Some(host) = host {
        url.set_host(Some(&host))
            .map_err(|error| wrong(&format!("its endpoint takes no bucket: {error}")))?;
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// AWS by virtual host, as is recommended; a name with a dot would not fit the certificate.
fn default_endpoint(bucket: &str, region: &str, path_style: bool) -> String {
    let suffix = aws_domain(region);
    match path_style {
        true => format!("https://s3.{region}.{suffix}"),
        false => format!("https://{bucket}.s3.{region}.{suffix}"),
    }
}

/// What the names of AWS end in.
pub(crate) fn aws_domain(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

#[cfg(feature = "gcs")]
fn google(bucket: &BucketUrl, env: &Environment, per_request: Option<Duration>) -> Result<Arc<dyn Objects>> {
    use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
    let mut builder = GoogleCloudStorageBuilder::new();
    for (name, value) in env.starting_with("GOOGLE_") {
        if let Ok(key) = name.to_ascii_lowercase().parse::<GoogleConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    let store = builder
        .with_bucket_name(&bucket.bucket)
        .with_retry(retries())
        .with_http_connector(Connector { per_request })
        .build()
        .map_err(|error| config(&bucket.url, "its settings do not fit").because(error))?;
    Ok(Arc::new(Cloud::new(store, bucket.place("google", Rights::Google))))
}

#[cfg(feature = "azure")]
fn azure(bucket: &BucketUrl, env: &Environment, per_request: Option<Duration>) -> Result<Arc<dyn Objects>> {
    use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
    let mut builder = MicrosoftAzureBuilder::new();
    for (name, value) in env.starting_with("AZURE_") {
        if let Ok(key) = name.to_ascii_lowercase().parse::<AzureConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    let account = env.get("AZURE_STORAGE_ACCOUNT_NAME").unwrap_or_default();
    let store = builder
        .with_container_name(&bucket.bucket)
        .with_retry(retries())
        .with_http_connector(Connector { per_request })
        .build()
        .map_err(|error| config(&bucket.url, "its settings do not fit").because(error))?;
    Ok(Arc::new(Cloud::new(store, bucket.place(&account, Rights::Azure))))
}
