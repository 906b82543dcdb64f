//! What `tenko run` costs beside the command that it runs.

use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

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
    /// From its exec to that of the command.
    added: Duration,
    peak_kib: u64,
}

/// Measures `tenko run -- true` against `sh -c true`, chronic and a bare spawn-and-wait.
pub(crate) fn measure() -> Result<()> {
    let place = tempfile::tempdir()?;
    let bin = std::env::current_exe()?.parent().map(Path::to_owned).ok_or("no directory of programs")?;
    // It accepts connections, as the kernel does so, and never answers.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut rows = Vec::new();
    for contender in contenders(&bin, place.path(), silent.local_addr()?.port()) {
        let Some(cost) = cost(&contender, &bin, place.path())? else {
            rows.push(vec![contender.name.into(), "not installed".into()]);
            continue;
        };
        rows.push(row(contender.name, &cost));
    }
    let header = ["command", "wall", "CPU", "its exec to exec of the child", "peak memory"];
    table::print("What the wrapper costs: `... true`, medians", &header, &rows);
    Ok(())
}

fn row(name: &str, cost: &Cost) -> Vec<String> {
    vec![
        name.to_owned(),
        table::time(cost.wall),
        table::time(cost.cpu),
        table::time(cost.added),
        table::mebibytes(cost.peak_kib),
    ]
}

fn contenders(bin: &Path, place: &Path, silent_port: u16) -> Vec<Contender> {
    let tenko = |store: String| {
        let tenko = bin.join("tenko").into_os_string();
        let words = ["run", "--job", "bench", "--store", &store, "--"].map(OsString::from);
        std::iter::once(tenko).chain(words).collect()
    };
    let place = place.display();
    let s3 = format!("s3://bucket/x?endpoint=http://127.0.0.1:{silent_port}&region=x&allow_http=true");
    let contender = |name, before, rounds| Contender { name, before, rounds };
    vec![
        contender("the command itself", vec![], ROUNDS),
        contender("bare Rust spawn and wait", vec![bin.join("bench-bare-run").into()], ROUNDS),
        contender("`sh -c`", ["sh", "-c", "\"$@\"; exit $?", "sh"].map(OsString::from).into(), ROUNDS),
        contender("`chronic` (moreutils)", vec!["chronic".into()], ROUNDS / 4),
        contender("`tenko run`, SQLite", tenko(format!("sqlite://{place}/bench.db")), ROUNDS),
        contender("`tenko run`, file://", tenko(format!("file://{place}/files")), ROUNDS),
        contender("`tenko run`, S3 that never answers", tenko(s3), 3),
    ]
}

/// What it costs; nothing if the program is not there.
fn cost(contender: &Contender, bin: &Path, place: &Path) -> Result<Option<Cost>> {
    let output = Command::new(bin.join("bench-measure"))
        .arg(contender.rounds.to_string())
        .arg(bin.join("bench-stamp"))
        .args(&contender.before)
        .env("TENKO_STATE_DIR", place.join("state"))
        .env("AWS_ACCESS_KEY_ID", "nobody")
        .env("AWS_SECRET_ACCESS_KEY", "nothing")
        .current_dir(place)
        .stderr(Stdio::inherit())
        .output()?;
    match output.status.code() {
        Some(0) => read(&String::from_utf8(output.stdout)?).map(Some),
        Some(3) => Ok(None),
        _ => Err(format!("bench-measure failed for {}", contender.name).into()),
    }
}

fn read(line: &str) -> Result<Cost> {
    let figures = line.split_whitespace().map(str::parse).collect::<std::result::Result<Vec<u64>, _>>()?;
    let [wall, cpu, added, peak_kib] = figures[..] else {
        return Err("bench-measure prints four figures".into());
    };
    let [wall, cpu, added] = [wall, cpu, added].map(Duration::from_nanos);
    Ok(Cost { wall, cpu, added, peak_kib })
}
