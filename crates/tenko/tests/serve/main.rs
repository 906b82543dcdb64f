//! `tenko serve` as a process: what it says, how it begins and ends, and what belongs to it.

#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod backup;
mod keys;
mod mail;
mod metrics;
mod peer_clients;
#[cfg(feature = "postgres")]
mod peer_postgres;
mod process;
mod systemd;
mod world;
