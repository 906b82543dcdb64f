//! What `tenko run` costs beside the command that it runs.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};

use crate::{Result, table};

const ROUNDS: usize = 200;

struct Contender {
    name: &'static str,
    before: Vec<OsString>,
    rounds: usize,
}

struct Cost {
    wall: Duration,
    cpu: Duration,
    to_child: Duration,
    peak_kib: u64,
}

/// Measures `tenko run -- true` against `sh -c true`, chronic and a bare spawn-and-wait.
pub(crate) fn measure() -> Result<()> {
    let place = tempfile::tempdir()?;
    let bin = std::env::current_exe()?.parent().map(Path::to_owned).ok_or("no directory of programs")?;
    let silent = std::net::TcpListener::bind("127.0.0.1:0")?;
    let stamp = place.path().join("stamp");
    let mut rows = Vec::new();
    for contender in contenders(&bin, place.path(), silent.local_addr()?.port()) {
        let Some(cost) = median_cost(&contender, &bin, place.path(), &stamp)? else {
            rows.push(vec![contender.name.into(), "not installed".into()]);
            continue;
        };
        rows.push(vec![
            contender.name.to_owned(),
            table::time(cost.wall),
            table::time(cost.cpu),
            table::time(cost.to_child),
            format!("{:.1} MiB", cost.peak_kib as f64 / 1024.0),
        ]);
    }
    let header = ["command", "wall", "CPU", "exec to exec of the child", "peak memory"];
    table::print("What the wrapper costs (`... true`)", &header, &rows);
    Ok(())
}

fn contenders(bin: &Path, place: &Path, silent_port: u16) -> Vec<Contender> {
    let tenko = |store: String| {
        let words = [bin.join("tenko").into(), "run".into(), "--job".into(), "bench".into(), "--store".into(), store.into(), "--".into()];
        Vec::from(words)
    };
    let place = place.display();
    let s3 = format!("s3://bucket/x?endpoint=http://127.0.0.1:{silent_port}&allow_http=true");
    let contender = |name, before, rounds| Contender { name, before, rounds };
    vec![
        contender("the command itself", vec![], ROUNDS),
        contender("bare Rust spawn and wait", vec![bin.join("bench-bare-run").into()], ROUNDS),
        contender("sh -c", vec!["sh".into(), "-c".into(), "\"$@\"".into(), "sh".into()], ROUNDS),
        contender("chronic (moreutils)", vec!["chronic".into()], ROUNDS / 4),
        contender("tenko run, SQLite", tenko(format!("sqlite://{place}/bench.db")), ROUNDS),
        contender("tenko run, file://", tenko(format!("file://{place}/files")), ROUNDS),
        contender("tenko run, S3 that does not answer", tenko(s3), 1),
    ]
}

/// The median over some rounds; nothing if the program is not there.
fn median_cost(contender: &Contender, bin: &Path, place: &Path, stamp: &Path) -> Result<Option<Cost>> {
    let mut costs = Vec::new();
    for _ in 0..contender.rounds {
        let Some(wall) = once(contender, &["true".into()], place)? else { return Ok(None) };
        let start = monotonic()?;
        once(contender, &[bin.join("bench-stamp").into(), stamp.into()], place)?;
        let child: u128 = std::fs::read_to_string(stamp)?.parse()?;
        let to_child = Duration::from_nanos(u64::try_from(child.saturating_sub(start))?);
        costs.push((wall.0, wall.1, to_child));
    }
    let peak_kib = u64::try_from(getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss())?;
    Ok(Some(Cost {
        wall: table::median(costs.iter().map(|cost| cost.0).collect()),
        cpu: table::median(costs.iter().map(|cost| cost.1).collect()),
        to_child: table::median(costs.iter().map(|cost| cost.2).collect()),
        peak_kib,
    }))
}

/// Wall and CPU of one call.
fn once(contender: &Contender, command: &[OsString], place: &Path) -> Result<Option<(Duration, Duration)>> {
    let words: Vec<&OsString> = contender.before.iter().chain(command).collect();
    let cpu_before = cpu_of_children()?;
    let start = Instant::now();
    let status = Command::new(words[0])
        .args(&words[1..])
        .env("TENKO_STATE_DIR", place.join("state"))
        .current_dir(place)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(Some((start.elapsed(), cpu_of_children()? - cpu_before))),
    }
}

fn cpu_of_children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    Ok(Duration::from_micros(u64::try_from(micros(usage.user_time()) + micros(usage.system_time()))?))
}

fn monotonic() -> Result<u128> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(u128::try_from(now.tv_sec())? * 1_000_000_000 + u128::try_from(now.tv_nsec())?)
}
