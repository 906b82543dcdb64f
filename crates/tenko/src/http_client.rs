//! The one maker of HTTP clients: what every outgoing call has in common.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, StatusCode};
use rustls::{ClientConfig, RootCertStore};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a whole call may take, the answer's body included.
const TOTAL: Duration = Duration::from_secs(10);
/// How much of an answer is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;
/// The longest wait that a server may ask for.
const MAX_WAIT: SignedDuration = SignedDuration::from_hours(24);

/// A call could not be made, or was not answered. Names no URL, because a URL may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is no client to call with.
    #[error("the HTTP client could not be set up")]
    SetUp(#[source] reqwest::Error),
    /// The URL or a header is not valid.
    #[error("the request is not valid")]
    Request(#[source] reqwest::Error),
    /// No answer within the time that is allowed.
    #[error("there was no answer in time")]
    TimedOut(#[source] reqwest::Error),
    /// No connection.
    #[error("the connection failed")]
    Connect(#[source] reqwest::Error),
    /// The connection broke before the answer was complete.
    #[error("the connection broke before the answer was complete")]
    Broken(#[source] reqwest::Error),
}

impl CallError {
    fn of(error: reqwest::Error) -> Self {
        let error = error.without_url();
        match () {
            () if error.is_builder() => Self::Request(error),
            () if error.is_timeout() => Self::TimedOut(error),
            () if error.is_connect() => Self::Connect(error),
            () => Self::Broken(error),
        }
    }

    /// Whether the same call can never succeed.
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Request(_))
    }
}

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The beginning of the body; bytes that are no UTF-8 are replaced.
    pub body: String,
    /// The headers.
    pub headers: HeaderMap,
    /// How long the server asks to wait, if it does, at most a day.
    pub retry_after: Option<SignedDuration>,
}

/// The shared client: no redirects, 5 s to connect and 10 s in all, proxies as the environment says. Made at its first
/// use, because loading certificates takes time.
pub fn client() -> Result<&'static Client, CallError> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client);
    }
    let made = build(CONNECT, TOTAL)?;
    Ok(CLIENT.get_or_init(|| made))
}

/// A client with time limits of its own.
pub fn build(connect: Duration, total: Duration) -> Result<Client, CallError> {
    install_provider();
    Client::builder()
        .tls_backend_preconfigured(tls())
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(connect)
        .timeout(total)
        // Calls may come from one short-lived runtime after the other, with which connections end.
        .pool_max_idle_per_host(0)
        .user_agent(concat!("tenko/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| CallError::SetUp(error.without_url()))
}

/// Makes ring the provider of cryptography of this process, unless one was chosen before.
pub fn install_provider() {
    // An error says that there is a provider already, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
}

fn tls() -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions of TLS")
        .with_root_certificates(roots())
        .with_no_client_auth()
}

/// The system's certificates; Mozilla's, as compiled in, on a system that has none.
fn roots() -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    store
}

/// Makes a call and reads the beginning of the answer.
pub async fn call(request: RequestBuilder) -> Result<Answer, CallError> {
    let mut response = request.send().await.map_err(CallError::of)?;
    let status = response.status();
    let headers = response.headers().clone();
    let retry_after = retry_after(&headers, Timestamp::now());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(CallError::of)? {
        let room = MAX_ANSWER.saturating_sub(body.len());
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() >= room {
            break;
        }
    }
    Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned(), headers, retry_after })
}

/// `Retry-After` in both its forms (RFC 9110 section 10.2.3); at least nothing, at most a day.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<SignedDuration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        SignedDuration::from_secs(text.parse().unwrap_or(i64::MAX))
    } else {
        let until = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        until.duration_since(now)
    };
    Some(wait.clamp(SignedDuration::ZERO, MAX_WAIT))
}

/// A heartbeat was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum PingError {
    /// It was not answered.
    #[error("the heartbeat could not be sent")]
    Call(#[source] CallError),
    /// The answer was no success.
    #[error("the heartbeat was answered with status {0}")]
    Refused(u16),
}

/// Pings a heartbeat service by GET: any success status will do. Errors do not show the URL.
pub async fn ping_heartbeat(url: &crate::secret::Secret) -> Result<(), PingError> {
    let answer = async { call(client()?.get(url.reveal())).await }.await.map_err(PingError::Call)?;
    if answer.status.is_success() { Ok(()) } else { Err(PingError::Refused(answer.status.as_u16())) }
}
