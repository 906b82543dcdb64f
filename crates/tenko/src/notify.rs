//! Channels: one file each.
//!
//! Each turns the message of a notice, or the digest of several, into what its receiver takes, sends it once and says
//! what became of it. Trying again is the outbox's business.

mod channels;
mod command;
mod email;
mod form;
mod heartbeat;
pub mod options;
mod post;
mod slack;
mod webhook;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod scripted;

pub use channels::{Channel, Channels};
pub(crate) use channels::{LATEST, LONGEST};
pub use heartbeat::{HeartbeatError, ping_heartbeat};
pub use slack::payload as slack_payload;
