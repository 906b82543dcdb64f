//! `tenko serve`: pings in, roll calls and notices out, on a store that is kept job by job.
//!
//! [`intake`] hears pings and judges the jobs that they are about in the transaction that stores them. Every node does the
//! same; there is no leader.

mod attendance;
mod engine;
pub mod intake;
pub mod status;
pub mod steady;

pub use attendance::Keys;
pub use engine::{Engine, EngineError, EngineOptions};
