//! Dead Man's Snitch: `/<token>?m=a remark&s=exit status`, or the same as a form.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::any;

use super::{Asked, Told, answer, not_found, one_token, value};
use crate::http::ping::desk::{Desk, text};
use crate::server::intake::Said;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/{token}", any(check_in))
}

async fn check_in(State(desk): State<Arc<Desk>>, Path(token): Path<String>, request: Request) -> Response {
    let mut asked = Asked::from(request);
    let Some(to) = one_token(&desk, &token) else { return not_found() };
    let form = asked.body(&desk).await.map(|body| text(&body)).unwrap_or_default();
    let status = asked.query("s").or_else(|| value(&form, "s"));
    let message = asked.query("m").or_else(|| value(&form, "m"));
    let said = match status {
        None => Said::Success,
        // A status that is no exit code says at least that it is not well.
        Some(status) => status.parse().map_or(Said::Fail(None), Said::Exit),
    };
    let told = Told { message, ..Told::default() };
    answer(asked.hear(&desk, to, said, told).await, StatusCode::ACCEPTED, "Got it, thanks!")
}
