//! The rules by which pings of a job are understood.

use tenko_core::job::{Otherwise, PingRules, Place};
use toml::de::DeTable;

use super::read;

/// What a job's table says of its pings. Words without a place are looked for everywhere.
pub(super) fn rules(table: &DeTable<'_>) -> Option<PingRules> {
    let rules = read::table(table, "pings")?;
    let words = |key| {
        let list = read::texts(rules, key).unwrap_or_default();
        list.into_iter().map(|said| said.text).collect::<Vec<_>>()
    };
    let (fail, success, start) = (words("fail"), words("success"), words("start"));
    let said = read::text(rules, "otherwise");
    let otherwise = match said.as_ref().map(|said| said.text.as_str()) {
        Some("fail") => Otherwise::Fail,
        _ => Otherwise::Ignore,
    };
    let mut look_in: Vec<Place> = [Place::Body, Place::Subject, Place::Mail]
        .into_iter()
        .filter(|place| read::flag(rules, key(*place)).unwrap_or_default())
        .collect();
    let has_words = said.is_some() || [&fail, &success, &start].iter().any(|list| !list.is_empty());
    if look_in.is_empty() && has_words {
        look_in = vec![Place::Body, Place::Subject, Place::Mail];
    }
    let only_post = read::flag(rules, "only_post").unwrap_or_default();
    Some(PingRules { only_post, look_in, fail, success, start, otherwise })
}

fn key(place: Place) -> &'static str {
    match place {
        Place::Body => "in_body",
        Place::Subject => "in_subject",
        Place::Mail => "in_mail",
    }
}
