//! Drives the execution engine from outside, for its tests: `exec_probe [options] -- command [args]`.
//!
//! Exits as `tenko run` does. With `--report FILE`, writes there what happened, as JSON.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tenko::exec::{self, Exit, Outcome, OutputMode, Task};

#[derive(Parser)]
struct Options {
    /// Where the outcome goes.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Time limit in milliseconds.
    #[arg(long)]
    timeout: Option<u64>,
    /// Milliseconds between TERM and KILL.
    #[arg(long, default_value_t = 10_000)]
    kill_after: u64,
    /// Show output on failure only.
    #[arg(long)]
    quiet: bool,
    /// Do not capture.
    #[arg(long)]
    passthrough: bool,
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match exec::spawn(task(&options)) {
        Ok(running) => {
            let outcome = running.wait();
            report(&options, &outcome);
            ExitCode::from(exec::exit_code(&outcome.exit))
        }
        Err(error) => ExitCode::from(error.exit_code()),
    }
}

fn task(options: &Options) -> Task {
    let mut task = Task::new(&options.command[0]);
    task.args = options.command[1..].to_vec();
    task.timeout = options.timeout.map(Duration::from_millis);
    task.kill_after = Duration::from_millis(options.kill_after);
    task.quiet = options.quiet;
    if options.passthrough {
        task.output = OutputMode::Passthrough;
    }
    task
}

fn report(options: &Options, outcome: &Outcome) {
    let Some(path) = &options.report else { return };
    let (code, signal) = match outcome.exit {
        Exit::Code(code) => (Some(code), None),
        Exit::Signal { number, .. } => (None, Some(number)),
    };
    let report = serde_json::json!({
        "code": code,
        "signal": signal,
        "timed_out": outcome.timed_out,
        "millis": outcome.duration.as_millis(),
        "head": String::from_utf8_lossy(&outcome.output.head),
        "tail": String::from_utf8_lossy(&outcome.output.tail),
        "total": outcome.output.total,
        "left_open": outcome.output.pipe_left_open,
        "own_rss": own_peak_rss(),
    });
    fs::write(path, report.to_string()).expect("the test made this directory");
}

/// Peak resident memory of this process in kB.
fn own_peak_rss() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
