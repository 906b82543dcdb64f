//! What other vendors' clients send, heard as pings, so that moving here is a change of host names and keys.
//!
//! Each adapter reads the URL of one vendor into a [`Told`], and answers as that vendor does. Where the vendor has a key and a
//! name, the key is a ping key and the name that of a job; where it has one token, see [`one_token`].

mod better_stack;
mod cronitor;
mod dead_mans_snitch;
mod gatus;
mod sentry;
mod uptime_kuma;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::RETRY_AFTER;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use jiff::{SignedDuration, Timestamp};
use tenko_core::{Output, Report, Slug};
use uuid::Uuid;

use super::dispatch::Peer;
use super::ping::desk::{Desk, Named, Unheard, text};
use super::query;
use crate::server::intake::{Addressee, Heard, Ping, Said};

/// From what is not a UUID, a run's id is made in this namespace.
const NAMESPACE: Uuid = Uuid::from_u128(0x6c1d_58a4_9f0e_4b83_9d2f_0c27_63f1_a5be);
/// The most characters of a remark or a host's name that are kept.
const MAX_TEXT: usize = 2000;

pub(super) fn routes(desk: &Arc<Desk>) -> Router {
    Router::new()
        .merge(better_stack::routes())
        .merge(cronitor::routes())
        .merge(dead_mans_snitch::routes())
        .merge(gatus::routes())
        .merge(sentry::routes())
        .merge(uptime_kuma::routes())
        .with_state(Arc::clone(desk))
}

/// What a request told, in whichever words.
#[derive(Debug, Default)]
struct Told {
    rid: Option<Uuid>,
    at: Option<Timestamp>,
    message: Option<String>,
    duration: Option<SignedDuration>,
    host: Option<String>,
}

/// A request, as far as its vendor's adapter has not read it yet.
struct Asked {
    head: Parts,
    body: Body,
}

impl From<Request> for Asked {
    fn from(request: Request) -> Self {
        let (head, body) = request.into_parts();
        Self { head, body }
    }
}

impl Asked {
    fn query(&self, name: &str) -> Option<String> {
        value(self.head.uri.query().unwrap_or_default(), name)
    }

    /// Takes its body.
    async fn body(&mut self, desk: &Desk) -> Option<Output> {
        desk.keep(std::mem::take(&mut self.body)).await
    }

    /// Hands in that `to` said something, with the body, if nobody took it.
    async fn hear(mut self, desk: &Desk, named: Named, said: Said, told: Told) -> Result<Heard, Unheard> {
        let Named { to, by } = named;
        let output = self.body(desk).await;
        let create = self.query("create").as_deref() == Some("1") && matches!(to, Addressee::Job(_));
        let peer = self.head.extensions.get().copied().unwrap_or(Peer { address: None, tls: false });
        let via = Some(desk.senders.via(peer, self.head.method.as_str(), &self.head.headers));
        let text = [told.message.clone(), output.as_ref().map(text)];
        let text = text.into_iter().flatten().reduce(|message, body| format!("{message}\n{body}"));
        let Told { rid, at, message, duration, host } = told;
        let report = Report { output, via, message, duration, host, ..Report::default() };
        desk.hear(by, Ping { to, said, rid, create, at, report, text }).await
    }
}

/// A value that is not empty.
fn value(query: &str, name: &str) -> Option<String> {
    let value = query::value(query, name)?;
    let value = value.trim();
    (!value.is_empty()).then(|| value.chars().take(MAX_TEXT).collect())
}

/// Whom a single token means: an address, with or without its dashes, or `<key>-<slug>`.
fn one_token(desk: &Desk, token: &str) -> Option<Named> {
    if matches!(token.len(), 32 | 36)
        && let Ok(address) = Uuid::try_parse(token)
    {
        return Some(Named { to: Addressee::Address(address), by: None });
    }
    let (key, name) = token.split_once('-')?;
    named(desk, key, name)
}

/// The job of this name, if the key is known.
fn named(desk: &Desk, key: &str, name: &str) -> Option<Named> {
    let by = desk.keys.known(key)?;
    Some(Named { to: Addressee::Job(slug(name)?), by: Some(by) })
}

/// Vendors' names, in lower case, and with `-` for what ours can't hold.
fn slug(name: &str) -> Option<Slug> {
    let letters = name.chars().map(|letter| match letter.to_ascii_lowercase() {
        letter @ ('a'..='z' | '0'..='9' | '_' | '-') => letter,
        _ => '-',
    });
    let name: String = letters.collect();
    Slug::new(name.trim_start_matches(['-', '_'])).ok()
}

/// Another environment than production is another job: what happens there answers no due of production.
fn in_environment(name: &str, environment: Option<&str>) -> String {
    match environment {
        None | Some("production" | "prod") => name.to_owned(),
        Some(environment) => format!("{name}-{environment}"),
    }
}

/// A run by what a vendor calls it: a UUID is itself, another word becomes one, the same one each time for the same name.
fn run(name: &str, word: &str) -> Uuid {
    Uuid::try_parse(word).unwrap_or_else(|_| Uuid::new_v5(&NAMESPACE, format!("{name}/{word}").as_bytes()))
}

/// So many seconds, if that is a length of time.
fn seconds(text: &str) -> Option<SignedDuration> {
    let seconds: f64 = text.parse().ok().filter(|seconds| (0.0..=1e9).contains(seconds))?;
    SignedDuration::try_from(Duration::from_secs_f64(seconds)).ok()
}

/// The answer to what was not heard.
fn unheard(why: Unheard, body: impl axum::response::IntoResponse) -> Response {
    let (status, retry_after) = match why {
        Unheard::TooOften { retry_after } => (StatusCode::TOO_MANY_REQUESTS, retry_after),
        Unheard::Later { retry_after } => (StatusCode::SERVICE_UNAVAILABLE, retry_after),
    };
    (status, [(RETRY_AFTER, HeaderValue::from(retry_after))], body).into_response()
}

/// The answer of vendors that answer with a text.
fn answer(heard: Result<Heard, Unheard>, status: StatusCode, text: &'static str) -> Response {
    match heard {
        Ok(Heard::Unknown) => not_found(),
        Ok(Heard::Recorded | Heard::Created | Heard::Ignored) => (status, text).into_response(),
        Err(why) => unheard(why, "try again later"),
    }
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "not found").into_response()
}
