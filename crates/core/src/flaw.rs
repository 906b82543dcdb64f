//! What can be wrong with a plain object, so that it is bad evidence.

use std::fmt;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// What is wrong with a plain object. `Display` says it in English; a notice says it in its own language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flaw {
    /// The URL of the object, or of all that were expected, with wildcards.
    pub object: String,
    /// What is wrong with it.
    #[serde(flatten)]
    pub kind: FlawKind,
}

/// What is wrong. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "flaw", rename_all = "snake_case")]
pub enum FlawKind {
    /// It is smaller than `min_size`.
    TooSmall {
        /// Its size.
        size: u64,
        /// What it should have at least.
        least: u64,
    },
    /// When it was due, it was older than `max_age`.
    TooOld {
        /// How long before the due it was written.
        #[serde(with = "millis")]
        age: SignedDuration,
        /// How long that may be at most.
        #[serde(with = "millis")]
        most: SignedDuration,
    },
    /// There are fewer of them than `min_count`.
    TooFew {
        /// How many there are.
        found: u64,
        /// How many of those are large and new enough.
        counted: u64,
        /// How many are expected at least.
        wanted: u64,
    },
    /// It has the content of the one before.
    Unchanged {
        /// The URL of the one before.
        previous: String,
    },
    /// It is smaller than the last good one by more than `shrink_at_most`.
    Shrunk {
        /// Its size.
        size: u64,
        /// The URL of the last good one.
        previous: String,
        /// The size of that one.
        previous_size: u64,
        /// By how much it may be smaller.
        at_most: Shrink,
    },
}

/// By how much an object may be smaller than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shrink {
    /// By this part of it, in hundredths of a percent.
    Share(u32),
    /// By so many bytes.
    Bytes(u64),
}

impl Shrink {
    /// Whether `size` is less than `previous` by more than this.
    pub fn is_exceeded(self, size: u64, previous: u64) -> bool {
        let less = u128::from(previous.saturating_sub(size));
        match self {
            Self::Share(share) => less * 10_000 > u128::from(previous) * u128::from(share),
            Self::Bytes(bytes) => less > u128::from(bytes),
        }
    }
}

impl fmt::Display for Shrink {
    /// As in a configuration: `20%`, `12.5%`, `1000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => bytes.fmt(f),
            Self::Share(share) => match (share / 100, share % 100) {
                (whole, 0) => write!(f, "{whole}%"),
                (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
                (whole, part) => write!(f, "{whole}.{part:02}%"),
            },
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::message::flaw_in_english(self))
    }
}

/// A length of time as whole milliseconds.
mod millis {
    use jiff::SignedDuration;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &SignedDuration, s: S) -> Result<S::Ok, S::Error> {
        i64::try_from(value.as_millis()).unwrap_or(i64::MAX).serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<SignedDuration, D::Error> {
        i64::deserialize(d).map(SignedDuration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_the_previous_size() {
        let fifth = Shrink::Share(2000);
        assert!(!fifth.is_exceeded(80, 100));
        assert!(fifth.is_exceeded(79, 100));
        assert!(!fifth.is_exceeded(500, 100));
        assert!(!fifth.is_exceeded(0, 0));
        assert!(!fifth.is_exceeded(u64::MAX, u64::MAX));
        assert!(Shrink::Share(0).is_exceeded(u64::MAX - 1, u64::MAX));
        assert!(Shrink::Bytes(20).is_exceeded(79, 100));
        assert!(!Shrink::Bytes(20).is_exceeded(80, 100));
    }

    #[test]
    fn it_reads_as_in_a_configuration() {
        let shown = [2000, 1250, 1, 0, 10].map(|share| Shrink::Share(share).to_string());
        assert_eq!(shown, ["20%", "12.5%", "0.01%", "0%", "0.1%"]);
        assert_eq!(Shrink::Bytes(1000).to_string(), "1000");
    }

    #[test]
    fn it_can_be_stored() {
        let flaw = Flaw {
            object: "s3://b/x".into(),
            kind: FlawKind::Shrunk {
                size: 1,
                previous: "s3://b/w".into(),
                previous_size: 2,
                at_most: Shrink::Share(2000),
            },
        };
        let text = serde_json::to_string(&flaw).unwrap();
        assert_eq!(
            text,
            r#"{"object":"s3://b/x","flaw":"shrunk","size":1,"previous":"s3://b/w","previous_size":2,"at_most":{"share":2000}}"#
        );
        assert_eq!(serde_json::from_str::<Flaw>(&text).unwrap(), flaw);
    }
}
