//! The engine of a server, on SQLite and on PostgreSQL: what it hears, when it decides, whom it tells.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod beside;
mod delivery;
mod faults;
mod house;
mod moody;
#[cfg(feature = "postgres")]
mod peer_postgres;
mod pings;
mod stories;
mod world;
