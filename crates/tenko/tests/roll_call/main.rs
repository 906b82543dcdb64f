//! The roll call as a whole: a store, a clock, channels, and what reaches them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod faults;
mod outage;
mod telling;
mod world;
