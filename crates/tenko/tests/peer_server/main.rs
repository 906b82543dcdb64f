//! `tenko serve` as a process, among real peers: killed, frozen, cut off, on a full disk, pinged by the clients of others,
//! and telling receivers that behave badly. Nothing that was answered with 200 may be lost, and nobody told twice under two ids.

#![cfg(all(feature = "server", feature = "postgres", feature = "sqlite"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
#![expect(clippy::print_stdout, reason = "figures, for whoever wants to see them")]

mod account;
mod clients;
mod disk;
mod home;
mod kill;
mod load;
mod node;
mod nodes;
mod proxy;
mod receiver;
mod receivers;
#[path = "../small_disk/mod.rs"]
mod small_disk;
