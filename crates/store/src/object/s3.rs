//! A bucket of S3, or of a server that speaks its protocol.

use std::sync::Arc;
use std::time::Duration;

use object_store::ClientOptions;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::signer::{HeaderName, HeaderValue, Method, SignedUrlOptions, Signer as _};
use url::Url;

use super::answer;
use super::bucket::{AllowHttp, BucketUrl};
use super::cloud::Cloud;
use super::connection::{Connector, TheirClock, retries};
use super::objects::Objects;
use super::rights::{Doing, Rights};
use crate::Result;
use crate::credentials::{self, Environment, Settings, aws_domain};
use crate::open::Upload;

/// Variables of the environment that would take away what the store relies on.
const IGNORED: [AmazonS3ConfigKey; 4] = [
    AmazonS3ConfigKey::Bucket,
    AmazonS3ConfigKey::ConditionalPut,
    AmazonS3ConfigKey::CopyIfNotExists,
    AmazonS3ConfigKey::VirtualHostedStyleRequest,
];

/// Prepares a bucket of S3, or of a server that speaks its protocol.
pub(super) fn connect(
    bucket: &BucketUrl,
    env: &Environment,
    per_request: Option<Duration>,
) -> Result<Arc<dyn Objects>> {
    let (store, server, clock) = client(bucket, env, per_request)?;
    Ok(Arc::new(Cloud::new(store, bucket.place(&server, Rights::S3), clock)))
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
        return Err(bucket.wrong("only requests to a bucket of S3 can be signed"));
    }
    let (store, ..) = client(bucket, env, None)?;
    let path = Path::parse(format!("{}{key}", bucket.prefix()))
        .map_err(|error| bucket.wrong(&format!("{key:?} can't be a key in it")).because(error))?;
    let options = match upload {
        Upload::Create => SignedUrlOptions::new()
            .with_signed_header(HeaderName::from_static("if-none-match"), HeaderValue::from_static("*")),
        Upload::Overwrite => SignedUrlOptions::new(),
    };
    let signed = store.signed_url_opts(Method::PUT, &path, valid_for, &options).await;
    signed.map_err(|error| answer::explain(&bucket.shown(), Rights::S3, Doing::Write, key, &error))
}

/// What speaks to a bucket, the server that it speaks to, and the clock of that.
fn client(
    bucket: &BucketUrl,
    env: &Environment,
    per_request: Option<Duration>,
) -> Result<(AmazonS3, String, Arc<TheirClock>)> {
    let endpoint = bucket.option("endpoint").or_else(|| env.get("AWS_ENDPOINT_URL_S3"));
    let endpoint = endpoint.or_else(|| env.get("AWS_ENDPOINT_URL")).or_else(|| env.get("AWS_ENDPOINT"));
    let allow_http = AllowHttp::of(bucket, env, "AWS_ALLOW_HTTP");
    let path_style = bucket.option("path_style").map_or(endpoint.is_some(), |style| style == "true");
    let Settings { region, trusted, provider } = credentials::settings(env, bucket.option("profile"))?;
    let region = bucket.option("region").or(region).unwrap_or_else(|| "us-east-1".to_owned());
    let server = match &endpoint {
        Some(endpoint) => with_bucket(bucket, bucket.checked_endpoint(endpoint, &allow_http)?, path_style)?,
        None => default_endpoint(bucket.name(), &region, path_style),
    };
    let clock = Arc::new(TheirClock::default());
    let mut builder = of_environment(env)
        .with_bucket_name(bucket.name())
        .with_region(&region)
        .with_config(AmazonS3ConfigKey::S3Endpoint, &server)
        .with_virtual_hosted_style_request(!path_style)
        .with_disable_bulk_delete(true)
        .with_retry(retries())
        .with_client_options(ClientOptions::new().with_allow_http(allow_http.allowed))
        .with_http_connector(Connector { per_request, trusted, clock: Arc::clone(&clock) });
    if let Some(provider) = provider {
        builder = builder.with_credentials(provider);
    }
    let store = builder.build().map_err(|error| bucket.wrong("its settings do not fit").because(error))?;
    Ok((store, server, clock))
}

/// What the environment says of AWS, as far as it leaves the store what it relies on.
pub(crate) fn of_environment(env: &Environment) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::new();
    if let Some(endpoint) = env.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") {
        builder = builder.with_metadata_endpoint(endpoint.trim_end_matches('/'));
    }
    for (name, value) in env.starting_with("AWS_") {
        match name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
            Ok(key) if !IGNORED.contains(&key) => builder = builder.with_config(key, value),
            _ => {}
        }
    }
    builder
}

/// The endpoint with the bucket in front of its host, unless paths name the bucket.
fn with_bucket(bucket: &BucketUrl, mut url: Url, path_style: bool) -> Result<String> {
    let host = url.host_str().map(|host| format!("{}.{host}", bucket.name()));
    if !path_style && let Some(host) = host {
        url.set_host(Some(&host))
            .map_err(|error| bucket.wrong(&format!("its endpoint takes no bucket: {error}")))?;
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
