//! The founding function in Python against Tenko, both doing the same against the same S3 server: HEAD on today's key,
//! and a message to Slack if it is missing. Each call is a process of its own, as after a cold start.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};
use tenko_store::testkit_s3::{BUCKET, Key, TestS3};

use crate::roll_call::server;
use crate::{Result, table};

const ROUNDS: usize = 30;
const ZONE: &str = "Asia/Tokyo";

#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    cpu: Duration,
    peak_kib: u64,
}

struct Contender {
    name: &'static str,
    words: Vec<OsString>,
}

/// Measures both, with the object present and missing.
pub(crate) fn measure() -> Result<()> {
    let Some(python) = python() else {
        return Err("set TENKO_BENCH_PYTHON to a python that has boto3, as bench/run does".into());
    };
    let place = tempfile::tempdir()?;
    let s3 = server()?;
    let slack = Slack::open()?;
    let bin = std::env::current_exe()?.parent().map(Path::to_owned).ok_or("no directory of programs")?;
    std::fs::write(place.path().join("tenko.toml"), config(&s3)?)?;
    let env = env(&s3, &slack);
    let mut rows = Vec::new();
    for present in [true, false] {
        arrange(&s3, present)?;
        let mut first = None;
        for contender in contenders(&python, &bin, &s3) {
            let (told, cost) = slack.count(|| cost(&contender, &bin, place.path(), &env))?;
            expect(&contender, present, told)?;
            let mark = *first.get_or_insert(cost);
            rows.push(row(contender.name, present, cost, mark));
        }
    }
    let header = ["function", "today's object", "wall", "CPU", "peak memory", "of Python: wall, CPU, memory"];
    table::print("The founding case, one cold process a call, medians", &header, &rows);
    Ok(())
}

fn python() -> Option<PathBuf> {
    std::env::var_os("TENKO_BENCH_PYTHON").map(PathBuf::from)
}

fn contenders(python: &Path, bin: &Path, s3: &TestS3) -> Vec<Contender> {
    let function = Path::new(env!("CARGO_MANIFEST_DIR")).join("founding/function.py");
    let tenko = |store: String| -> Vec<OsString> {
        let tenko = bin.join("tenko").into_os_string();
        std::iter::once(tenko).chain(["check", "--store", &store].map(OsString::from)).collect()
    };
    vec![
        Contender { name: "Python, boto3 and urllib", words: vec![python.into(), function.into()] },
        Contender { name: "`tenko check`, nothing kept", words: tenko("memory:".to_owned()) },
        Contender { name: "`tenko check`, roll in the same S3", words: tenko(s3.url("tenko")) },
    ]
}

/// Today's object is there since midnight, or not; and nobody has called the roll.
fn arrange(s3: &TestS3, present: bool) -> Result<()> {
    for key in s3.keys() {
        s3.remove(&key);
    }
    if present {
        let now = Timestamp::now();
        s3.skew_clock(midnight()?.timestamp().as_second() - now.as_second());
        s3.put(&format!("{}/evidence.txt", midnight()?.date()), "done\n");
        s3.skew_clock(0);
    }
    Ok(())
}

fn midnight() -> Result<ZonedDateTime> {
    Ok(Timestamp::now().to_zoned_datetime(TimeZone::get(ZONE)?).start_of_day()?)
}

/// A job that was due at midnight, and the same words as in the founding case.
fn config(s3: &TestS3) -> Result<String> {
    let today = midnight()?.timestamp();
    let object = s3.url_of(BUCKET, "{date}/evidence.txt");
    Ok(format!(
        "timezone = \"{ZONE}\"\n\n[channels.ops]\nslack = \"env:SLACK_WEBHOOK_URL\"\n\n[jobs.batch]\ncron = \"0 0 * * *\"\n\
         grace = \"1s\"\nsince = \"{today}\"\nnotify = [\"ops\"]\nobject = \"{object}\"\n"
    ))
}

fn env(s3: &TestS3, slack: &Slack) -> BTreeMap<String, String> {
    let mut env = s3.env(Key::Admin);
    let more = [
        ("AWS_ENDPOINT_URL", s3.endpoint()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
        ("BUCKET", BUCKET.to_owned()),
        ("KEY_SUFFIX", "evidence.txt".to_owned()),
        ("SLACK_WEBHOOK_URL", slack.url.clone()),
        ("PATH", std::env::var("PATH").unwrap_or_default()),
    ];
    env.extend(more.map(|(name, value)| (name.to_owned(), value)));
    env
}

fn cost(contender: &Contender, bin: &Path, place: &Path, env: &BTreeMap<String, String>) -> Result<Cost> {
    let output = Command::new(bin.join("bench-measure"))
        .arg(ROUNDS.to_string())
        .arg("alone")
        .args(&contender.words)
        .env_clear()
        .envs(env)
        .env("HOME", place)
        .env("TENKO_STATE_DIR", place.join("state"))
        .current_dir(place)
        .stderr(Stdio::inherit())
        .output()?;
    let line = String::from_utf8(output.stdout)?;
    let figures = line.split_whitespace().map(str::parse).collect::<std::result::Result<Vec<u64>, _>>()?;
    let [wall, cpu, peak_kib] = figures[..] else {
        return Err(format!("bench-measure failed for {}", contender.name).into());
    };
    Ok(Cost { wall: Duration::from_nanos(wall), cpu: Duration::from_nanos(cpu), peak_kib })
}

/// That each did what it is measured for: with a roll, Slack is told once; without one, each time.
fn expect(contender: &Contender, present: bool, told: usize) -> Result<()> {
    let as_expected = if present { told == 0 } else { told == 1 || told == ROUNDS + 1 };
    if as_expected { Ok(()) } else { Err(format!("{} told Slack {told} times", contender.name).into()) }
}

fn row(name: &str, present: bool, cost: Cost, python: Cost) -> Vec<String> {
    let ratio = |mark: f64, this: f64| format!("1/{:.0}", mark / this);
    let ratios = [
        ratio(python.wall.as_secs_f64(), cost.wall.as_secs_f64()),
        ratio(python.cpu.as_secs_f64(), cost.cpu.as_secs_f64()),
        ratio(python.peak_kib as f64, cost.peak_kib as f64),
    ];
    vec![
        name.to_owned(),
        if present { "present" } else { "missing" }.to_owned(),
        table::time(cost.wall),
        table::time(cost.cpu),
        table::mebibytes(cost.peak_kib),
        ratios.join(", "),
    ]
}

/// Accepts every message.
struct Slack {
    url: String,
    told: Arc<AtomicUsize>,
}

impl Slack {
    fn open() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("http://{}/services/T0/B0/x", listener.local_addr()?);
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accept(&stream).is_ok() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Ok(Self { url, told })
    }

    /// How many messages arrived meanwhile.
    fn count<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<(usize, T)> {
        let before = self.told.load(Ordering::SeqCst);
        let done = work()?;
        Ok((self.told.load(Ordering::SeqCst) - before, done))
    }
}

fn accept(stream: &TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line)? > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    reader.take(length).read_to_end(&mut Vec::new())?;
    let mut stream = stream;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
}
