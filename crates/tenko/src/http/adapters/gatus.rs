//! Gatus' external endpoints: `POST /api/v1/endpoints/<group_name>/external?success=true`, with a bearer token.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use jiff::SignedDuration;

use super::{Asked, Told, answer, not_found, slug};
use crate::http::KeyHash;
use crate::http::ping::desk::{Desk, Named};
use crate::server::intake::{Addressee, Said};

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/api/v1/endpoints/{key}/external", post(external))
}

async fn external(State(desk): State<Arc<Desk>>, Path(key): Path<String>, request: Request) -> Response {
    let asked = Asked::from(request);
    let said = match asked.query("success").as_deref() {
        Some("true") => Said::Success,
        Some("false") => Said::Fail(None),
        _ => return wrong("missing or invalid success query parameter".into()),
    };
    let by = match authorised(&desk, &asked) {
        Ok(key) => Some(key),
        Err(why) => return (StatusCode::UNAUTHORIZED, why).into_response(),
    };
    let Some(slug) = slug(&key) else { return not_found() };
    let duration = match asked.query("duration") {
        None => None,
        Some(text) => match go_duration(&text) {
            Some(duration) => Some(duration),
            None => return wrong(format!("invalid duration: time: invalid duration {text:?}")),
        },
    };
    let told = Told { message: asked.query("error"), duration, ..Told::default() };
    answer(asked.hear(&desk, Named { to: Addressee::Job(slug), by }, said, told).await, StatusCode::OK, "")
}

fn wrong(why: String) -> Response {
    (StatusCode::BAD_REQUEST, why).into_response()
}

fn authorised(desk: &Desk, asked: &Asked) -> Result<KeyHash, &'static str> {
    let header = asked.head.headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
    let token =
        header.and_then(|header| header.strip_prefix("Bearer")).ok_or("invalid Authorization header")?;
    match token.trim() {
        "" => Err("bearer token must not be empty"),
        token => desk.keys.known(token).ok_or("invalid token"),
    }
}

/// A length of time as Go writes it: `1.5s`, `1h2m3s`, `300ms`, `0`.
fn go_duration(text: &str) -> Option<SignedDuration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(unit_at);
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        seconds += number.parse::<f64>().ok()? * unit_in_seconds(unit)?;
        rest = after;
    }
    (!text.is_empty()).then(|| super::seconds(&seconds.to_string())).flatten()
}

fn unit_in_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_as_go_writes_them() {
        for (text, milliseconds) in [
            ("1.5s", 1500),
            ("1h2m3s", 3_723_000),
            ("300ms", 300),
            ("0", 0),
            ("2000us", 2),
            ("1m0.5s", 60_500),
        ] {
            assert_eq!(go_duration(text).unwrap().as_millis(), milliseconds, "{text}");
        }
        for bad in ["", "1", "s", "1.5", "-1s", "1x", "1s2", "1..5s", "."] {
            assert_eq!(go_duration(bad), None, "{bad}");
        }
    }
}
