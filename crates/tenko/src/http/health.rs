//! Whether the process lives, and whether it can do its work.

use std::fmt::Debug;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use std::sync::Arc;

/// Says whether the server can hear pings.
pub trait Ready: Debug + Send + Sync {
    /// Answers at once, from what is known.
    ///
    /// # Errors
    /// Why it is not ready, in a sentence that anybody may read.
    fn ready(&self) -> Result<(), String>;
}

/// `/livez` and `/readyz`.
pub(super) fn routes(ready: Arc<dyn Ready>) -> Router {
    let readiness = move || {
        let answer = match ready.ready() {
            Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        };
        async move { answer }
    };
    Router::new().route("/livez", get(|| async { "alive\n" })).route("/readyz", get(readiness))
}
