//! The function as AWS Lambda runs it: the program that is shipped, a Runtime API, and a bucket.
#![expect(clippy::unwrap_used, reason = "tests, where a panic is the report")]
#![cfg(feature = "lambda")]

mod function;
mod server;
mod world;

mod events;
