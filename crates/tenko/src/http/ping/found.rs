//! The forms of a ping's URL.

use uuid::Uuid;

use super::super::keys::Keys;
use super::super::query;

/// What a path that is a ping's turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Found {
    /// A ping.
    Ping(To, End),
    /// No form of a ping.
    Nothing,
    /// No text: its `%xx` are wrong.
    NoText,
}

/// Whom it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum To {
    Address(Uuid),
    Named { key: String, slug: String },
}

/// What it says, by the end of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum End {
    Success,
    Start,
    Fail,
    Log,
    Exit(u8),
    /// An exit status above 255.
    TooHigh,
}

impl Found {
    /// What follows `/ping/`.
    pub(in super::super) fn under_ping(path: &str) -> Self {
        let Some(path) = query::decoded(path) else { return Self::NoText };
        addressed(&path).or_else(|| named(&path)).map_or(Self::Nothing, |(to, end)| Self::Ping(to, end))
    }

    /// What follows `/`, if it is a ping: an address, or the name of a job after a key that is known. Everything else may
    /// be somebody else's.
    pub(in super::super) fn at_root(path: &str, keys: &Keys) -> Option<Self> {
        let path = query::decoded(path)?;
        if let Some((to, end)) = addressed(&path) {
            return Some(Self::Ping(to, end));
        }
        match named(&path)? {
            (To::Named { key, slug }, end) if keys.knows(&key) => {
                Some(Self::Ping(To::Named { key, slug }, end))
            }
            _ => None,
        }
    }
}

/// `<uuid>`, `<uuid>/`, `<uuid>/<end>`.
fn addressed(path: &str) -> Option<(To, End)> {
    let (address, rest) = path.split_at_checked(36)?;
    let address = To::Address(lower_case_uuid(address)?);
    match rest {
        "" | "/" => Some((address, End::Success)),
        _ => Some((address, end(rest.strip_prefix('/')?)?)),
    }
}

/// `<key>/<slug>`, `<key>/<slug>/<end>`.
fn named(path: &str) -> Option<(To, End)> {
    let (key, rest) = path.split_once('/')?;
    let (slug, end) = match rest.split_once('/') {
        None => (rest, End::Success),
        Some((slug, rest)) => (slug, end(rest)?),
    };
    let named = To::Named { key: key.to_owned(), slug: slug.to_owned() };
    (is_word(key) && is_word(slug)).then_some((named, end))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Exactly `8-4-4-4-12` digits, in lower case.
fn lower_case_uuid(text: &str) -> Option<Uuid> {
    let is_lower = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    // Of 36 such characters, only the dashed form is one.
    is_lower.then(|| Uuid::try_parse(text).ok()).flatten()
}

fn end(text: &str) -> Option<End> {
    match text {
        "start" => Some(End::Start),
        "fail" => Some(End::Fail),
        "log" => Some(End::Log),
        _ if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) => None,
        _ => Some(text.parse().map_or(End::TooHigh, End::Exit)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::KeyHash;

    const ADDRESS: &str = "0b0e7a52-3c5f-4b6e-9d1a-7f2c8e4d6a10";

    fn address(end: End) -> Found {
        Found::Ping(To::Address(ADDRESS.parse().unwrap()), end)
    }

    fn job(key: &str, slug: &str, end: End) -> Found {
        Found::Ping(To::Named { key: key.into(), slug: slug.into() }, end)
    }

    #[test]
    fn addresses_come_with_and_without_an_end() {
        for (rest, end) in [
            ("", End::Success),
            ("/", End::Success),
            ("/start", End::Start),
            ("/fail", End::Fail),
            ("/log", End::Log),
            ("/0", End::Exit(0)),
            ("/007", End::Exit(7)),
            ("/255", End::Exit(255)),
            ("/256", End::TooHigh),
            ("/99999999999999999999999", End::TooHigh),
            ("%2Fstart", End::Start),
        ] {
            assert_eq!(Found::under_ping(&format!("{ADDRESS}{rest}")), address(end), "{rest}");
        }
    }

    #[test]
    fn what_is_no_address_may_be_key_and_slug() {
        for (path, found) in [
            ("key/job", job("key", "job", End::Success)),
            ("key/job/start", job("key", "job", End::Start)),
            ("key/start", job("key", "start", End::Success)),
            ("key/start/start", job("key", "start", End::Start)),
            ("key/7", job("key", "7", End::Success)),
            ("key/job/7", job("key", "job", End::Exit(7))),
            ("key/Job", job("key", "Job", End::Success)),
            (&format!("{ADDRESS}/job"), job(ADDRESS, "job", End::Success)),
            (&format!("{ADDRESS}/start/fail"), job(ADDRESS, "start", End::Fail)),
        ] {
            assert_eq!(Found::under_ping(path), found, "{path}");
        }
    }

    #[test]
    fn everything_else_is_nothing() {
        let upper = ADDRESS.to_uppercase();
        let undashed = ADDRESS.replace('-', "");
        for path in [
            "",
            "/",
            "key",
            "key/",
            "/job",
            "key/job/",
            "key/job/stop",
            "key/job/-1",
            "key/job/1/",
            "key/job/start/",
            "key/j.b",
            "k y/job",
            "key/日報",
            &upper,
            &undashed,
            &format!("{ADDRESS}/start/"),
            &format!("{ADDRESS}//"),
            &format!("{ADDRESS}x"),
            "key/job/start/1",
        ] {
            assert_eq!(Found::under_ping(path), Found::Nothing, "{path}");
        }
        assert_eq!(Found::under_ping("key/%zz"), Found::NoText);
    }

    #[test]
    fn at_the_root_only_what_can_be_nothing_else_is_a_ping() {
        let keys = Keys::new([KeyHash::of("key")]);
        assert_eq!(Found::at_root(ADDRESS, &keys), Some(address(End::Success)));
        assert_eq!(Found::at_root("key/job/log", &keys), Some(job("key", "job", End::Log)));
        for path in ["api/push", "metrics", "livez", "p/key/job", "%zz", ""] {
            assert_eq!(Found::at_root(path, &keys), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_whatsoever_is_too_much(path in any::<String>()) {
            drop(Found::under_ping(&path));
        }
    }
}
