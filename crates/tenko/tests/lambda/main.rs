//! The function as AWS Lambda runs it: the program that is shipped, a Runtime API, and a bucket.
#![expect(clippy::unwrap_used, reason = "tests, where a panic is the report")]

mod aws;
mod function;
mod server;
mod world;

mod configuration;
mod events;
mod interrupted;
mod stateless;
mod wake_ups;
