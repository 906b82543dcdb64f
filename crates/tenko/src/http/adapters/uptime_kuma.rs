//! Uptime Kuma's push monitors: `/api/push/<token>?status=up&msg=OK&ping=12`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use super::{Asked, Told, one_token, unheard};
use crate::http::ping::desk::Desk;
use crate::server::intake::{Heard, Said};

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/api/push/{token}", any(push))
}

async fn push(State(desk): State<Arc<Desk>>, Path(token): Path<String>, request: Request) -> Response {
    let asked = Asked::from(request);
    let Some(to) = one_token(&desk, &token) else { return unknown() };
    let said = match asked.query("status").as_deref() {
        None | Some("up") => Said::Success,
        Some(_) => Said::Fail(None),
    };
    // The client writes "OK" if there is nothing to say.
    let message = asked.query("msg").filter(|message| message != "OK");
    let told =
        Told { message, duration: asked.query("ping").as_deref().and_then(milliseconds), ..Told::default() };
    match asked.hear(&desk, to, said, told).await {
        Ok(Heard::Unknown) => unknown(),
        Ok(Heard::Recorded | Heard::Created | Heard::Ignored) => json(r#"{"ok":true}"#).into_response(),
        Err(why) => unheard(why, json(r#"{"ok":false,"msg":"Try again later."}"#)),
    }
}

fn milliseconds(text: &str) -> Option<jiff::SignedDuration> {
    let milliseconds: f64 = text.parse().ok().filter(|ms| (0.0..=1e11).contains(ms))?;
    super::seconds(&(milliseconds / 1000.0).to_string())
}

fn unknown() -> Response {
    (StatusCode::NOT_FOUND, json(r#"{"ok":false,"msg":"Monitor not found or not active."}"#)).into_response()
}

fn json(text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json; charset=utf-8"), (ACCESS_CONTROL_ALLOW_ORIGIN, "*")], text)
}
