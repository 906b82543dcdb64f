//! Cronitor's telemetry: `/p/<key>/<monitor>?state=run&series=...`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use jiff::{SignedDuration, Timestamp};
use tenko_core::Exit;

use super::{Asked, Told, answer, in_environment, named, not_found, run, seconds};
use crate::http::ping::desk::Desk;
use crate::http::query;
use crate::server::intake::Said;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/p/{key}/{monitor}", any(telemetry))
}

async fn telemetry(
    State(desk): State<Arc<Desk>>,
    Path((key, monitor)): Path<(String, String)>,
    request: Request,
) -> Response {
    let asked = Asked::from(request);
    let name = in_environment(&monitor, asked.query("env").as_deref());
    let Some(to) = named(&desk, &key, &name) else { return not_found() };
    let Some(said) = said(&asked) else {
        return (StatusCode::BAD_REQUEST, "state must be run, complete, fail or ok").into_response();
    };
    let told = Told {
        rid: asked.query("series").map(|series| run(&name, &series)),
        at: asked.query("stamp").as_deref().and_then(stamp),
        message: asked.query("message").or_else(|| asked.query("msg")),
        duration: duration(&asked),
        host: asked.query("host"),
    };
    answer(asked.hear(&desk, to, said, told).await, StatusCode::OK, "OK")
}

/// A heartbeat has no state, and says that all is well.
fn said(asked: &Asked) -> Option<Said> {
    let code = asked.query("status_code").and_then(|code| code.parse::<i64>().ok());
    let code = code.map(|code| u8::try_from(code).unwrap_or(u8::MAX));
    Some(match asked.query("state").as_deref() {
        Some("run") => Said::Start,
        Some("fail") => Said::Fail(code.filter(|code| *code != 0).map(Exit::Code)),
        Some("complete") => code.map_or(Said::Success, Said::Exit),
        None | Some("ok" | "tick") => Said::Success,
        Some(_) => return None,
    })
}

/// `metric=duration:45.2`, or `duration=45.2`.
fn duration(asked: &Asked) -> Option<SignedDuration> {
    let query = asked.head.uri.query().unwrap_or_default();
    let mut metrics = query::values(query, "metric");
    let metric = metrics.find_map(|metric| metric.strip_prefix("duration:").and_then(seconds));
    metric.or_else(|| asked.query("duration").as_deref().and_then(seconds))
}

/// Seconds since 1970.
fn stamp(text: &str) -> Option<Timestamp> {
    let seconds: f64 = text.parse().ok().filter(|seconds| (0.0..=1e11).contains(seconds))?;
    Timestamp::from_duration(SignedDuration::try_from_secs_f64(seconds).ok()?).ok()
}
