//! Names that are safe in keys, paths, URLs and messages.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest name, in characters.
pub const MAX_LEN: usize = 100;

/// A name was not of the form `[a-z0-9][a-z0-9_-]{0,99}`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a valid {what}: {problem}")]
pub struct NameError {
    what: &'static str,
    name: String,
    problem: String,
}

impl NameError {
    /// A name near the refused one that would be accepted, if there is an obvious one.
    pub fn suggestion(&self) -> Option<String> {
        let lowered: String =
            self.name.to_lowercase().chars().map(|c| if allowed(c) { c } else { '-' }).collect();
        let trimmed: String = lowered.trim_matches(['-', '_']).chars().take(MAX_LEN).collect();
        (!trimmed.is_empty() && trimmed != self.name).then_some(trimmed)
    }
}

fn allowed(c: char) -> bool {
    matches!(c, 'a'..='z' | '0'..='9' | '_' | '-')
}

fn check(what: &'static str, name: &str) -> Result<(), NameError> {
    let refuse =
        |problem: String| Err(NameError { what, name: name.chars().take(MAX_LEN + 20).collect(), problem });
    match name.chars().next() {
        None => return refuse("it is empty".into()),
        Some('_' | '-') => return refuse("it must begin with a letter or a digit".into()),
        Some(_) => {}
    }
    if let Some(bad) = name.chars().find(|c| !allowed(*c)) {
        return refuse(format!("{bad:?} is not allowed, only a-z, 0-9, '_' and '-' are"));
    }
    if name.len() > MAX_LEN {
        return refuse(format!("it has {} characters, {MAX_LEN} are allowed", name.len()));
    }
    Ok(())
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Accepts `[a-z0-9][a-z0-9_-]{0,99}` and nothing else.
            pub fn new(name: &str) -> Result<Self, NameError> {
                check($what, name)?;
                Ok(Self(name.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;

            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(&name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.to_string()
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type!(
    /// The name of a job. It stands in object keys and file names, so it can hold no separator, dot or space.
    Slug,
    "job name"
);
name_type!(
    /// The name of a channel, as configured.
    ChannelName,
    "channel name"
);
name_type!(
    /// The name of a source: a store that others write into, as configured.
    SourceName,
    "source name"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_75_names_that_could_leave_their_place_are_refused() {
        let long = "x".repeat(101);
        for bad in
            ["", "../x", "a/b", "a b", "A", "-a", "_a", "a.b", "a\0", "a\n", "日報", "a%2e", long.as_str()]
        {
            assert!(Slug::new(bad).is_err(), "{bad:?} was accepted");
        }
        for good in ["a", "0", "daily-report", "a_b-c9", &"x".repeat(100)] {
            assert_eq!(Slug::new(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn fault_83_a_refused_name_comes_with_one_that_works() {
        let error = Slug::new("Daily Report").unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"Daily Report\" is not a valid job name: 'D' is not allowed, only a-z, 0-9, '_' and '-' are"
        );
        assert_eq!(error.suggestion().as_deref(), Some("daily-report"));
        assert_eq!(Slug::new("日報").unwrap_err().suggestion(), None);
    }
}
