//! Reads `[server]`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use toml::de::DeTable;
use uuid::Uuid;

use super::said::{self, SaidError};
use super::{MailOptions, MetricsOptions, ServerOptions, TlsFiles};
use crate::config::References;
use crate::config::keys::{MOST_CONNECTIONS, MOST_CREATED, MOST_PINGS, MOST_SERIES};
use crate::config::read::{self, Reading, Said};
use crate::config::shape;
use crate::secret::Secret;

/// Longer bodies are no pings, in bytes.
const LARGEST_BODY: u64 = 1024 * 1024;
/// A shorter key can be guessed.
const SHORTEST_KEY: usize = 16;
const LONGEST_KEY: usize = 100;

/// What is said of the server; the defaults for what is not said, and for what is wrong.
pub(in crate::config) fn server(
    reading: &mut Reading<'_>,
    top: &DeTable<'_>,
    references: &mut References,
) -> ServerOptions {
    let Some(table) = read::table(top, "server") else { return ServerOptions::default() };
    let default = ServerOptions::default();
    let count = |key, most| Some(usize::try_from(read::number(table, key, 1, most)?).unwrap_or(usize::MAX));
    ServerOptions {
        listen: several(reading, table, "listen", said::listen_at).unwrap_or(default.listen),
        url: one(reading, table, "url", said::public_url),
        ping_keys: ping_keys(reading, table, references),
        trusted_proxies: several(reading, table, "trusted_proxies", said::prefix).unwrap_or_default(),
        ping_at_root: read::flag(table, "ping_at_root").unwrap_or_default(),
        body_limit: body_limit(reading, table).unwrap_or(default.body_limit),
        retention: retention(reading, table).unwrap_or(default.retention),
        tls: tls(reading, table),
        max_connections: count("max_connections", MOST_CONNECTIONS).unwrap_or(default.max_connections),
        max_connections_per_address: count("max_connections_per_address", MOST_CONNECTIONS)
            .unwrap_or(default.max_connections_per_address),
        rate_limit: read::number(table, "rate_limit", 1, MOST_PINGS),
        key_rate_limit: read::number(table, "key_rate_limit", 1, MOST_PINGS),
        created_jobs_limit: read::number(table, "created_jobs_limit", 0, MOST_CREATED)
            .and_then(|most| usize::try_from(most).ok())
            .unwrap_or(default.created_jobs_limit),
        header_timeout: time(reading, table, "header_timeout").unwrap_or(default.header_timeout),
        body_timeout: time(reading, table, "body_timeout").unwrap_or(default.body_timeout),
        idle_timeout: time(reading, table, "idle_timeout").unwrap_or(default.idle_timeout),
        shutdown_timeout: time(reading, table, "shutdown_timeout").unwrap_or(default.shutdown_timeout),
        mail: mail(reading, table),
        metrics: metrics(reading, table, references),
    }
}

fn time(reading: &mut Reading<'_>, table: &DeTable<'_>, key: &'static str) -> Option<Duration> {
    reading.duration(table, key).map(SignedDuration::unsigned_abs)
}

fn understood<T>(
    reading: &mut Reading<'_>,
    said: &Said,
    understand: impl Fn(&str) -> Result<T, SaidError>,
) -> Option<T> {
    let refused = |SaidError { problem, hint }| reading.error(said.span.clone(), problem, hint);
    understand(&said.text).map_err(refused).ok()
}

fn one<T>(
    reading: &mut Reading<'_>,
    table: &DeTable<'_>,
    key: &str,
    understand: impl Fn(&str) -> Result<T, SaidError>,
) -> Option<T> {
    let said = read::text(table, key)?;
    understood(reading, &said, understand)
}

fn several<T>(
    reading: &mut Reading<'_>,
    table: &DeTable<'_>,
    key: &str,
    understand: impl Fn(&str) -> Result<T, SaidError>,
) -> Option<Vec<T>> {
    let all = read::texts(table, key)?;
    let read: Vec<T> = all.iter().filter_map(|said| understood(reading, said, &understand)).collect();
    if all.is_empty() && key == "listen" {
        reading.error(span(table, key), "nobody could reach the server", "name an address, or leave it out");
    }
    (!read.is_empty()).then_some(read)
}

fn span(table: &DeTable<'_>, key: &str) -> Range<usize> {
    table.get(key).map_or(0..0, toml::Spanned::span)
}

fn ping_keys(
    reading: &mut Reading<'_>,
    table: &DeTable<'_>,
    references: &mut References,
) -> BTreeMap<String, Secret> {
    let Some(keys) = read::table(table, "ping_keys") else { return BTreeMap::new() };
    let mut read = BTreeMap::new();
    for (name, value) in keys {
        let name = name.get_ref().to_string();
        let Some(found) = read::said(value).and_then(|said| reading.resolve_secret(&said)) else { continue };
        if let Some(reference) = found.reference {
            references.insert(format!("server.ping_keys.{name}"), reference);
        }
        match found.pending.then_some(()).map_or_else(|| wrong_with_key(found.secret.reveal()), |()| None) {
            Some(problem) => {
                let shown = shape::quoted(&name);
                let hint = "tenko key add NAME makes one that is kept in the store; or write 22 random characters of a-z and 0-9";
                reading.error(found.span, format!("the key {shown} {problem}"), hint);
            }
            None => drop(read.insert(name, found.secret)),
        }
    }
    read
}

/// Why a text can't be a key in a ping URL.
fn wrong_with_key(key: &str) -> Option<&'static str> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !key.bytes().all(allowed) {
        return Some("has other characters than a-z, A-Z, 0-9, - and _");
    }
    if !(SHORTEST_KEY..=LONGEST_KEY).contains(&key.len()) {
        return Some("has not between 16 and 100 characters");
    }
    key.parse::<Uuid>().is_ok().then_some("is a UUID, which would be taken for the address of a job")
}

fn body_limit(reading: &mut Reading<'_>, table: &DeTable<'_>) -> Option<usize> {
    let size = reading.size(table, "body_limit")?;
    if size > LARGEST_BODY {
        reading.error(span(table, "body_limit"), "body_limit is too large", "the most is 1MiB");
        return None;
    }
    usize::try_from(size).ok()
}

/// What is judged needs the evidence of at least a day.
fn retention(reading: &mut Reading<'_>, table: &DeTable<'_>) -> Option<SignedDuration> {
    let length = reading.duration(table, "retention")?;
    if length < SignedDuration::from_hours(24) {
        reading.error(span(table, "retention"), "retention is too short", "the least is 1d");
        return None;
    }
    Some(length)
}

fn path(reading: &mut Reading<'_>, table: &DeTable<'_>, key: &str, whole: &Range<usize>) -> Option<PathBuf> {
    let Some(said) = read::text(table, key) else {
        reading.error(
            whole.clone(),
            format!("tls has no {key}"),
            "write tls = { certificate = \"/path/of.pem\", key = \"/path/of.key\" }",
        );
        return None;
    };
    let path = PathBuf::from(said.text);
    if !path.is_absolute() {
        reading.error(said.span, "this is not an absolute path", "the server may be started anywhere");
        return None;
    }
    Some(path)
}

fn tls(reading: &mut Reading<'_>, table: &DeTable<'_>) -> Option<TlsFiles> {
    let inner = read::table(table, "tls")?;
    let whole = span(table, "tls");
    let certificate = path(reading, inner, "certificate", &whole);
    let key = path(reading, inner, "key", &whole);
    Some(TlsFiles { certificate: certificate?, key: key? })
}

fn mail(reading: &mut Reading<'_>, table: &DeTable<'_>) -> Option<MailOptions> {
    let inner = read::table(table, "mail")?;
    let hint = "write mail = { listen = \":25\", domain = \"ping.example.org\" }";
    let missing: Vec<_> = ["listen", "domain"].into_iter().filter(|key| !inner.contains_key(*key)).collect();
    for key in missing {
        reading.error(span(table, "mail"), format!("mail has no {key}"), hint);
    }
    let listen: Option<SocketAddr> = one(reading, inner, "listen", said::tcp_address);
    let domain = read::text(inner, "domain").and_then(|said| {
        let is_part =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if said.text.len() > 253 || !said.text.split('.').all(is_part) {
            reading.error(said.span.clone(), "this is not a domain", hint);
            return None;
        }
        Some(said.text.to_ascii_lowercase())
    });
    Some(MailOptions { listen: listen?, domain: domain? })
}

fn metrics(
    reading: &mut Reading<'_>,
    table: &DeTable<'_>,
    references: &mut References,
) -> Option<MetricsOptions> {
    if let Some(shown) = read::flag(table, "metrics") {
        return shown.then(MetricsOptions::default);
    }
    let mut metrics = MetricsOptions::default();
    let Some(inner) = read::table(table, "metrics") else { return Some(metrics) };
    if let Some(said) = reading.secret(inner, "key") {
        if let Some(reference) = said.reference {
            references.insert("server.metrics.key".into(), reference);
        }
        metrics.key = Some(said.secret);
    }
    if let Some(jobs) = read::number(inner, "jobs", 0, MOST_SERIES) {
        metrics.jobs = usize::try_from(jobs).unwrap_or(usize::MAX);
    }
    Some(metrics)
}
