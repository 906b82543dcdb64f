//! A bucket of Google Cloud Storage.
//!
//! The XML interface is what is spoken (<https://cloud.google.com/storage/docs/xml-api/overview>).

use std::sync::Arc;
use std::time::Duration;

use object_store::ClientOptions;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};

use super::bucket::{AllowHttp, BucketUrl};
use super::cloud::Cloud;
use super::connection::{Connector, TheirClock, retries};
use super::objects::Objects;
use super::rights::Rights;
use crate::Result;
use crate::credentials::Environment;

const SERVER: &str = "https://storage.googleapis.com";

/// Prepares a bucket of Google Cloud Storage; credentials are in the variables that begin with `GOOGLE_`.
pub(super) fn connect(
    bucket: &BucketUrl,
    env: &Environment,
    per_request: Option<Duration>,
) -> Result<Arc<dyn Objects>> {
    let mut builder = GoogleCloudStorageBuilder::new();
    for (name, value) in env.starting_with("GOOGLE_") {
        if let Ok(key) = name.to_ascii_lowercase().parse::<GoogleConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    let allow_http = AllowHttp::of(bucket, env, "GOOGLE_ALLOW_HTTP");
    let endpoint = bucket.option("endpoint").or_else(|| env.get("GOOGLE_BASE_URL"));
    if let Some(endpoint) = &endpoint {
        let url = bucket.checked_endpoint(endpoint, &allow_http)?;
        builder = builder.with_base_url(url.as_str().trim_end_matches('/'));
    }
    let clock = Arc::new(TheirClock::default());
    let store = builder
        .with_bucket_name(bucket.name())
        .with_retry(retries())
        .with_client_options(ClientOptions::new().with_allow_http(allow_http.allowed))
        .with_http_connector(Connector { per_request, trusted: None, clock: Arc::clone(&clock) })
        .build()
        .map_err(|error| bucket.wrong("its settings do not fit").because(error))?;
    let server = endpoint.as_deref().unwrap_or(SERVER);
    Ok(Arc::new(Cloud::new(store, bucket.place(server, Rights::Google), clock)))
}
