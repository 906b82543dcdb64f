//! One HTTP request to a channel, and what its answer means.

use reqwest::{RequestBuilder, StatusCode};
use tenko_core::message::line;
use tenko_core::outbox::Delivery;

use crate::error::chain;
use crate::http_client::{beginning, retry_after};

/// How much of an answer is repeated, in characters.
const SHOWN: usize = 200;

/// Sends a request. `secrets` are kept out of every problem, `hint` may add what a status and the channel's own word
/// for it mean.
///
/// Accepted by 2xx. Later: 408, 425, 429 and 5xx, and when nothing could be heard at all. Never: everything else.
pub(super) async fn send(
    request: RequestBuilder,
    secrets: &[&str],
    hint: fn(u16, &str) -> Option<&'static str>,
) -> Delivery {
    match request.send().await {
        Ok(response) => judge(response, secrets, hint).await,
        Err(error) => unheard(error, secrets),
    }
}

async fn judge(
    response: reqwest::Response,
    secrets: &[&str],
    hint: fn(u16, &str) -> Option<&'static str>,
) -> Delivery {
    let status = response.status();
    if status.is_success() {
        return Delivery::Accepted;
    }
    let retry_after = retry_after(response.headers());
    let word = hidden(line(&beginning(response, 1000).await, SHOWN), secrets);
    let mut problem = format!("it answered {}", status.as_u16());
    if !word.is_empty() {
        problem = format!("{problem}: {word}");
    }
    if may_work_later(status) {
        return Delivery::Later { problem, retry_after };
    }
    let redirect = status.is_redirection().then_some("redirects are not followed, configure the final URL");
    if let Some(hint) = redirect.or_else(|| hint(status.as_u16(), &word)) {
        problem = format!("{problem} ({hint})");
    }
    Delivery::Never { problem }
}

fn may_work_later(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

fn unheard(error: reqwest::Error, secrets: &[&str]) -> Delivery {
    let error = error.without_url();
    let problem = hidden(chain(&error), secrets);
    if error.is_builder() {
        Delivery::Never { problem }
    } else {
        Delivery::Later { problem, retry_after: None }
    }
}

/// A text in which no secret is left. One of less than four characters can't be told from ordinary text.
pub(super) fn hidden(mut text: String, secrets: &[&str]) -> String {
    for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
        text = text.replace(*secret, "***");
    }
    text
}
