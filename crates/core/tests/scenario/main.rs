//! What DESIGN says of schedules, limits, judging and telling, as timelines.
#![expect(clippy::unwrap_used, reason = "the code beside the tests is part of them")]

mod faults;
mod judging;
mod limits;
mod outbox;
mod paused;
mod story;
mod telling;
