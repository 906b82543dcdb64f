//! `/metrics`: what a server can tell of itself and its jobs, as Prometheus text or OpenMetrics.

mod families;
mod jobs;
mod page;
mod process;

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State as Shared;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;
use sha2::{Digest as _, Sha256};
use tenko_store::SharedStore;

use crate::config::Config;
use crate::http::Figures;
use crate::server::status::Status;
use crate::server::steady::Steady;
use jobs::Jobs;
use page::Page;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What there is to tell of an engine.
#[derive(Clone, Debug)]
pub struct Told {
    /// What it counts.
    pub status: Arc<Status>,
    /// The time by which it goes.
    pub clock: Steady,
    /// What it works by.
    pub config: Arc<Config>,
}

/// Knows the engine that works now.
pub trait Now: std::fmt::Debug + Send + Sync {
    /// What there is to tell of it.
    fn told(&self) -> Told;
}

/// Where what is shown comes from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The engine.
    pub now: Arc<dyn Now>,
    /// What the HTTP server counts, once there is one.
    pub figures: Arc<OnceLock<Arc<Figures>>>,
    /// The store, for what is kept of jobs.
    pub store: SharedStore,
}

#[derive(Clone, Debug)]
struct Shown {
    source: Source,
    jobs: Arc<Jobs>,
}

/// `/metrics`.
pub fn routes(source: Source) -> Router {
    let shown = Shown { source, jobs: Arc::default() };
    Router::new().route("/metrics", get(metrics)).with_state(shown)
}

async fn metrics(Shared(shown): Shared<Shown>, headers: HeaderMap) -> Response {
    let told = shown.source.now.told();
    let Some(options) = &told.config.server.metrics else { return StatusCode::NOT_FOUND.into_response() };
    if let Some(key) = &options.key
        && !is_presented(key.reveal(), &headers)
    {
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], "a key is needed\n")
            .into_response();
    }
    let jobs = shown.jobs.read(&shown.source.store, options.jobs).await;
    let figures = shown.source.figures.get().map(|figures| figures.snapshot());
    let page = Page { told, jobs, figures };
    let wants_open = headers
        .get_all(ACCEPT)
        .iter()
        .any(|accept| accept.to_str().is_ok_and(|accept| accept.contains("application/openmetrics-text")));
    match written(page, wants_open) {
        Ok(text) => {
            let kind = if wants_open { OPEN_METRICS } else { prometheus_text::CONTENT_TYPE };
            ([(CONTENT_TYPE, kind)], text).into_response()
        }
        Err(std::fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn written(page: Page, open_metrics: bool) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("tenko");
    registry.register_collector(Box::new(page));
    let mut out = String::new();
    if open_metrics {
        // What belongs to the process has names of its own.
        text::encode_registry(&mut out, &registry)?;
        text::encode_registry(&mut out, &process::registry())?;
        text::encode_eof(&mut out)?;
    } else {
        prometheus_text::encode(&mut out, &registry)?;
        prometheus_text::encode(&mut out, &process::registry())?;
    }
    Ok(out)
}

/// Whether the key stands in the headers. How long that takes does not depend on how much of it is right.
fn is_presented(key: &str, headers: &HeaderMap) -> bool {
    let said = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let said = said.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let digest = |text: &str| Sha256::digest(text.as_bytes());
    let (ours, theirs) = (digest(key), digest(said.map_or("", |(_, key)| key.trim())));
    said.is_some() && std::hint::black_box(ours.iter().zip(theirs).fold(0, |sum, (a, b)| sum | (a ^ b))) == 0
}

#[cfg(test)]
mod tests;
