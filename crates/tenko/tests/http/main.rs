//! The HTTP side of the server, over real sockets, with somebody scripted who hears the pings.
#![expect(clippy::unwrap_used, reason = "tests, where a panic is the report")]

mod adapters;
mod client;
mod hostile;
mod listening;
mod pings;
mod tls;
mod world;
