//! Calendar events of systemd.time(7): `[weekdays] [year-month-day] [hour:minute[:second]] [zone]`.

use jiff::tz::TimeZone;

use super::{
    civil::{ALL_DAYS, ALL_HOURS, ALL_MONTHS, ALL_SECONDS, ALL_WEEK, CivilPattern, Days, Relative, Years},
    error::{Flaw, quoted},
    fields::{Steps, Token, narrow, words},
    zone::{self, nearest_word},
};

/// What an expression says.
#[derive(Debug)]
pub(super) struct Expression {
    pub(super) pattern: CivilPattern,
    /// The hour or the minute is `*`.
    pub(super) wildcard: bool,
    /// The zone written in the expression.
    pub(super) zone: Option<TimeZone>,
}

const SHORTHANDS: [(&str, &str); 11] = [
    ("minutely", "*-*-* *:*:00"),
    ("hourly", "*-*-* *:00:00"),
    ("daily", "*-*-* 00:00:00"),
    ("weekly", "Mon *-*-* 00:00:00"),
    ("monthly", "*-*-01 00:00:00"),
    ("quarterly", "*-01,04,07,10-01 00:00:00"),
    ("semiannually", "*-01,07-01 00:00:00"),
    ("semi-annually", "*-01,07-01 00:00:00"),
    ("biannually", "*-01,07-01 00:00:00"),
    ("annually", "*-01-01 00:00:00"),
    ("yearly", "*-01-01 00:00:00"),
];

/// Reads one expression.
pub(super) fn parse(text: &str) -> Result<Expression, Flaw> {
    let mut parts = words(Token { text, at: 0 });
    let zone = take_zone(&mut parts)?;
    if let [only] = parts[..]
        && let Some((_, meaning)) = SHORTHANDS.iter().find(|(name, _)| only.is(name))
    {
        return Ok(Expression { zone, ..parts_of(&words(Token { text: meaning, at: 0 }))? });
    }
    if parts.is_empty() {
        let flaw = Flaw::new(0..text.len(), "the expression is empty");
        return Err(flaw.hint("write it as Mon..Fri *-*-* 05:00"));
    }
    Ok(Expression { zone, ..parts_of(&parts)? })
}

/// The last word is a zone when it begins with a letter and something stands before it.
fn take_zone(parts: &mut Vec<Token<'_>>) -> Result<Option<TimeZone>, Flaw> {
    let Some(last) =
        parts.last().filter(|last| parts.len() > 1 && last.text.starts_with(char::is_alphabetic))
    else {
        return Ok(None);
    };
    let found = zone::find(last.text).map_err(|flaw| Flaw { span: last.span(), ..flaw })?;
    parts.pop();
    Ok(Some(found))
}

fn parts_of(parts: &[Token<'_>]) -> Result<Expression, Flaw> {
    let mut rest = parts.iter().copied().peekable();
    let week = rest.next_if(|part| part.text.starts_with(char::is_alphabetic));
    let date = rest.next_if(|part| part.text.contains(['-', '~']) || part.text.starts_with('@'));
    let time = rest.next_if(|part| part.text.contains(':'));
    if let Some(left) = rest.next() {
        return Err(misplaced(left));
    }
    let mut pattern = midnight_of_every_day();
    let wildcard = time.map_or(Ok(false), |time| read_time(time, &mut pattern))?;
    if let Some(date) = date {
        read_date(date, &mut pattern)?;
    }
    if let Some(week) = week {
        pattern.days.of_week = weekdays(week)?;
    }
    Ok(Expression { pattern, wildcard, zone: None })
}

fn misplaced(part: Token<'_>) -> Flaw {
    let flaw = part.flaw(format!("{} is neither a date nor a time here", quoted(part.text)));
    if part.text.contains(':') {
        return flaw.hint("an expression has one time, written last but for the zone");
    }
    if part.text.starts_with(char::is_alphabetic) {
        return flaw.hint("write weekdays as a list without spaces, such as Mon,Tue");
    }
    flaw.hint("write dates as *-*-01 and times as 05:00; crontab syntax goes into cron")
}

fn midnight_of_every_day() -> CivilPattern {
    CivilPattern {
        seconds: 1,
        minutes: 1,
        hours: 1,
        months: ALL_MONTHS,
        years: Years::ALL,
        days: Days { of_month: ALL_DAYS, of_week: ALL_WEEK, relative: None, both: true },
    }
}

const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// `Mon..Fri,Sun`; ranges may also be written with one hyphen, and a comma may follow the last day.
fn weekdays(field: Token<'_>) -> Result<u8, Flaw> {
    let list = field.strip_suffix(",").unwrap_or(field);
    let mut monday_first = 0u32;
    for part in list.list() {
        let range = part.text.find("..").map(|at| (at, 2)).or_else(|| part.text.find('-').map(|at| (at, 1)));
        let Some((at, width)) = range else {
            monday_first |= 1 << weekday(part)?;
            continue;
        };
        let (first, last) = (weekday(part.slice(0, at))?, weekday(part.slice(at + width, part.text.len()))?);
        if first > last {
            let flaw = part.flaw(format!("{} runs backwards; the week begins on Monday", quoted(part.text)));
            return Err(flaw.hint("write two ranges, such as Fri..Sun,Mon"));
        }
        monday_first |= (first..=last).fold(0, |set, day| set | 1 << day);
    }
    Ok(narrow::<u8>((monday_first << 1 | monday_first >> 6).into()) & ALL_WEEK)
}

/// 0 = Monday.
fn weekday(token: Token<'_>) -> Result<u32, Flaw> {
    let place = WEEKDAYS.iter().position(|name| token.is(name) || token.is(&name[..3]));
    place.and_then(|place| u32::try_from(place).ok()).ok_or_else(|| unknown_word(token))
}

fn unknown_word(token: Token<'_>) -> Flaw {
    if token.text.is_empty() {
        return token.flaw("a day of the week is missing");
    }
    let flaw = token.flaw(format!("{} is not a day of the week", quoted(token.text)));
    let known = WEEKDAYS.iter().copied().chain(SHORTHANDS.iter().map(|(name, _)| *name));
    match nearest_word(token.text, known) {
        Some(near) => flaw.hint(format!("did you mean {near}?")),
        None => flaw.hint("days are Mon, Tue, Wed, Thu, Fri, Sat and Sun"),
    }
}

/// `YYYY-MM-DD`, `MM-DD`, or with `~` before a day that is counted from the end of the month.
fn read_date(field: Token<'_>, pattern: &mut CivilPattern) -> Result<(), Flaw> {
    if field.text.starts_with('@') {
        let flaw = field.flaw("a single moment is not a schedule");
        return Err(flaw.hint("write the date itself, such as 2026-12-24 05:00:00"));
    }
    let Some(cut) = field.text.rfind(['-', '~']) else { return Err(misplaced(field)) };
    let from_end = field.text[cut..].starts_with('~');
    let (head, day) = (field.slice(0, cut), field.slice(cut + 1, field.text.len()));
    let (year, month) = match head.split_once('-') {
        Some((year, month)) => (Some(year), month),
        None => (None, head),
    };
    if let Some(extra) = month.text.find(['-', '~']) {
        let flaw = month.slice(extra, month.text.len()).flaw("a date has at most a year, a month and a day");
        return Err(flaw.hint("ranges are written with two dots, such as 1..5"));
    }
    if let Some(year) = year {
        pattern.years = years(year)?;
    }
    pattern.months = narrow(Part::MONTH.set(month)?);
    read_day(day, from_end, &mut pattern.days)
}

/// systemd counts only as far from the end as every month reaches.
const MOST_FROM_END: u32 = 28;

fn read_day(field: Token<'_>, from_end: bool, days: &mut Days) -> Result<(), Flaw> {
    if !from_end {
        days.of_month = narrow(Part::DAY.set(field)?);
    } else if field.text != "*" {
        let part = Part { high: MOST_FROM_END, from_end, ..Part::DAY };
        let from_end = narrow::<u32>(part.set(field)?) >> 1;
        days.of_month = 0;
        days.relative = Some(Box::new(Relative { from_end, ..Relative::default() }));
    }
    Ok(())
}

fn years(field: Token<'_>) -> Result<Years, Flaw> {
    if field.text == "*" {
        return Ok(Years::ALL);
    }
    let mut years = Years::NONE;
    for part in field.list() {
        Part::YEAR.steps(part)?.values().for_each(|year| years.insert(year.into()));
    }
    Ok(years)
}

/// Whether the hour or the minute is `*`.
fn read_time(field: Token<'_>, pattern: &mut CivilPattern) -> Result<bool, Flaw> {
    let Some((hour, rest)) = field.split_once(':') else { return Err(misplaced(field)) };
    let (minute, second) = match rest.split_once(':') {
        Some((minute, second)) => (minute, Some(second)),
        None => (rest, None),
    };
    pattern.hours = narrow::<u32>(Part::HOUR.set(hour)?) & ALL_HOURS;
    pattern.minutes = Part::MINUTE.set(minute)? & ALL_SECONDS;
    if let Some(second) = second {
        pattern.seconds = Part::SECOND.set(second)? & ALL_SECONDS;
    }
    Ok(hour.text == "*" || minute.text == "*")
}

/// One component of an expression and the values it may have.
#[derive(Debug)]
struct Part {
    name: &'static str,
    low: u32,
    high: u32,
    from_end: bool,
}

impl Part {
    const YEAR: Self = Self::new("year", 1970, 2199);
    const MONTH: Self = Self::new("month", 1, 12);
    const DAY: Self = Self::new("day", 1, 31);
    const HOUR: Self = Self::new("hour", 0, 23);
    const MINUTE: Self = Self::new("minute", 0, 59);
    const SECOND: Self = Self::new("second", 0, 59);

    const fn new(name: &'static str, low: u32, high: u32) -> Self {
        Self { name, low, high, from_end: false }
    }

    fn set(&self, field: Token<'_>) -> Result<u64, Flaw> {
        if field.text == "*" {
            return Ok(Steps { low: self.low, high: self.high, step: 1 }.bits());
        }
        field.list().try_fold(0, |set, part| Ok(set | self.steps(part)?.bits()))
    }

    /// `5`, `1..5`, `0/15` or `1..9/2`. As in systemd an open step must reach a second value.
    fn steps(&self, part: Token<'_>) -> Result<Steps, Flaw> {
        let (values, step) = match part.split_once('/') {
            Some((values, step)) => (values, Some(self.step(step)?)),
            None => (part, None),
        };
        if values.text == "*" {
            let flaw = part.flaw(format!("{} is not systemd syntax", quoted(part.text)));
            let start = if self.name == "year" { 2000 } else { self.low };
            return Err(match step {
                Some(step) => flaw.hint(format!("write {start}/{step}")),
                None => flaw.hint("`*` cannot be part of a list"),
            });
        }
        let Some(dots) = values.text.find("..") else {
            let start = self.value(values)?;
            return self.open(part, start, step);
        };
        let (low, high) = (values.slice(0, dots), values.slice(dots + 2, values.text.len()));
        let range = self.closed(part, self.value(low)?, self.value(high)?, step.unwrap_or(1))?;
        if step.is_none() && self.name == "second" && range.low == range.high {
            let flaw = part.flaw(format!("{} is a range of less than a second", quoted(part.text)));
            return Err(flaw.hint(format!("systemd refuses it, too: write {}", range.low)));
        }
        Ok(range)
    }

    /// A start, perhaps repeated up to the end of the field (or, from the end of the month, down to the last day).
    fn open(&self, part: Token<'_>, start: u32, step: Option<u32>) -> Result<Steps, Flaw> {
        let Some(step) = step else { return Ok(Steps { low: start, high: start, step: 1 }) };
        let reaches = if self.from_end { start > step } else { step <= self.high - start };
        if !reaches {
            return Err(part.flaw(format!("{} repeats beyond the last {}", quoted(part.text), self.name)));
        }
        Ok(match self.from_end {
            true => Steps { low: (start - 1) % step + 1, high: start, step },
            false => Steps { low: start, high: self.high, step },
        })
    }

    fn closed(&self, part: Token<'_>, low: u32, high: u32, step: u32) -> Result<Steps, Flaw> {
        if low > high {
            let flaw = part.flaw(format!("{} runs backwards; ranges do not wrap around", quoted(part.text)));
            return Err(flaw.hint("write two ranges with a comma between them"));
        }
        Ok(Steps { low, high, step })
    }

    fn value(&self, token: Token<'_>) -> Result<u32, Flaw> {
        if token.text.is_empty() {
            return Err(token.flaw(format!("a {} is missing", self.name)));
        }
        if !token.text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(self.not_a_value(token));
        }
        let written = token.text.parse().unwrap_or(u32::MAX);
        let value = match (self.name, written) {
            ("year", 0..=69) => written + 2000,
            ("year", 70..=99) => written + 1900,
            _ => written,
        };
        if (self.low..=self.high).contains(&value) {
            return Ok(value);
        }
        Err(token.flaw(format!("{} {} is out of range {} to {}", self.name, token.text, self.low, self.high)))
    }

    fn not_a_value(&self, token: Token<'_>) -> Flaw {
        let flaw = token.flaw(format!(
            "{} is not a {} ({} to {})",
            quoted(token.text),
            self.name,
            self.low,
            self.high
        ));
        if token.text.contains('.') {
            return flaw.hint("fractions of a second are not watched; ranges are written with two dots");
        }
        if token.text.contains('T') {
            return flaw.hint("write a space between date and time");
        }
        flaw
    }

    fn step(&self, token: Token<'_>) -> Result<u32, Flaw> {
        let digits = token.text.bytes().all(|b| b.is_ascii_digit());
        match token.text.parse::<u32>() {
            Ok(0) => Err(token.flaw("a step of 0 never arrives")),
            Ok(step) if digits => Ok(step),
            _ => Err(token.flaw(format!("{} is not a step of the {}", quoted(token.text), self.name))),
        }
    }
}
