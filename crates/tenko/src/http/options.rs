//! How the HTTP server is to behave.

use std::path::PathBuf;
use std::time::Duration;

use super::listen::Listen;
use super::sender::Prefix;
use crate::config::ServerOptions;

/// How the HTTP server is to behave.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; at all of them.
    pub listen: Vec<Listen>,
    /// With which certificate; without one it speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// From which addresses `X-Forwarded-For`, `X-Forwarded-Proto` and `Forwarded` are believed. They are not counted
    /// against `limits.connections_per_address`. Whoever comes through a Unix socket is always believed.
    pub trusted: Vec<Prefix>,
    /// Whether pings are also heard without `/ping` before them, as at hc-ping.com.
    pub ping_at_root: bool,
    /// Whether the URLs of other vendors are heard.
    pub adapters: bool,
    /// How many bytes of a ping's body are kept, head and tail together.
    pub body_limit: usize,
    /// How long it waits.
    pub times: Times,
    /// How much it takes.
    pub limits: Limits,
    /// How often one job may be pinged, if that is limited.
    pub rate: Option<RateLimit>,
    /// How often all jobs together may be pinged by one key, if that is limited.
    pub key_rate: Option<RateLimit>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            tls: None,
            trusted: Vec::new(),
            ping_at_root: false,
            adapters: true,
            body_limit: 10_000,
            times: Times::default(),
            limits: Limits::default(),
            rate: None,
            key_rate: None,
        }
    }
}

/// Where certificate and key lie, as PEM. They are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, followed by those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// How long the server waits for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// For all of the first lines of a request, from its first byte; and for the TLS handshake.
    pub header: Duration,
    /// For the next request, or the first one.
    pub idle: Duration,
    /// For all of a body.
    pub body: Duration,
    /// For the client to take what is written to it.
    pub write: Duration,
    /// For requests under way when the server stops.
    pub drain: Duration,
}

impl Default for Times {
    fn default() -> Self {
        let configured = ServerOptions::default();
        Self {
            header: configured.header_timeout,
            idle: configured.idle_timeout,
            body: configured.body_timeout,
            write: Duration::from_secs(10),
            drain: Duration::from_secs(10),
        }
    }
}

/// How much the server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all; never more than the limit of open files leaves. What comes above is answered 503 and closed.
    pub connections: usize,
    /// Connections of one address, or of one /64 of IPv6.
    pub connections_per_address: usize,
    /// Bytes of the first lines of a request. No more than 100 lines are taken.
    pub header_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 20_000, connections_per_address: 1_000, header_bytes: 16 * 1024 }
    }
}

/// How often one job may be pinged, or any job by one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Pings a minute, in the long run.
    pub per_minute: u32,
    /// Pings at once.
    pub burst: u32,
}

impl RateLimit {
    /// So many pings a minute, of which a tenth may come at once.
    pub fn evenly(per_minute: u32) -> Self {
        Self { per_minute, burst: per_minute.div_ceil(10) }
    }
}
