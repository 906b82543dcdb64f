//! The same questions answered by looking at every minute. Shares nothing with the code under test but jiff.

use jiff::{
    SignedDuration, Timestamp,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};

/// What happens to wall times that are skipped or repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    WallClock,
    FirstOnly,
    CatchUp,
}

const MINUTE: SignedDuration = SignedDuration::from_secs(60);

/// A crontab expression that is tried on one wall time after the other.
#[derive(Clone, Debug)]
pub struct Cron {
    fields: Vec<String>,
    /// Only a bare star frees the other day field.
    bare_star: bool,
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEK: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Cron {
    pub fn new(expression: &str, bare_star: bool) -> Self {
        let fields = expression.to_lowercase().split_whitespace().map(str::to_owned).collect();
        Self { fields, bare_star }
    }

    pub fn is_wildcard(&self) -> bool {
        self.fields[0].starts_with('*') || self.fields[1].starts_with('*')
    }

    pub fn matches(&self, wall: DateTime) -> bool {
        let plain = |field: &str, value: i8, high, names: &[&str]| {
            field.split(',').any(|part| part_matches(part, i32::from(value), high, names))
        };
        if !plain(&self.fields[0], wall.minute(), 59, &[]) || !plain(&self.fields[1], wall.hour(), 23, &[]) {
            return false;
        }
        plain(&self.fields[3], wall.month(), 12, &MONTHS) && self.day_matches(wall)
    }

    fn day_matches(&self, wall: DateTime) -> bool {
        let of_month = self.fields[2].split(',').any(|part| day_of_month(part, wall));
        let of_week = self.fields[4].split(',').any(|part| day_of_week(part, wall));
        let star = |field: &String| if self.bare_star { field == "*" } else { field.starts_with('*') };
        if star(&self.fields[2]) || star(&self.fields[4]) { of_month && of_week } else { of_month || of_week }
    }
}

fn number(text: &str, names: &[&str]) -> i32 {
    let named = names.iter().position(|name| *name == text);
    let from = if names.len() == 12 { 1 } else { 0 };
    named.map_or_else(|| text.parse().unwrap(), |place| i32::try_from(place).unwrap() + from)
}

fn part_matches(part: &str, value: i32, high: i32, names: &[&str]) -> bool {
    let (range, step) = part.split_once('/').unwrap_or((part, "1"));
    let low = i32::from(names.len() == 12);
    let (first, last) = match (range, range.split_once('-')) {
        ("*", _) => (low, high),
        (_, Some((first, last))) => (number(first, names), number(last, names)),
        (one, None) => (number(one, names), number(one, names)),
    };
    (first..=last).contains(&value) && (value - first) % step.parse::<i32>().unwrap() == 0
}

fn day_of_month(part: &str, wall: DateTime) -> bool {
    let last = wall.last_of_month().day();
    let workday = |day: i8| wall.with().day(day).build().unwrap().weekday().to_monday_one_offset() <= 5;
    match part {
        "l" => wall.day() == last,
        "lw" => workday(wall.day()) && (wall.day() + 1..=last).all(|day| !workday(day)),
        _ if part.starts_with("l-") => {
            i32::from(wall.day()) == i32::from(last) - part[2..].parse::<i32>().unwrap()
        }
        _ => {
            let part = if let Some(stars) = part.strip_prefix("*/") {
                format!("1-31/{stars}")
            } else {
                part.to_owned()
            };
            part == "*" || part_matches(&part, wall.day().into(), 31, &[])
        }
    }
}

fn day_of_week(part: &str, wall: DateTime) -> bool {
    let today = i32::from(wall.weekday().to_sunday_zero_offset());
    let same = |text: &str| number(text, &WEEK) % 7 == today;
    if let Some((day, ordinal)) = part.split_once('#') {
        return same(day) && (wall.day() - 1) / 7 + 1 == ordinal.parse::<i8>().unwrap();
    }
    if let Some(day) = part.strip_suffix('l') {
        return same(day) && wall.day() + 7 > wall.last_of_month().day();
    }
    part_matches(part, today, 7, &WEEK) || today == 0 && part_matches(part, 7, 7, &WEEK)
}

/// Whether a whole minute (or second) is a due.
pub fn is_due(matches: &dyn Fn(DateTime) -> bool, rule: Rule, zone: &TimeZone, instant: Timestamp) -> bool {
    let wall = zone.to_datetime(instant);
    let first = match zone.to_ambiguous_timestamp(wall).offset() {
        AmbiguousOffset::Fold { before, .. } => zone.to_offset(instant) == before,
        AmbiguousOffset::Unambiguous { .. } => true,
        AmbiguousOffset::Gap { .. } => unreachable!("{wall} was shown by a clock"),
    };
    let (now, before) = (zone.to_offset(instant), zone.to_offset(instant - SignedDuration::from_secs(1)));
    let gap = now.seconds() - before.seconds();
    let made_up = || {
        gap > 0 && gap < 3 * 3600 && {
            let mut skipped = before.to_datetime(instant);
            std::iter::from_fn(|| {
                let minute = (skipped < wall).then_some(skipped);
                skipped = skipped.checked_add(MINUTE).unwrap();
                minute
            })
            .any(matches)
        }
    };
    match rule {
        Rule::WallClock => matches(wall),
        Rule::FirstOnly => first && matches(wall),
        Rule::CatchUp => first && matches(wall) || made_up(),
    }
}

/// All dues after `after` up to `until`, minute by minute.
pub fn dues(
    matches: &dyn Fn(DateTime) -> bool,
    rule: Rule,
    zone: &TimeZone,
    (after, until): (Timestamp, Timestamp),
) -> Vec<Timestamp> {
    let first = after.as_second().div_euclid(60) + 1;
    let minutes = first..=until.as_second().div_euclid(60);
    let instants = minutes.map(|minute| Timestamp::from_second(minute * 60).unwrap());
    instants.filter(|instant| is_due(matches, rule, zone, *instant)).collect()
}

/// Whether a calendar event of systemd selects a wall time.
pub fn on_calendar_matches(text: &str, wall: DateTime) -> bool {
    text.split_whitespace().all(|part| match part {
        _ if part.contains(':') => time_matches(part, wall),
        _ if part.contains(['-', '~']) => date_matches(part, wall),
        _ => week_matches(part, wall),
    })
}

fn time_matches(part: &str, wall: DateTime) -> bool {
    let mut fields = part.split(':').chain(std::iter::once("0"));
    let values = [wall.hour(), wall.minute(), wall.second()];
    values.iter().all(|value| chain_matches(fields.next().unwrap(), i32::from(*value)))
}

fn date_matches(part: &str, wall: DateTime) -> bool {
    let (rest, day) = part.rsplit_once(['-', '~']).unwrap();
    let (year, month) = rest.rsplit_once('-').unwrap_or(("*", rest));
    let last = i32::from(wall.last_of_month().day());
    let day_matches = match part.contains('~') {
        true => chain_matches_down(day, last - i32::from(wall.day()) + 1),
        false => chain_matches(day, wall.day().into()),
    };
    let short = i32::from(wall.year()) - 2000;
    let year_matches =
        chain_matches(year, wall.year().into()) || year.len() == 2 && chain_matches(year, short);
    day_matches && year_matches && chain_matches(month, wall.month().into())
}

fn chain_matches(chain: &str, value: i32) -> bool {
    chain.split(',').any(|part| {
        let (range, step) = part.split_once('/').unwrap_or((part, ""));
        match range.split_once("..") {
            _ if range == "*" => true,
            Some((first, last)) => {
                let (first, last) = (number(first, &[]), number(last, &[]));
                (first..=last).contains(&value) && (value - first) % step.parse().unwrap_or(1) == 0
            }
            None if step.is_empty() => value == number(range, &[]),
            None => value >= number(range, &[]) && (value - number(range, &[])) % number(step, &[]) == 0,
        }
    })
}

/// `value` counts from the end, and an open step goes down to 1.
fn chain_matches_down(chain: &str, value: i32) -> bool {
    chain.split(',').any(|part| match part.split_once('/') {
        Some((start, step)) => {
            value <= number(start, &[]) && (number(start, &[]) - value) % number(step, &[]) == 0
        }
        None => chain_matches(part, value),
    })
}

fn week_matches(part: &str, wall: DateTime) -> bool {
    const MONDAY_FIRST: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let place = |name: &str| {
        let name = name.to_lowercase();
        MONDAY_FIRST.iter().position(|day| name.starts_with(day)).unwrap()
    };
    let today = usize::try_from(wall.weekday().to_monday_zero_offset()).unwrap();
    part.split(',').any(|part| match part.split_once("..") {
        Some((first, last)) => (place(first)..=place(last)).contains(&today),
        None => place(part) == today,
    })
}

/// Whether an instant is the second time that its zone's clocks show the same.
pub fn is_repeated(zone: &TimeZone, instant: Timestamp) -> bool {
    let offset = zone.to_ambiguous_timestamp(zone.to_datetime(instant)).offset();
    matches!(offset, AmbiguousOffset::Fold { after, .. } if after == zone.to_offset(instant))
}

/// The clock before and after each change of a zone in a time.
pub fn changes(zone: &TimeZone, (after, until): (Timestamp, Timestamp)) -> Vec<(DateTime, DateTime)> {
    let changes = zone.following(after).take_while(|change| change.timestamp() <= until);
    let walls = changes.map(|change| {
        let before = zone.to_offset(change.timestamp() - SignedDuration::from_secs(1));
        (before.to_datetime(change.timestamp()), change.offset().to_datetime(change.timestamp()))
    });
    walls.collect()
}
