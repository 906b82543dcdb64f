//! What DESIGN says of schedules, limits, judging and telling, as timelines.

mod faults;
mod judging;
mod limits;
mod paused;
mod story;
mod telling;
