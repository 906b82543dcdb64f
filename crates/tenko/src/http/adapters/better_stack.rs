//! Better Stack's heartbeats: `/api/v1/heartbeat/<token>`, `.../fail`, `.../<exit code>`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::any;

use super::{Asked, Told, answer, not_found, one_token};
use crate::http::ping::desk::Desk;
use crate::server::intake::Said;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/api/v1/heartbeat/{token}", any(alive))
        .route("/api/v1/heartbeat/{token}/{end}", any(ended))
}

async fn alive(State(desk): State<Arc<Desk>>, Path(token): Path<String>, request: Request) -> Response {
    beat(&desk, &token, Said::Success, request).await
}

async fn ended(
    State(desk): State<Arc<Desk>>,
    Path((token, end)): Path<(String, String)>,
    request: Request,
) -> Response {
    match end.as_str() {
        "fail" => beat(&desk, &token, Said::Fail(None), request).await,
        code => match code.parse() {
            Ok(code) => beat(&desk, &token, Said::Exit(code), request).await,
            Err(_) => not_found(),
        },
    }
}

async fn beat(desk: &Desk, token: &str, said: Said, request: Request) -> Response {
    let Some(to) = one_token(desk, token) else { return not_found() };
    answer(Asked::from(request).hear(desk, to, said, Told::default()).await, StatusCode::OK, "OK")
}
