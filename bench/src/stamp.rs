//! Writes the monotonic time of its own start, in nanoseconds, to the file that it is told.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)?;
    let nanos = i128::from(now.tv_sec()) * 1_000_000_000 + i128::from(now.tv_nsec());
    let file = std::env::args_os().nth(1).ok_or("usage: bench-stamp FILE")?;
    Ok(std::fs::write(file, nanos.to_string())?)
}
