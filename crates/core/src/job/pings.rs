//! What pings of a job mean that say more, or less, than their URL: rules about methods and words.

use serde::{Deserialize, Serialize};

use crate::evidence::{Exit, Kind, Via};

/// How pings of a job are to be understood.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PingRules {
    /// Whether HTTP requests of another method than POST mean nothing: previews and robots do not post.
    #[serde(skip_serializing_if = "is_false")]
    pub only_post: bool,
    /// Where words are looked for. Pings without such a place mean what their URL says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub look_in: Vec<Place>,
    /// A ping with one of these is a failure, whatever else it has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fail: Vec<String>,
    /// A ping with one of these is a success, if it is no failure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub success: Vec<String>,
    /// A ping with one of these is a start, if it is neither failure nor success.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<String>,
    /// What a ping without any of the words is.
    #[serde(skip_serializing_if = "Otherwise::is_ignore")]
    pub otherwise: Otherwise,
}

/// Where words are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The body of an HTTP request.
    Body,
    /// The subject of a mail.
    Subject,
    /// The text of a mail.
    Mail,
}

/// What a ping without any of the words is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// Nothing: it is kept as a remark.
    #[default]
    Ignore,
    /// A failure.
    Fail,
}

impl Otherwise {
    /// Whether it is nothing.
    pub fn is_ignore(&self) -> bool {
        *self == Self::Ignore
    }
}

impl PingRules {
    /// The most words in one list.
    pub const MAX_WORDS: usize = 50;
    /// The longest word, in bytes.
    pub const MAX_WORD: usize = 200;

    /// What a ping means that says `said` by its URL, and came `via` somewhere with a text; `None` if it means nothing. The
    /// first line of what came by mail is its subject.
    pub fn meaning(&self, said: Kind, via: Option<&Via>, text: Option<&str>) -> Option<Kind> {
        let by_mail = via.is_some_and(|via| via.scheme == "email");
        if self.only_post && !by_mail && via.is_some_and(|via| via.method != "POST") {
            return None;
        }
        let text = text.unwrap_or_default();
        let (subject, mail) = text.split_once('\n').unwrap_or((text, ""));
        let places = self.look_in.iter().filter_map(|place| match place {
            Place::Body => (!by_mail).then_some(text),
            Place::Subject => by_mail.then_some(subject),
            Place::Mail => by_mail.then_some(mail),
        });
        let places: Vec<&str> = places.collect();
        if places.is_empty() { Some(said) } else { self.by_words(said, &places) }
    }

    fn by_words(&self, said: Kind, places: &[&str]) -> Option<Kind> {
        let has = |words: &[String]| {
            words
                .iter()
                .any(|word| !word.is_empty() && places.iter().any(|place| place.contains(word.as_str())))
        };
        let exit: Option<Exit> = if let Kind::Fail(exit) = said { exit } else { None };
        if has(&self.fail) {
            Some(Kind::Fail(exit))
        } else if has(&self.success) {
            Some(Kind::Success)
        } else if has(&self.start) {
            Some(Kind::Start)
        } else {
            (self.otherwise == Otherwise::Fail).then_some(Kind::Fail(exit))
        }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> PingRules {
        let words = |text: &str| text.split(',').map(str::to_owned).collect();
        PingRules {
            only_post: false,
            look_in: vec![Place::Body, Place::Subject],
            fail: words("ERROR,[FAIL]"),
            success: words("done"),
            start: words("begin"),
            otherwise: Otherwise::Ignore,
        }
    }

    fn via(scheme: &str, method: &str) -> Via {
        Via { scheme: scheme.into(), method: method.into(), from: String::new(), agent: String::new() }
    }

    #[test]
    fn words_of_a_body_come_before_the_url_and_failures_before_all() {
        let fail = Some(Kind::Fail(None));
        for (said, body, meant) in [
            (Kind::Success, "all done", Some(Kind::Success)),
            (Kind::Success, "done, with one ERROR", fail),
            (Kind::Start, "begin", Some(Kind::Start)),
            (Kind::Log, "begin, done", Some(Kind::Success)),
            (Kind::Success, "error", None),
            (Kind::Fail(Some(Exit::Code(3))), "nothing known", None),
            (Kind::Fail(Some(Exit::Code(3))), "[FAIL]", Some(Kind::Fail(Some(Exit::Code(3))))),
            (Kind::Success, "", None),
        ] {
            assert_eq!(rules().meaning(said, Some(&via("http", "POST")), Some(body)), meant, "{said} {body}");
        }
    }

    #[test]
    fn what_has_none_of_the_words_fails_if_that_is_asked_for() {
        let rules = PingRules { otherwise: Otherwise::Fail, ..rules() };
        assert_eq!(rules.meaning(Kind::Success, Some(&via("https", "GET")), None), Some(Kind::Fail(None)));
    }

    #[test]
    fn of_a_mail_the_first_line_is_the_subject() {
        let mail = via("email", "");
        let meaning =
            |rules: &PingRules| rules.meaning(Kind::Success, Some(&mail), Some("backup done\nERROR 3"));
        assert_eq!(meaning(&rules()), Some(Kind::Success), "the text is not looked at");
        let all = PingRules { look_in: vec![Place::Subject, Place::Mail], ..rules() };
        assert_eq!(meaning(&all), Some(Kind::Fail(None)));
        let web = PingRules { look_in: vec![Place::Body], ..rules() };
        assert_eq!(
            meaning(&web),
            Some(Kind::Success),
            "a mail has no such place, its address says what it means"
        );
    }

    #[test]
    fn what_is_not_posted_means_nothing_where_only_posts_count() {
        let rules = PingRules { only_post: true, ..PingRules::default() };
        for (scheme, method, means) in
            [("http", "GET", false), ("https", "HEAD", false), ("https", "POST", true), ("email", "", true)]
        {
            let meaning = rules.meaning(Kind::Success, Some(&via(scheme, method)), None);
            assert_eq!(meaning, means.then_some(Kind::Success), "{scheme} {method}");
        }
    }
}
