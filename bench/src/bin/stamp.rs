//! Writes the monotonic time of its own start, in nanoseconds, to the file that it is told.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?);
    let file = std::env::args_os().nth(1).ok_or("usage: bench-stamp FILE")?;
    Ok(std::fs::write(file, now.as_nanos().to_string())?)
}
