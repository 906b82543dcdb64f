//! What Tenko's words mean and what follows from them.
//!
//! This crate decides and does nothing else: when a job was due ([`schedule`]), what its evidence says
//! ([`evidence`]), which verdict follows ([`judge`]), who is to be told ([`notice`]) and in which words
//! ([`message`]). It has no clock, no file, no socket and no random number: `now` is always an argument, so a
//! roll call over a past moment gives the answer that it would have given then.

pub mod calendar;
pub mod call;
pub mod evidence;
pub mod exact;
pub mod flaw;
pub mod format;
pub mod job;
pub mod judge;
pub mod message;
pub mod name;
pub mod notice;
pub mod outbox;
pub mod roll;
pub mod schedule;
pub mod state;

pub use evidence::{Declaration, Evidence, Exit, Kind, Output, Report, RunId, Via};
pub use exact::Exact;
pub use flaw::{Flaw, FlawKind, Shrink};
pub use job::{Job, JobSpec, Limits};
pub use judge::{Event, Step, step};
pub use name::{ChannelName, Slug, SourceName};
pub use notice::{Notice, NoticeKind};
pub use roll::Roll;
pub use state::{JobState, Reason, Verdict};
