//! What was said about a schedule, before anybody has understood it.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{SeqAccess, Visitor, value::SeqAccessDeserializer},
};

/// Holds a schedule as it was written in a config file, on a command line or in a job's own evidence.
///
/// At most one of `every`, `cron` and `on_calendar` may be given; [`Schedule::resolve`](super::Schedule::resolve) says
/// what it means. `cron` and `on_calendar` are read from a string or a list of strings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleSpec {
    /// A duration such as `15m`; see [`parse_duration`](super::parse_duration).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// crontab(5) or EventBridge expressions.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "one_or_many")]
    pub cron: Vec<String>,
    /// systemd.time(7) calendar events.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "one_or_many")]
    pub on_calendar: Vec<String>,
    /// An IANA time zone name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tz: Option<String>,
    /// The scheduler that runs the job, when it is not the one whose syntax was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<Scheduler>,
}

/// The scheduler that really runs a job: its rule for clock changes applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheduler {
    /// Debian's cron(8), also cronie: jobs at fixed times that a jump skips run right after it, repeated ones once; jobs
    /// with `*` for the minute or the hour follow the wall clock.
    Cron,
    /// systemd timers: what is skipped does not run; what is repeated runs the first time.
    Systemd,
    /// EventBridge Scheduler: the same.
    Eventbridge,
    /// Kubernetes `CronJob`: what is skipped does not run; what is repeated runs twice.
    Kubernetes,
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cron => "cron",
            Self::Systemd => "systemd",
            Self::Eventbridge => "eventbridge",
            Self::Kubernetes => "kubernetes",
        })
    }
}

mod one_or_many {
    use super::{Deserializer, OneOrMany, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(texts: &[String], serializer: S) -> Result<S::Ok, S::Error> {
        match texts {
            [one] => one.serialize(serializer),
            many => many.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
        deserializer.deserialize_any(OneOrMany)
    }
}

struct OneOrMany;

impl<'de> Visitor<'de> for OneOrMany {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(vec![text.to_owned()])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list))
    }
}
