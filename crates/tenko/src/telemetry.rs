//! Logs: to standard error, as `TENKO_LOG` asks (`warn` unless it is set; `tenko=debug`, or `json` before a colon).

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::MakeWriterExt as _;

/// Starts to log. A second call changes nothing.
pub fn init() {
    let wanted = std::env::var("TENKO_LOG").unwrap_or_default();
    let (json, filter) = match wanted.strip_prefix("json:") {
        Some(filter) => (true, filter),
        None => (false, wanted.as_str()),
    };
    let filter = EnvFilter::try_new(if filter.is_empty() { "warn" } else { filter });
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("warn"));
    let writer = std::io::stderr.with_max_level(tracing::Level::TRACE);
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_target(false);
    // Fails only if a subscriber is there already, which is then the one to use.
    drop(if json { subscriber.json().try_init() } else { subscriber.with_ansi(false).try_init() });
}
