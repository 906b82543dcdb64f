//! The library behind the `tenko` binary, so that tests can start all of it in-process.

pub mod aws;
pub mod checker;
pub mod cli;
pub mod command;
pub mod config;
pub mod error;
pub mod exec;
#[cfg(feature = "server")]
pub mod http;
pub mod http_client;
#[cfg(feature = "lambda")]
pub mod lambda;
#[cfg(feature = "server")]
pub mod metrics;
pub mod notify;
pub mod place;
pub mod printer;
pub mod publish;
pub mod report;
pub mod secret;
#[cfg(feature = "server")]
pub mod server;
pub mod telemetry;
pub mod view;
pub mod words;
