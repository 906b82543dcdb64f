//! Every command through the built binary: what people and machines read, and the exit code.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

mod config;
mod environment;
mod help;
mod notify;
mod objects;
mod output;
mod people;
mod place;
mod receiver;
mod roll;
mod schedule;
mod shapes;
mod stored;
mod watch;
