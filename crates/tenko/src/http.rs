//! HTTP: pings and the adapters for what other vendors send, health, and whatever pages the server adds.
//!
//! A connection goes through `connections` (is there room for it?), `framing` (does each of its requests have one
//! meaning?) and hyper; a request through `dispatch` to `ping`, which does its work without a router, or to an axum router.
//! What a ping means is decided elsewhere: see [`Hears`](crate::server::intake::Hears).

mod adapters;
mod body;
mod connection;
mod connections;
mod dispatch;
mod figures;
mod framing;
mod health;
mod keys;
mod listen;
mod options;
mod pages;
mod ping;
mod query;
mod rate;
mod sender;
mod server;
mod tls;
mod trace;
mod watched;

pub use figures::{Figures, Snapshot};
pub use health::Ready;
pub use keys::{KeyHash, Keys};
pub use listen::{Bound, Listen};
pub use options::{Limits, Options, RateLimit, Times, TlsFiles};
pub use rate::Rates;
pub use sender::Prefix;
pub use server::{App, HttpError, Server};
pub use tls::Certificate;
