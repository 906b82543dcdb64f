//! What `tenko serve` may be told: where it listens, who may ping, and what it lets pass.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use jiff::SignedDuration;
use url::Url;

use crate::secret::Secret;

pub(super) mod reading;
mod said;

pub use said::{SaidError, listen_at, prefix, public_url, tcp_address};

/// What concerns `tenko serve`.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where it listens for HTTP; at least one.
    pub listen: Vec<ListenAt>,
    /// The URL under which others reach it; it ends in `/`. Without it, the first address at which it listens.
    pub url: Option<Url>,
    /// The keys that may stand in ping URLs, by name. More of them may be kept by the store.
    pub ping_keys: BTreeMap<String, Secret>,
    /// Proxies that are believed what they say about the address and protocol of clients, and about ids of requests.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether pings are also heard without `/ping` before them, as at hc-ping.com.
    pub ping_at_root: bool,
    /// How much of the body of a ping is kept, in bytes: its head and its tail.
    pub body_limit: usize,
    /// For how long evidence is kept.
    pub retention: SignedDuration,
    /// The certificate with which it speaks TLS itself, if it does.
    pub tls: Option<TlsFiles>,
    /// How many connections it holds at once, altogether.
    pub max_connections: usize,
    /// How many of one address, those of trusted proxies apart.
    pub max_connections_per_address: usize,
    /// How long a client may take for the first lines of a request, and for the TLS handshake.
    pub header_timeout: Duration,
    /// How long it may take for a body.
    pub body_timeout: Duration,
    /// For how long a connection is kept on which nothing is asked.
    pub idle_timeout: Duration,
    /// How many pings a minute are accepted for one job; any number, if `None`.
    pub rate_limit: Option<u32>,
    /// How many pings a minute are accepted for all jobs together under one ping key; any number, if `None`.
    pub key_rate_limit: Option<u32>,
    /// How many jobs may exist because pings created them.
    pub created_jobs_limit: usize,
    /// How long what is under way may take when it is told to stop.
    pub shutdown_timeout: Duration,
    /// Where it listens for pings by e-mail, if it does.
    pub mail: Option<MailOptions>,
    /// Its metrics, if it shows any.
    pub metrics: Option<MetricsOptions>,
}

/// Where to listen for HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAt {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket, by its path.
    Unix(PathBuf),
}

impl fmt::Display for ListenAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Where the certificate and its key lie: files of PEM, read at the start and again on HUP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and its root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Pings by e-mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailOptions {
    /// Where it listens for SMTP.
    pub listen: SocketAddr,
    /// The domain of the addresses to which pings are sent, in lower case.
    pub domain: String,
}

/// What is shown at `/metrics`, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsOptions {
    /// What a reader must present as `Authorization: Bearer ...`; anybody may read, if `None`.
    pub key: Option<Secret>,
    /// For how many jobs at most there are series of their own.
    pub jobs: usize,
}

impl Default for MetricsOptions {
    fn default() -> Self {
        Self { key: None, jobs: 1000 }
    }
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            listen: vec![ListenAt::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 8000)))],
            url: None,
            ping_keys: BTreeMap::new(),
            trusted_proxies: Vec::new(),
            ping_at_root: false,
            body_limit: 10_000,
            retention: SignedDuration::from_hours(90 * 24),
            tls: None,
            max_connections: 10_000,
            max_connections_per_address: 1000,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            rate_limit: None,
            key_rate_limit: None,
            created_jobs_limit: 10_000,
            shutdown_timeout: Duration::from_secs(30),
            mail: None,
            metrics: Some(MetricsOptions::default()),
        }
    }
}

impl ServerOptions {
    /// The URL under which others reach it, as far as anybody said; it ends in `/`.
    pub fn base_url(&self) -> String {
        let protocol = if self.tls.is_some() { "https" } else { "http" };
        let tcp = |at: &ListenAt| match at {
            ListenAt::Tcp(address) => Some(format!("{protocol}://{address}/")),
            ListenAt::Unix(_) => None,
        };
        let here = || self.listen.iter().find_map(tcp);
        self.url.as_ref().map(Url::to_string).or_else(here).unwrap_or_default()
    }
}
