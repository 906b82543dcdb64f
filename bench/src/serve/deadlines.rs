//! From deadlines to the receiver: scattered ones, and all at once.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::databases;
use super::receiver::{Message, Receiver};
use super::server::Server;
use crate::{Result, table};

const SCATTERED: usize = 1000;
const AT_ONCE: usize = 10_000;
/// How long the server has to start and to enrol all jobs before the first deadline.
const HEAD_START: SignedDuration = SignedDuration::from_secs(12);
/// Over how long the scattered deadlines are scattered.
const OVER: SignedDuration = SignedDuration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) fn measure() -> Result<()> {
    let place = tempfile::tempdir()?;
    scattered(place.path())?;
    let mut rows = Vec::new();
    for (name, channels, digest) in [("one webhook, digests", 1, true), ("100 webhooks, singly", 100, false)]
    {
        for database in databases(place.path(), if digest { "digests" } else { "singly" })? {
            rows.push(at_once(place.path(), name, &database, channels, digest)?);
        }
    }
    let header = [
        "10,000 jobs due at once",
        "store",
        "first message after",
        "all decided after",
        "all told after",
        "messages",
    ];
    table::print("A mass outage", &header, &rows);
    Ok(())
}

fn scattered(place: &Path) -> Result<()> {
    let mut rows = Vec::new();
    for database in databases(place, "scattered")? {
        let receiver = Receiver::start()?;
        let first = Timestamp::now() + HEAD_START;
        let step = OVER / i32::try_from(SCATTERED)?;
        let mut config = channels(&receiver, 1, true);
        for job in 0..SCATTERED {
            config.push_str(&one_job(job, 0, first + step * i32::try_from(job)?));
        }
        let _server = Server::tenko(place, &database.url, &config)?;
        let messages = receiver.until(|messages| told(messages) >= SCATTERED, PATIENCE);
        let mut lags: Vec<Duration> = messages.iter().flat_map(lags).collect();
        if lags.len() != SCATTERED {
            return Err(format!("{} of {SCATTERED} notices arrived", lags.len()).into());
        }
        lags.sort_unstable();
        let at = |share: usize| table::time(lags[lags.len() * share / 100]);
        rows.push(vec![database.name.to_owned(), at(50), at(99), table::time(lags[lags.len() - 1])]);
    }
    let header = ["store", "p50", "p99", "longest"];
    table::print("From a deadline to the first byte at a webhook, 1,000 jobs over 20 s", &header, &rows);
    Ok(())
}

fn at_once(
    place: &Path,
    name: &str,
    database: &super::Database,
    count: usize,
    digest: bool,
) -> Result<Vec<String>> {
    let receiver = Receiver::start()?;
    let deadline = Timestamp::now() + HEAD_START;
    let mut config = channels(&receiver, count, digest);
    for job in 0..AT_ONCE {
        config.push_str(&one_job(job, job % count, deadline));
    }
    let _server = Server::tenko(place, &database.url, &config)?;
    let messages = receiver.until(|messages| told(messages) >= AT_ONCE, PATIENCE);
    if told(&messages) != AT_ONCE {
        return Err(format!("{} of {AT_ONCE} notices arrived", told(&messages)).into());
    }
    let after = |at: Option<Timestamp>| -> Result<String> {
        Ok(table::time(at.ok_or("no message")?.duration_since(deadline).try_into()?))
    };
    // Written means decided: a notice is written in the transaction of its flip.
    let written = messages.iter().flat_map(|message| moments(message, "created_at")).max();
    let (first, last) =
        (messages.iter().map(|message| message.at).min(), messages.iter().map(|message| message.at).max());
    Ok(vec![
        name.to_owned(),
        database.name.to_owned(),
        after(first)?,
        after(written)?,
        after(last)?,
        table::count(messages.len() as f64),
    ])
}

fn channels(receiver: &Receiver, count: usize, digest: bool) -> String {
    let mut text = String::new();
    for channel in 0..count {
        let url = format!("http://{}/{channel}", receiver.address);
        text.push_str(&format!("[channels.c{channel}]\nwebhook = \"{url}\"\ndigest = {digest}\n"));
    }
    text
}

/// A job whose success is due by `deadline` and will not come.
fn one_job(job: usize, channel: usize, deadline: Timestamp) -> String {
    let grace = SignedDuration::from_secs(1);
    let every = SignedDuration::from_hours(24);
    let since = deadline - grace - every;
    format!(
        "[jobs.job-{job}]\nevery = \"1d\"\ngrace = \"1s\"\nsince = \"{since}\"\nnotify = [\"c{channel}\"]\n"
    )
}

/// How many notices messages tell of.
fn told(messages: &[Message]) -> usize {
    messages.iter().map(|message| message.notices).sum()
}

fn lags(message: &Message) -> Vec<Duration> {
    let lag = |at: Timestamp| message.at.duration_since(at).try_into().unwrap_or_default();
    moments(message, "at").into_iter().map(lag).collect()
}

/// A moment of each notice of a message: a digest has several.
fn moments(message: &Message, name: &str) -> Vec<Timestamp> {
    let Ok(body) = serde_json::from_str::<serde_json::Value>(&message.body) else { return Vec::new() };
    let notices = body.get("notices").and_then(|notices| notices.as_array().cloned());
    let notices = notices.unwrap_or_else(|| vec![body]);
    notices.iter().filter_map(|notice| notice.get(name)?.as_str()?.parse().ok()).collect()
}
