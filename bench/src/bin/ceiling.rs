//! What the HTTP stack allows: an axum server that answers `OK` to every ping and stores nothing.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use tokio::net::TcpListener;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the address is what who started this waits for")]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?);
    let app = Router::new().fallback(ok);
    axum::serve(listener, app).await
}

/// The headers are those of an answer to a ping.
async fn ok() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::CACHE_CONTROL, "max-age=0, no-cache, no-store, must-revalidate, private"),
    ];
    (headers, "OK")
}
