//! What is said behind a `?`, and in forms.

use std::borrow::Cow;

use url::form_urlencoded;

/// The value of a name, the last one if it comes several times; decoded.
pub(super) fn value<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    form_urlencoded::parse(query.as_bytes()).filter(|(found, _)| found == name).last().map(|(_, value)| value)
}

/// A path without its `%xx`; `None` if they are no such thing, or give no text.
pub(super) fn decoded(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let [high, low, after @ ..] = after else { return None };
            bytes.push(digit(*high)? * 16 + digit(*low)?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_or_refused() {
        assert_eq!(decoded("a/b").as_deref(), Some("a/b"));
        assert_eq!(decoded("a%2Fb%2d").as_deref(), Some("a/b-"));
        for bad in ["%", "%2", "%zz", "a%2", "%+1", "%ff"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_last_value_counts() {
        assert_eq!(value("a=1&b=2&a=3", "a").as_deref(), Some("3"));
        assert_eq!(value("a=x+y%20z", "a").as_deref(), Some("x y z"));
        assert_eq!(value("a&b", "a").as_deref(), Some(""));
        assert_eq!(value("", "a"), None);
    }
}
