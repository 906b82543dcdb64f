//! `tenko serve`: pings in, roll calls and notices out, on a store that is kept job by job.
//!
//! [`intake`] hears pings and judges the jobs that they are about in the transaction that stores them. Every node does the
//! same; there is no leader.

mod attendance;
mod census;
mod deadlines;
mod delivery;
mod desk;
mod engine;
mod hearing;
pub mod intake;
mod judge;
mod parts;
mod pulse;
mod recent;
mod retention;
mod roster;
mod runs;
pub mod sources;
pub mod status;
pub mod steady;
mod survey;
mod sweep;

pub use attendance::Keys;
pub(crate) use desk::LONGEST_SILENCE;
pub use engine::{Engine, EngineError, EngineOptions};
