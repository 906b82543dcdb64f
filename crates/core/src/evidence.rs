//! Evidence: one immutable record about a run.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::exact::Exact;
use crate::flaw::Flaw;
use crate::job::JobSpec;
use crate::name::Slug;

/// One execution of a job. Ours are `UUIDv7`; any UUID is accepted from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

impl RunId {
    /// How many bits of a made id tell which id it stands for.
    const LABEL: u128 = (1 << 30) - 1;

    /// Makes an id for a run that needs one of its own: because it was given none, or because the one that it was given was
    /// used before. It sorts by `at` and is one of version 8 (RFC 9562, section 5.8): 48 bits of milliseconds, 12 of the fraction
    /// below, 30 that follow from `rid`, all zero if there is none, and 32 random ones.
    pub fn made(at: Timestamp, rid: Option<Uuid>, random: u32) -> Self {
        let micros = u128::from(at.as_microsecond().cast_unsigned());
        let (millis, below) =
            ((micros / 1000) & ((1 << 48) - 1), at.subsec_nanosecond().unsigned_abs() % 1_000_000);
        let fraction = u128::from(below) * 4096 / 1_000_000;
        let random = u128::from(random);
        let label = rid.map_or(0, Self::label);
        let id = millis << 80 | 8 << 76 | fraction << 64 | 2 << 62 | label << 32 | random;
        Self(Uuid::from_u128(id))
    }

    /// Whether a ping with the id `rid` can mean this run: it has that id, or one that was made for it.
    pub fn answers(self, rid: Uuid) -> bool {
        self.0 == rid || self.made_label() == Some(Self::label(rid))
    }

    /// Whether it was made for a run that had been given no id.
    pub fn is_anonymous(self) -> bool {
        self.made_label() == Some(0)
    }

    fn made_label(self) -> Option<u128> {
        (self.0.get_version_num() == 8).then(|| self.0.as_u128() >> 32 & Self::LABEL)
    }

    /// Never zero. Ids that differ in few places have different ones.
    fn label(rid: Uuid) -> u128 {
        let bits = rid.as_u128();
        let folded = (bits ^ bits >> 30 ^ bits >> 60 ^ bits >> 90 ^ bits >> 120) & Self::LABEL;
        folded.max(1)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for RunId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It exited with this code.
    Code(u8),
    /// It was killed by this signal.
    Signal(u8),
}

impl fmt::Display for Exit {
    /// `3`, or `sig9`: as it stands in an object key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{code}"),
            Self::Signal(number) => write!(f, "sig{number}"),
        }
    }
}

/// What a piece of evidence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The run began.
    Start,
    /// The run ended well.
    Success,
    /// The run ended badly; how, if that is known.
    Fail(Option<Exit>),
    /// A remark that changes nothing.
    Log,
}

impl Kind {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Success => "success",
            Self::Fail(_) => "fail",
            Self::Log => "log",
        }
    }

    /// Whether it ends a run.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Success | Self::Fail(_))
    }
}

impl fmt::Display for Kind {
    /// `start`, `success`, `fail`, `fail-3`, `fail-sig9`, `log`: as it stands in an object key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fail(Some(exit)) => write!(f, "fail-{exit}"),
            _ => f.write_str(self.word()),
        }
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "start" => Ok(Self::Start),
            "success" => Ok(Self::Success),
            "fail" => Ok(Self::Fail(None)),
            "log" => Ok(Self::Log),
            _ => {
                let exit = text.strip_prefix("fail-").ok_or(())?;
                let exit = match exit.strip_prefix("sig") {
                    Some(number) => Exit::Signal(parse_u8(number)?),
                    None => Exit::Code(parse_u8(exit)?),
                };
                Ok(Self::Fail(Some(exit)))
            }
        }
    }
}

/// Digits only and without leading zeros, so that each key has one spelling.
fn parse_u8(digits: &str) -> Result<u8, ()> {
    let canonical = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    canonical.then(|| digits.parse().ok()).flatten().ok_or(())
}

/// One immutable record about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The job.
    pub job: Slug,
    /// The run. Evidence is idempotent by run and kind.
    pub run: RunId,
    /// What it says.
    pub kind: Kind,
    /// When it happened, by the sender's clock.
    pub at: Timestamp,
    /// When the store had it, by the store's clock; `None` before it is stored.
    pub received_at: Option<Timestamp>,
    /// The rest. Empty when only the key was read.
    pub report: Report,
    /// What the job says of itself, if it does.
    pub declaration: Option<Declaration>,
    /// Under which key the store keeps it, where the store has keys.
    pub key: Option<String>,
}

/// What a job says of itself in its evidence, so that one crontab line is the whole set-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// Digest of `spec`: 8 lower-case hex digits. A roll call that knows it need not read the body.
    pub digest: String,
    /// What it says; `None` when only the key was read. Shared, because many runs say the same.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "shared")]
    pub spec: Option<Arc<JobSpec>>,
}

impl Evidence {
    /// Evidence with an empty report, as its key alone tells it. `at` is cut to whole milliseconds, as in keys.
    pub fn new(job: Slug, run: RunId, kind: Kind, at: Timestamp) -> Self {
        let at = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
        Self {
            job,
            run,
            kind,
            at,
            received_at: None,
            report: Report::default(),
            declaration: None,
            key: None,
        }
    }

    /// The moment that counts: the sender's, but never later than the store had it, because nothing can be
    /// reported before it happened; a sender whose clock runs ahead does not answer a later due.
    pub fn effective_at(&self) -> Timestamp {
        self.received_at.map_or(self.at, |received| received.min(self.at))
    }

    /// How far the sender's clock runs ahead of the store's, if it visibly does.
    pub fn clock_ahead(&self) -> Option<SignedDuration> {
        let ahead = self.at.duration_since(self.received_at?);
        (ahead > SignedDuration::from_mins(1)).then_some(ahead)
    }

    /// Whether it arrived more than two minutes after it happened, as spooled evidence does.
    pub fn is_late_delivered(&self) -> bool {
        let delay = self.received_at.map(|received| received.duration_since(self.at));
        delay.is_some_and(|delay| delay > SignedDuration::from_mins(2))
    }
}

/// What a run tells about itself beside its end: all optional, all bounded by the writer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// How long the run took.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "duration_ms")]
    pub duration: Option<SignedDuration>,
    /// The output, or as much of it as was kept, with credentials masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// A remark: of the sender (`ping log -m`), or why a plain object counts as bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What is wrong with a plain object, if that is why it counts as bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaw: Option<Flaw>,
    /// Whether the run was ended because it exceeded its time-out.
    #[serde(default, skip_serializing_if = "is_false")]
    pub timed_out: bool,
    /// Highest resident memory of the process, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rss: Option<u64>,
    /// The id that a ping gave the run, where the run has another one here because that id was used before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<Uuid>,
    /// How it reached a server, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
}

/// How a ping reached a server. Many pings say the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Via {
    /// `http`, `https` or `email`.
    pub scheme: String,
    /// The method of an HTTP request; empty for others.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// The address of the sender, as far as it is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// What the sender calls itself, at most 200 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent: String,
}

/// Output of a run: what it began with and what it ended with. In the texts, bytes that are no UTF-8 were replaced by U+FFFD.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The first bytes; all of it when `omitted` is 0.
    pub head: String,
    /// The last bytes; empty when nothing was omitted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail: String,
    /// How many bytes between head and tail were not kept.
    #[serde(default)]
    pub omitted: u64,
    /// The bytes of head and tail as they were, where something was replaced in the texts and whoever wrote this kept them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<Exact>,
}

impl Output {
    /// The most bytes of head, and of tail, that are told on.
    pub const MAX_TOLD: usize = 10_000;

    /// Output of bytes of any kind, of which nothing is lost: [`bytes`](Self::bytes) gives them back.
    pub fn of_bytes(head: &[u8], tail: &[u8], omitted: u64) -> Self {
        let texts = (String::from_utf8_lossy(head), String::from_utf8_lossy(tail));
        let replaced = matches!(texts.0, Cow::Owned(_)) || matches!(texts.1, Cow::Owned(_));
        let exact = replaced.then(|| Exact([head, tail].concat()));
        Self { head: texts.0.into_owned(), tail: texts.1.into_owned(), omitted, exact }
    }

    /// Its bytes, head and tail one after the other: those that there were, if it is known that they were no UTF-8.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match &self.exact {
            Some(exact) => Cow::Borrowed(&exact.0),
            None if self.tail.is_empty() => Cow::Borrowed(self.head.as_bytes()),
            None => Cow::Owned([self.head.as_bytes(), self.tail.as_bytes()].concat()),
        }
    }

    /// As much of it as can be told on, as text: the beginning of the head and the end of the tail.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.exact = None;
        let before = self.head.len() + self.tail.len();
        cut(&mut self.head, Self::MAX_TOLD);
        let surplus = self.tail.ceil_char_boundary(self.tail.len().saturating_sub(Self::MAX_TOLD));
        self.tail.drain(..surplus);
        self.omitted = self.omitted.saturating_add((before - self.head.len() - self.tail.len()) as u64);
        self
    }
}

/// Cuts a text to at most so many bytes, between two characters.
pub(crate) fn cut(text: &mut String, most: usize) {
    text.truncate(text.floor_char_boundary(most));
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Written and read as what is shared.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<Arc<T>>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_deref().serialize(s)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Arc<T>>, D::Error> {
        Ok(Option::<T>::deserialize(d)?.map(Arc::new))
    }
}

/// Lengths of time as whole milliseconds.
pub(crate) mod duration_ms {
    use jiff::SignedDuration;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Option<SignedDuration>, s: S) -> Result<S::Ok, S::Error> {
        value.map(|d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)).serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<SignedDuration>, D::Error> {
        Ok(Option::<i64>::deserialize(d)?.map(SignedDuration::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_id_sorts_by_time_and_answers_to_what_it_was_made_for() {
        let at: Timestamp = "2026-11-23T05:00:00.123Z".parse().unwrap();
        let rid = Uuid::from_u128(0x1111_2222_3333_4444_5555_6666_7777_8888);
        let made = RunId::made(at, Some(rid), u32::MAX);
        assert_eq!(made.0.get_version_num(), 8);
        assert_eq!(made.0.get_variant(), uuid::Variant::RFC4122);
        assert!(made.answers(rid) && !made.is_anonymous());
        assert!(!made.answers(Uuid::from_u128(rid.as_u128() + 1)));
        assert!(RunId::made(at + SignedDuration::from_micros(1), Some(rid), 0) > made);
        assert_eq!(made.0.as_u128() >> 80, u128::from(at.as_millisecond().unsigned_abs()));
        let anonymous = RunId::made(at, None, 7);
        assert!(anonymous.is_anonymous() && !anonymous.answers(rid) && !anonymous.answers(Uuid::nil()));
        assert!(RunId(rid).answers(rid) && !RunId(rid).is_anonymous());
    }
}
