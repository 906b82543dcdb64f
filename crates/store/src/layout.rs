//! The names of objects: the only file that knows them.
//!
//! ```text
//! evidence/2026-11-23/050312.120Z/<job>/<run>.start.json
//! evidence/2026-11-23/051007.482Z/<job>/<run>.success.1f3a9c02.json
//! evidence/2026-11-24/081500.120Z/<job>/<run>.fail-3.at-20261123T051007.482Z.json
//! roll/99999999999999999956.json.zst
//! roll/probe
//! ```
//!
//! Time comes first, so that what is new lies at the end and the cost of reading it follows its amount and not the
//! number of jobs. All times are UTC, cut to milliseconds.
//!
//! **The time a key starts with is when the evidence was first sent**, which is normally when it happened. When it was
//! sent a minute or more after it happened, as spooled evidence is, the key starts with the moment of sending and names
//! that of happening too, as `at-`. Evidence that arrives days late thus lies near the cursor and is found by the next
//! ordinary LIST, instead of far behind it where nobody looks again. What is tried again within a minute, even by
//! another process, goes to the same key. Evidence that claims to lie in the future starts with the time it claims.
//!
//! The last part before `.json` is the digest of the declaration in the body, if there is one. The number of a roll is
//! all nines minus its version, so that the newest lists first.
//!
//! Reading is strict: each key has one spelling, and whatever is spelled otherwise is no key.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use tenko_core::evidence::{Declaration, Kind, RunId};
use tenko_core::{Evidence, Slug};

/// What all keys of evidence start with.
pub const EVIDENCE: &str = "evidence/";
/// What all keys of rolls start with.
pub const ROLL: &str = "roll/";
/// The key by which a server shows whether it honours conditions. It sorts after all rolls.
pub const PROBE: &str = "roll/probe";

/// Which keys are evidence of a failure, with `*` for any text, slashes included: no name of a job has a dot in it.
pub const FAILURES: &str = "evidence/*.fail*.json";

/// How much later than it happened evidence is sent when its key has to say both.
const LATE: SignedDuration = SignedDuration::from_mins(1);
/// No number of a roll is as high as this.
const NINES: u128 = 99_999_999_999_999_999_999;

/// A key was not spelled as Tenko spells keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct KeyError {
    problem: String,
}

fn refuse<T>(problem: impl Into<String>) -> Result<T, KeyError> {
    Err(KeyError { problem: problem.into() })
}

/// What a key of evidence says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceKey {
    /// The job.
    pub job: Slug,
    /// The run.
    pub run: RunId,
    /// What the evidence says.
    pub kind: Kind,
    /// When it happened.
    pub at: Timestamp,
    /// When it was first sent; never before `at`.
    pub sent: Timestamp,
    /// Digest of the declaration in the body.
    pub digest: Option<String>,
}

impl EvidenceKey {
    /// The key of evidence that is first sent at `now`.
    pub fn new(evidence: &Evidence, now: Timestamp) -> Self {
        let at = writable(evidence.at);
        let now = writable(now);
        let sent = if now.duration_since(at) >= LATE { now } else { at };
        let digest = evidence.declaration.as_ref().map(|declaration| declaration.digest.clone());
        let digest = digest.filter(|digest| is_digest(digest));
        Self { job: evidence.job.clone(), run: evidence.run, kind: evidence.kind, at, sent, digest }
    }

    /// The evidence as the key tells it, without its body.
    pub fn evidence(self, received_at: Option<Timestamp>) -> Evidence {
        let key = self.to_string();
        let declaration = self.digest.map(|digest| Declaration { digest, spec: None });
        let told = Evidence::new(self.job, self.run, self.kind, self.at);
        Evidence { received_at, declaration, key: Some(key), ..told }
    }
}

impl fmt::Display for EvidenceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent = Offset::UTC.to_datetime(self.sent);
        write!(f, "{EVIDENCE}{}/{}/{}/{}.{}", day(sent), time(sent), self.job, self.run, self.kind)?;
        if self.at != self.sent {
            write!(f, ".at-{}", moment(self.at))?;
        }
        if let Some(digest) = &self.digest {
            write!(f, ".{digest}")?;
        }
        f.write_str(".json")
    }
}

impl FromStr for EvidenceKey {
    type Err = KeyError;

    fn from_str(key: &str) -> Result<Self, KeyError> {
        let parts: Vec<&str> = key.split('/').collect();
        let [_, day, time, job, file] = parts.as_slice() else {
            return refuse("it does not have the five parts of a key of evidence");
        };
        let Ok(job) = Slug::new(job) else { return refuse("it names no job") };
        let sent = read_moment(&format!("{}T{time}", day.replace('-', "")))?;
        let parsed = read_file_name(job, sent, file)?;
        // One comparison settles all questions of spelling.
        if parsed.to_string() == key { Ok(parsed) } else { refuse("it is not spelled as Tenko spells keys") }
    }
}

fn read_file_name(job: Slug, sent: Timestamp, file: &str) -> Result<EvidenceKey, KeyError> {
    let Some(stem) = file.strip_suffix(".json") else { return refuse("it does not end in .json") };
    let Some((run, rest)) = stem.split_once('.') else { return refuse("it does not say what happened") };
    let Ok(run) = run.parse() else { return refuse("it names no run") };
    let (kind, rest) = rest.split_once('.').unwrap_or((rest, ""));
    let Ok(kind) = kind.parse() else { return refuse("it does not say what happened") };
    let (at, digest) = read_at(sent, rest)?;
    let digest = (!digest.is_empty()).then(|| digest.to_owned());
    if digest.as_deref().is_some_and(|digest| !is_digest(digest)) {
        return refuse("its digest is none");
    }
    Ok(EvidenceKey { job, run, kind, at, sent, digest })
}

/// Takes `at-20261123T051007.482Z` off the front, if it is there.
fn read_at(sent: Timestamp, rest: &str) -> Result<(Timestamp, &str), KeyError> {
    let Some(told) = rest.strip_prefix("at-") else { return Ok((sent, rest)) };
    let Some((at, rest)) = told.split_once('Z') else { return refuse("its time of happening is none") };
    let at = read_moment(&format!("{at}Z"))?;
    if sent.duration_since(at) < LATE {
        return refuse("it was sent before it happened");
    }
    Ok((at, rest.strip_prefix('.').unwrap_or(rest)))
}

fn is_digest(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn day(at: DateTime) -> String {
    format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.day())
}

fn time(at: DateTime) -> String {
    format!("{:02}{:02}{:02}.{:03}Z", at.hour(), at.minute(), at.second(), at.subsec_nanosecond() / 1_000_000)
}

fn moment(at: Timestamp) -> String {
    let at = Offset::UTC.to_datetime(at);
    format!("{}T{}", day(at).replace('-', ""), time(at))
}

/// Reads `20261123T051007.482Z`.
fn read_moment(text: &str) -> Result<Timestamp, KeyError> {
    let Some(moment) = read_digits(text) else { return refuse("its time is none") };
    Ok(moment)
}

fn read_digits(text: &str) -> Option<Timestamp> {
    let shape_is_right = text.len() == 20
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 => byte == b'T',
            15 => byte == b'.',
            19 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    if !shape_is_right {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<i32>().ok();
    let small = |from: usize| number(from, from + 2).and_then(|n| i8::try_from(n).ok());
    let year = i16::try_from(number(0, 4)?).ok()?;
    let nanosecond = number(16, 19)? * 1_000_000;
    let civil =
        DateTime::new(year, small(4)?, small(6)?, small(9)?, small(11)?, small(13)?, nanosecond).ok()?;
    Offset::UTC.to_timestamp(civil).ok()
}

/// Cuts to milliseconds, and to years of four digits.
fn writable(at: Timestamp) -> Timestamp {
    const FIRST_MS: i64 = -62_167_219_200_000;
    Timestamp::from_millisecond(at.as_millisecond().max(FIRST_MS)).unwrap_or(at)
}

/// What all keys of evidence sent on the UTC day of `at` start with.
pub fn day_prefix(at: Timestamp) -> String {
    format!("{EVIDENCE}{}/", day(Offset::UTC.to_datetime(writable(at))))
}

/// Which keys are evidence of a job, with `*` for any text, slashes included, as policies of IAM have it. It matches no
/// key of evidence of another job.
pub fn evidence_of(job: &Slug) -> String {
    format!("{EVIDENCE}*/{job}/*")
}

/// The greatest string below all keys of evidence sent at `at` or later.
pub fn start_after(at: Timestamp) -> String {
    let at = Offset::UTC.to_datetime(writable(at));
    format!("{EVIDENCE}{}/{}", day(at), time(at))
}

/// Whether a key lies under a day before `day_of`, whatever else is wrong with it.
pub fn is_of_day_before(key: &str, day_of: Timestamp) -> bool {
    let Some((name, _)) = key.strip_prefix(EVIDENCE).and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    let moment = read_digits(&format!("{}T000000.000Z", name.replace('-', "")));
    moment.is_some_and(|moment| key.starts_with(&day_prefix(moment)) && key < day_prefix(day_of).as_str())
}

/// The key of the roll of a version.
pub fn roll_key(version: u64) -> String {
    format!("{ROLL}{:020}.json.zst", NINES - u128::from(version))
}

/// The version of the roll under a key; `None` if the key is not one of a roll.
pub fn roll_version(key: &str) -> Option<u64> {
    let digits = key.strip_prefix(ROLL)?.strip_suffix(".json.zst")?;
    let number: u128 = digits.parse().ok()?;
    let version = u64::try_from(NINES.checked_sub(number)?).ok()?;
    (roll_key(version) == key).then_some(version)
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
