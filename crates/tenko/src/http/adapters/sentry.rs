//! Sentry's check-ins over HTTP: `/api/<project>/cron/<monitor>/<key>/?status=in_progress`, or the same as JSON.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use serde::Deserialize;
use uuid::Uuid;

use super::{Asked, Told, answer, in_environment, named, run, seconds};
use crate::http::ping::desk::{Desk, text};
use crate::server::intake::Said;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/api/{project}/cron/{monitor}/{key}", any(check_in))
        .route("/api/{project}/cron/{monitor}/{key}/", any(check_in))
}

/// What a check-in says, in its query or as JSON. The configuration of a monitor, which may come with it, is not read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CheckIn {
    status: Option<String>,
    check_in_id: Option<String>,
    environment: Option<String>,
    duration: Option<f64>,
}

async fn check_in(
    State(desk): State<Arc<Desk>>,
    Path((_project, monitor, key)): Path<(String, String, String)>,
    request: Request,
) -> Response {
    let mut asked = Asked::from(request);
    if !desk.keys.knows(&key) {
        return (StatusCode::FORBIDDEN, r#"{"detail":"event submission rejected with_reason: ProjectId"}"#)
            .into_response();
    }
    let Some(check_in) = read(&desk, &mut asked).await else { return wrong("invalid JSON") };
    let said = match check_in.status.as_deref() {
        Some("in_progress") => Said::Start,
        Some("ok") => Said::Success,
        Some("error") => Said::Fail(None),
        _ => return wrong("status must be in_progress, ok or error"),
    };
    let name = in_environment(&monitor, check_in.environment.as_deref());
    let Some(to) = named(&desk, &key, &name) else { return super::not_found() };
    let told = Told {
        // All zeros mean the latest run.
        rid: check_in.check_in_id.map(|id| run(&name, &id)).filter(|id| *id != Uuid::nil()),
        duration: check_in.duration.and_then(|duration| seconds(&duration.to_string())),
        ..Told::default()
    };
    answer(asked.hear(&desk, to, said, told).await, StatusCode::ACCEPTED, "")
}

async fn read(desk: &Desk, asked: &mut Asked) -> Option<CheckIn> {
    let json = match asked.body(desk).await {
        Some(body) => serde_json::from_str(&text(&body)).ok()?,
        None => CheckIn::default(),
    };
    let duration = asked.query("duration").and_then(|duration| duration.parse().ok());
    Some(CheckIn {
        status: asked.query("status").or(json.status),
        check_in_id: asked.query("check_in_id").or(json.check_in_id),
        environment: asked.query("environment").or(json.environment),
        duration: duration.or(json.duration),
    })
}

fn wrong(why: &'static str) -> Response {
    (StatusCode::BAD_REQUEST, why).into_response()
}
