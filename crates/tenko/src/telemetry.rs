//! Logs: to standard error, as `TENKO_LOG` asks (`warn` unless it is set; `tenko=debug`, or `json` before a colon).

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::writer::MakeWriterExt as _;

/// Starts to log. A second call changes nothing.
pub fn init() {
    start("warn");
}

fn start(usual: &str) {
    let wanted = std::env::var("TENKO_LOG").unwrap_or_default();
    let (json, filter) = match wanted.strip_prefix("json:") {
        Some(filter) => (true, filter),
        None => (false, wanted.as_str()),
    };
    let filter = EnvFilter::try_new(if filter.is_empty() { usual } else { filter });
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(usual));
    let writer = std::io::stderr.with_max_level(tracing::Level::TRACE);
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_target(false);
    // Fails only if a subscriber is there already, which is then the one to use.
    drop(if json { subscriber.json().try_init() } else { subscriber.with_ansi(false).try_init() });
}

/// Starts to log as a server does: the same, but what Tenko itself does is told too unless `TENKO_LOG` says otherwise.
pub fn init_server() {
    start("warn,tenko=info,tenko_store=info");
}

/// Starts to log as CloudWatch reads it: one JSON object a line. `TENKO_LOG` says how much, else the level that the
/// function's logging configuration asks for (`AWS_LAMBDA_LOG_LEVEL`), else `info`.
pub fn init_lambda() {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let wanted = var("TENKO_LOG").map(|wanted| wanted.trim_start_matches("json:").to_owned());
    let level = wanted.or_else(|| var("AWS_LAMBDA_LOG_LEVEL")).unwrap_or_else(|| "info".into());
    let level = level.to_ascii_lowercase();
    // What Lambda calls the worst.
    let level = if level == "fatal" { "error".to_owned() } else { level };
    // What others log below a warning is about them and not about jobs.
    let filter = match level.parse::<LevelFilter>() {
        Ok(level) => EnvFilter::new(format!("warn,tenko={level}")),
        Err(_) => EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("warn,tenko=info")),
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let json = subscriber.with_target(false).json().flatten_event(true).with_span_list(false);
    // Fails only if a subscriber is there already, which is then the one to use.
    drop(json.try_init());
}
