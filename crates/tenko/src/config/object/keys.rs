//! The keys that answer a due: one, or all that match wildcards.

use std::fmt;

/// Keys of objects: what they begin with, and what may follow.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Keys {
    prefix: String,
    /// Empty, or beginning with a wildcard.
    rest: Vec<Glyph>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Glyph {
    This(char),
    /// Any character but a slash.
    One,
    /// Any text without a slash.
    Many,
}

impl Keys {
    pub(super) fn push_text(&mut self, text: &str) {
        match self.rest.is_empty() {
            true => self.prefix.push_str(text),
            false => self.rest.extend(text.chars().map(Glyph::This)),
        }
    }

    pub(super) fn push_one(&mut self) {
        self.rest.push(Glyph::One);
    }

    pub(super) fn push_many(&mut self) {
        self.rest.push(Glyph::Many);
    }

    /// The key, if it is one without wildcards.
    pub fn exact(&self) -> Option<&str> {
        self.rest.is_empty().then_some(&self.prefix)
    }

    /// What all of them begin with: the whole key, or the text before the first wildcard.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether a key is one of them. A key that ends in a slash is none: so do the folders that consoles make.
    pub fn matches(&self, key: &str) -> bool {
        let Some(rest) = key.strip_prefix(&self.prefix) else { return false };
        if self.rest.is_empty() {
            return rest.is_empty();
        }
        !key.ends_with('/') && !rest.contains('/') && fits(&self.rest, &rest.chars().collect::<Vec<_>>())
    }
}

/// Whether a text fits. Where a star took too little it takes one character more; only the last star can be to blame, so
/// that the time is at most the product of both lengths.
fn fits(glyphs: &[Glyph], text: &[char]) -> bool {
    let (mut glyph, mut at) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while at < text.len() {
        match glyphs.get(glyph) {
            Some(Glyph::Many) => {
                last_star = Some((glyph, at));
                glyph += 1;
                continue;
            }
            Some(Glyph::One) => {}
            Some(Glyph::This(c)) if *c == text[at] => {}
            _ => {
                let Some((star, taken)) = last_star else { return false };
                last_star = Some((star, taken + 1));
                (glyph, at) = (star + 1, taken + 1);
                continue;
            }
        }
        glyph += 1;
        at += 1;
    }
    glyphs[glyph..].iter().all(|glyph| *glyph == Glyph::Many)
}

/// As people write them: with `*` and `?`.
impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.prefix)?;
        self.rest.iter().try_for_each(|glyph| match glyph {
            Glyph::This(c) => write!(f, "{c}"),
            Glyph::One => f.write_str("?"),
            Glyph::Many => f.write_str("*"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(pattern: &str) -> Keys {
        let mut keys = Keys::default();
        for c in pattern.chars() {
            match c {
                '*' => keys.push_many(),
                '?' => keys.push_one(),
                c => keys.push_text(c.encode_utf8(&mut [0; 4])),
            }
        }
        keys
    }

    #[test]
    fn a_star_is_any_text_without_a_slash_and_a_question_mark_any_character() {
        let all = [
            ("a/x-*.gz", "a/x-1.gz", true),
            ("a/x-*.gz", "a/x-.gz", true),
            ("a/x-*.gz", "a/x-1.gz.tmp", false),
            ("a/x-*.gz", "a/x-b/1.gz", false),
            ("a/*", "a/x", true),
            ("a/*", "a/", false),
            ("a/*", "a/b/", false),
            ("a/x?", "a/x", false),
            ("a/x?", "a/x日", true),
            ("a/x?", "a/x/", false),
            ("a/*b*c", "a/abcbc", true),
            ("a/*b*c", "a/abcb", false),
            ("a/x", "a/x", true),
            ("a/x", "a/xy", false),
            ("*", "x", true),
            ("*-?-*", "a-b-", true),
        ];
        for (pattern, key, fits) in all {
            assert_eq!(keys(pattern).matches(key), fits, "{pattern} {key}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = keys(&"*a".repeat(500));
        assert!(!pattern.matches(&("a".repeat(2000) + "b")));
    }

    /// The same by trying everything.
    fn fits_slowly(pattern: &[char], text: &[char]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some('*'), _) => {
                fits_slowly(&pattern[1..], text) || (!text.is_empty() && fits_slowly(pattern, &text[1..]))
            }
            (Some('?'), Some(_)) => fits_slowly(&pattern[1..], &text[1..]),
            (Some(c), Some(d)) if c == d => fits_slowly(&pattern[1..], &text[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_is_what_trying_everything_finds(pattern in "[ab*?]{1,8}", text in "[ab]{0,8}") {
            let slow = fits_slowly(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>());
            prop_assert_eq!(keys(&pattern).matches(&text), slow);
        }

        #[test]
        fn what_matches_begins_with_the_prefix(pattern in "[ab*?]{1,8}", text in "[ab]{0,8}") {
            let keys = keys(&pattern);
            prop_assert!(!keys.matches(&text) || text.starts_with(keys.prefix()));
        }
    }
}
