//! The HTTP connection to a bucket: it follows no redirects, waits for a bounded time, and survives hostile keys.
//!
//! One key that the library takes for no path, such as `evidence//x`, makes it refuse the whole page of a list. Whoever
//! may write evidence could blind all roll calls that way. So such keys are spelled differently before the library
//! sees them; the store then tells of them as unreadable.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpService,
};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use reqwest::header::{AGE, DATE, HeaderMap};

use crate::tls;

/// How long one request may take.
pub(crate) const PER_REQUEST: Duration = Duration::from_secs(10);
const TO_CONNECT: Duration = Duration::from_secs(3);
/// The longest page of a list that is read; a thousand keys of 1024 bytes are two megabytes.
const MAX_PAGE: usize = 32 << 20;

/// Few and quick: the caller has a deadline, and tries again itself.
pub(crate) fn retries() -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(1),
        base: 2.0,
    };
    RetryConfig { backoff, max_retries: 2, retry_timeout: Duration::from_secs(15) }
}

/// The clock of the server, as far as it is known: the `Date` of its last answer (RFC 9110 section 6.6.1), in whole
/// seconds.
#[derive(Debug, Default)]
pub(crate) struct TheirClock(Mutex<Option<Timestamp>>);

impl TheirClock {
    pub(crate) fn last(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer that a cache gives tells of the past, and has an `Age`.
    fn note(&self, headers: &HeaderMap) {
        let text =
            headers.get(DATE).filter(|_| !headers.contains_key(AGE)).and_then(|date| date.to_str().ok());
        let Some(date) = text.and_then(|text| rfc2822::parse(text).ok()) else { return };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(date.timestamp());
    }
}

/// Makes the connections.
#[derive(Debug, Default)]
pub(crate) struct Connector {
    pub(crate) per_request: Option<Duration>,
    /// The only authorities whose certificates are accepted; those of the machine, if `None`.
    pub(crate) trusted: Option<Vec<reqwest::Certificate>>,
    /// Where it is noted what time the server has.
    pub(crate) clock: Arc<TheirClock>,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let value = |key| options.get_config_value(&key);
        // The library asks for one second where the machine's own metadata service is concerned.
        let quick = value(ClientConfigKey::ConnectTimeout).is_some_and(|timeout| timeout == "1s");
        let http = value(ClientConfigKey::AllowHttp).is_some_and(|allowed| allowed == "true");
        let failed = |source| object_store::Error::Generic { store: "HTTP", source };
        let client = client(self.trusted.as_deref())
            .map_err(|error| failed(error.into()))?
            .user_agent(concat!("tenko/", env!("CARGO_PKG_VERSION")))
            .timeout(self.per_request.unwrap_or(PER_REQUEST))
            .connect_timeout(if quick { Duration::from_secs(1) } else { TO_CONNECT })
            .https_only(!http)
            .build()
            .map_err(|error| failed(error.into()))?;
        Ok(HttpClient::new(Connection { client, clock: Arc::clone(&self.clock) }))
    }
}

/// A client that follows no redirects and trusts whom it is told to.
pub(crate) fn client(
    trusted: Option<&[reqwest::Certificate]>,
) -> Result<reqwest::ClientBuilder, rustls::Error> {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    Ok(match trusted {
        Some(trusted) => client.tls_certs_only(trusted.iter().cloned()),
        None => client.tls_backend_preconfigured(tls::config()?),
    })
}

#[derive(Debug)]
struct Connection {
    client: reqwest::Client,
    clock: Arc<TheirClock>,
}

#[async_trait]
impl HttpService for Connection {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let element = request.uri().query().and_then(element_of_keys);
        let response = HttpService::call(&self.client, request).await?;
        self.clock.note(response.headers());
        match element {
            Some(element) if response.status().is_success() => disarm(response, element).await,
            _ => Ok(response),
        }
    }
}

/// How keys are marked in the answer to a list: as S3 and Google do it, or as Azure.
fn element_of_keys(query: &str) -> Option<&'static str> {
    if query.contains("list-type=2") {
        return Some("<Key>");
    }
    query.contains("comp=list").then_some("<Name>")
}

async fn disarm(response: HttpResponse, element: &str) -> Result<HttpResponse, HttpError> {
    use futures::TryStreamExt;
    let (parts, body) = response.into_parts();
    let mut page = Vec::new();
    let mut stream = body.bytes_stream();
    while let Some(part) = stream.try_next().await? {
        if page.len() + part.len() > MAX_PAGE {
            let error = std::io::Error::other("the page of the list is far too long");
            return Err(HttpError::new(HttpErrorKind::Decode, error));
        }
        page.extend_from_slice(&part);
    }
    let page = respell_keys(page, element);
    Ok(HttpResponse::from_parts(parts, Bytes::from(page).into()))
}

/// Spells keys differently that the library would refuse; all others stay as they are.
fn respell_keys(page: Vec<u8>, open: &str) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(&page) else {
        return String::from_utf8_lossy(&page).into_owned().into();
    };
    if text.split(open).skip(1).all(|rest| is_harmless(rest.split('<').next().unwrap_or_default())) {
        return page;
    }
    let mut parts = text.split(open);
    let mut respelled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (key, rest) = part.split_at(part.find('<').unwrap_or(part.len()));
        respelled.push_str(open);
        if is_harmless(key) {
            respelled.push_str(key);
        } else {
            respelled.push_str(&respell(key));
        }
        respelled.push_str(rest);
    }
    respelled.into_bytes()
}

fn is_harmless(key: &str) -> bool {
    let segments_are = key.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    segments_are && !key.contains("&#") && !key.chars().any(|c| c.is_ascii_control())
}

fn respell(key: &str) -> String {
    let segments = key.split('/').map(|segment| match segment {
        "" => "%".to_owned(),
        "." | ".." => segment.replace('.', "%2E"),
        _ => {
            let spell = |c: char| if c.is_ascii_control() { format!("%{:02X}", c as u32) } else { c.into() };
            segment.replace("&#", "%26%23").chars().map(spell).collect()
        }
    });
    segments.collect::<Vec<String>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn respelled(key: &str) -> String {
        let page = format!("<R><Contents><Key>{key}</Key></Contents><Contents><Key>a/b</Key></Contents></R>");
        let page = String::from_utf8(respell_keys(page.into_bytes(), "<Key>")).unwrap();
        assert!(page.contains("<Key>a/b</Key>"), "{page}");
        page.split("<Key>").nth(1).unwrap().split("</Key>").next().unwrap().to_owned()
    }

    #[test]
    fn keys_that_the_library_would_refuse_are_spelled_differently() {
        for (key, expected) in [
            ("evidence/a", "evidence/a"),
            ("evidence/a &amp; b", "evidence/a &amp; b"),
            ("evidence//x", "evidence/%/x"),
            ("evidence/../x", "evidence/%2E%2E/x"),
            ("evidence/./x", "evidence/%2E/x"),
            ("evidence/x/", "evidence/x/%"),
            ("evidence/a\nb", "evidence/a%0Ab"),
            ("evidence/a&#x1;b", "evidence/a%26%23x1;b"),
        ] {
            assert_eq!(respelled(key), expected);
            assert!(object_store::path::Path::parse(respelled(key)).is_ok());
        }
    }
}
