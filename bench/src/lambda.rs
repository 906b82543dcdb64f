//! How soon the Lambda function asks for its first event, and how long it takes for an answer, cold and warm.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Result, table};

const ROUNDS: usize = 100;
/// A program to measure in place of the one that lies beside this one, such as that of the zip.
const BOOTSTRAP: &str = "TENKO_BENCH_BOOTSTRAP";
const CONFIG: &str = "timezone = \"Asia/Tokyo\"\njobs.daily-report.cron = \"0 5 * * *\"\n";

#[derive(Default)]
struct Times {
    init: Vec<Duration>,
    cold: Vec<Duration>,
    warm: Vec<Duration>,
}

/// Measures the program as a function, with a Runtime API on loopback and a store in a directory.
pub(crate) fn measure() -> Result<()> {
    let beside = std::env::current_exe()?.with_file_name("tenko");
    let program = std::env::var_os(BOOTSTRAP).map_or(beside, PathBuf::from);
    let place = tempfile::tempdir()?;
    let api = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut times = Times::default();
    for _ in 0..ROUNDS {
        one(&program, place.path(), &api, &mut times)?;
    }
    let row = |name: &str, times: &mut Vec<Duration>| {
        times.sort_unstable();
        vec![name.to_owned(), table::time(times[times.len() / 2]), table::time(times[times.len() * 9 / 10])]
    };
    let rows = [
        row("start of the process to the first /next", &mut times.init),
        row("first event to its answer", &mut times.cold),
        row("second event to its answer", &mut times.warm),
    ];
    table::print("What the Lambda function takes", &["", "median", "9 of 10 within"], &rows);
    Ok(())
}

fn one(program: &Path, place: &Path, api: &TcpListener, times: &mut Times) -> Result<()> {
    let mut command = Command::new(program);
    command.env_clear().env("AWS_LAMBDA_RUNTIME_API", api.local_addr()?.to_string());
    command.envs([("AWS_LAMBDA_FUNCTION_NAME", "tenko"), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")]);
    command.envs([("AWS_LAMBDA_FUNCTION_VERSION", "1"), ("TENKO_CONFIG_TOML", CONFIG)]);
    command
        .env("TENKO_STORE", format!("file://{}", place.display()))
        .env("TENKO_STATE_DIR", place.join("state"));
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let (stream, _) = api.accept()?;
    let mut reader = BufReader::new(&stream);
    heard(&mut reader)?;
    times.init.push(begun.elapsed());
    for into in [&mut times.cold, &mut times.warm] {
        let asked = Instant::now();
        say(
            &stream,
            "Lambda-Runtime-Aws-Request-Id: 1\r\nLambda-Runtime-Deadline-Ms: 0\r\nLambda-Runtime-Invoked-Function-Arn: x\r\n",
        )?;
        let request = heard(&mut reader)?;
        into.push(asked.elapsed());
        if !request.contains("/response") {
            return Err(format!("the function failed: {request}").into());
        }
        say(&stream, "")?;
        heard(&mut reader)?;
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// Reads one request and gives its first line.
fn heard(reader: &mut BufReader<&TcpStream>) -> Result<String> {
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err("the function ended".into());
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    reader.read_exact(&mut vec![0; length])?;
    Ok(first)
}

fn say(mut stream: &TcpStream, headers: &str) -> Result<()> {
    stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{headers}\r\n{{}}").as_bytes())?;
    Ok(())
}
