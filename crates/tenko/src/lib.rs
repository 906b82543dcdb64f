//! The library behind the `tenko` binary, so that tests can start all of it in-process.

pub mod config;
pub mod notify;
pub mod secret;
