//! Runs one contender some times and prints what that cost, as medians: nanoseconds of wall time, of CPU, and from
//! its exec to that of the command (which is how much later the command begins than it does alone); and the peak memory of the largest process, in KiB.
//!
//! It is a program of its own, and a small one, because the kernel tells the peak only as the maximum over all children
//! that ended, and counts what the parent had at the fork.

#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::ffi::OsString;
use std::io;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::time::{ClockId, clock_gettime};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// That the contender is not there.
const ABSENT: u8 = 3;

/// `bench-measure ROUNDS STAMP_PROGRAM [WORDS BEFORE THE COMMAND]`, in a directory that may be written to; or
/// `bench-measure ROUNDS alone COMMAND...`, which prints wall, CPU and peak of a command that runs no other.
fn main() -> Result<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    let rounds = args.next().ok_or("how many rounds?")?.into_string().map_err(|_| "no number")?.parse()?;
    let stamp = args.next().ok_or("which program writes the stamp?")?;
    let before: Vec<OsString> = args.collect();
    if stamp == "alone" {
        return measure_alone(rounds, &before);
    }
    // The first call creates what later ones find.
    match once(&before, &["/bin/true".into()]) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ExitCode::from(ABSENT)),
        first => drop(first?),
    }
    measure(rounds, &before, stamp)?;
    Ok(ExitCode::SUCCESS)
}

fn measure(rounds: usize, before: &[OsString], stamp: OsString) -> Result<()> {
    let (mut walls, mut cpus, mut delays) = (Vec::new(), Vec::new(), Vec::new());
    let mut alone = Vec::new();
    let stamped = [stamp, "stamp".into()];
    for _ in 0..rounds {
        let (wall, cpu) = once(before, &["/bin/true".into()])?;
        walls.push(wall);
        cpus.push(cpu);
        delays.push(until_stamp(before, &stamped)?);
        alone.push(until_stamp(&[], &stamped)?);
    }
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss();
    println!("{} {} {} {peak}", median(walls), median(cpus), median(delays).saturating_sub(median(alone)));
    Ok(())
}

fn measure_alone(rounds: usize, command: &[OsString]) -> Result<ExitCode> {
    once(command, &[])?;
    let costs = (0..rounds).map(|_| once(command, &[])).collect::<io::Result<Vec<_>>>()?;
    let (walls, cpus) = costs.into_iter().unzip();
    println!("{} {} {}", median(walls), median(cpus), getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss());
    Ok(ExitCode::SUCCESS)
}

/// From before the fork until the command has begun.
fn until_stamp(before: &[OsString], stamped: &[OsString]) -> Result<u64> {
    let start = monotonic()?;
    once(before, stamped)?;
    Ok(std::fs::read_to_string("stamp")?.parse::<u64>()?.saturating_sub(start))
}

/// Wall and CPU of one call, in nanoseconds.
fn once(before: &[OsString], command: &[OsString]) -> io::Result<(u64, u64)> {
    let words: Vec<&OsString> = before.iter().chain(command).collect();
    let cpu = cpu_of_children()?;
    let start = Instant::now();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status()?;
    Ok((nanos(start.elapsed()), nanos(cpu_of_children()?.saturating_sub(cpu))))
}

fn cpu_of_children() -> io::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: TimeVal| u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or(0);
    Ok(Duration::from_micros(micros(usage.user_time()) + micros(usage.system_time())))
}

fn monotonic() -> Result<u64> {
    Ok(nanos(clock_gettime(ClockId::CLOCK_MONOTONIC)?.into()))
}

fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}
