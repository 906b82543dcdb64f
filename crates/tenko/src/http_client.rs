//! The one HTTP client for everything that is told to the outside.
//!
//! Redirects are not followed: whoever can answer must not be able to send a secret elsewhere.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use jiff::SignedDuration;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;

/// The longest that a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest that one exchange may take, from the first look-up to the last byte.
const TOTAL: Duration = Duration::from_secs(10);
/// The longest that a server may ask us to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No version of TLS can be spoken.
    #[error("can't set up TLS")]
    Tls(#[source] rustls::Error),
    /// The client could not be put together.
    #[error("can't set up an HTTP client")]
    Build(#[source] reqwest::Error),
}

/// The client, made at the first call. It keeps no connections, so that any runtime may use it after another has ended.
///
/// # Errors
/// When TLS can't be set up; nothing is connected here.
pub fn client() -> Result<reqwest::Client, ClientError> {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client.clone());
    }
    let new = build()?;
    Ok(CLIENT.get_or_init(|| new).clone())
}

fn build() -> Result<reqwest::Client, ClientError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tenko_store::tls::config().map_err(ClientError::Tls)?)
        .redirect(Policy::none())
        .connect_timeout(CONNECT)
        .timeout(TOTAL)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("tenko/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(ClientError::Build)
}

/// The first bytes of an answer's body, at most so many, as text; what arrived before the connection broke.
pub async fn beginning(mut response: reqwest::Response, most: usize) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < most {
        let Ok(Some(chunk)) = response.chunk().await else { break };
        bytes.extend_from_slice(&chunk[..chunk.len().min(most - bytes.len())]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How long the server asked to wait: seconds or a date (RFC 9110, section 10.2.3), at most a day. Whatever else it
/// wrote is no wish.
pub fn retry_after(headers: &HeaderMap) -> Option<SignedDuration> {
    retry_after_at(headers, SystemTime::now())
}

fn retry_after_at(headers: &HeaderMap, now: SystemTime) -> Option<SignedDuration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => LONGEST_WAIT,
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    SignedDuration::try_from(wait.min(LONGEST_WAIT)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(text: &str) -> Option<i64> {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        retry_after_at(&headers, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_understood_and_bounded() {
        let cases = [
            ("30", Some(30)),
            ("0", Some(0)),
            ("86401", Some(86_400)),
            ("99999999999999999999999999", Some(86_400)),
            ("Sun, 06 Nov 1994 08:51:07 GMT", Some(90)),
            ("Sunday, 06-Nov-94 08:51:07 GMT", Some(90)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Mon, 06 Nov 2034 08:00:00 GMT", Some(86_400)),
            ("-3", None),
            ("soon", None),
            ("", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(wait(text), seconds, "{text:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn the_client_is_made_once_and_needs_no_runtime() {
        assert!(client().is_ok());
        assert!(client().is_ok());
    }
}
