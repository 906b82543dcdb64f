//! EventBridge: `cron(minutes hours day-of-month month day-of-week year)` and `rate(value unit)`.

use jiff::SignedDuration;

use super::{
    civil::{ALL_DAYS, ALL_WEEK, CivilPattern, Days, Relative, Years},
    error::{Flaw, quoted},
    fields::{DAY_NAMES, Domain, MONTH_NAMES, Token, narrow, words},
    zone::nearest_word,
};

/// What an EventBridge expression says.
#[derive(Debug)]
pub(super) enum Expression {
    /// The pattern, and whether the hour or the minute starts with `*`.
    Cron(Box<CivilPattern>, bool),
    Rate(SignedDuration),
}

/// Whether a text is meant for EventBridge at all.
pub(super) fn is_meant(text: &str) -> bool {
    ["cron", "rate", "at"].iter().any(|word| {
        let head = text.trim_start().get(..word.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(word))
            && text.trim_start()[word.len()..].trim_start().starts_with('(')
    })
}

/// Reads `cron(...)` or `rate(...)`, by the rules of the EventBridge user guide.
pub(super) fn parse(text: &str) -> Result<Expression, Flaw> {
    let whole = Token { text, at: 0 };
    let Some((name, rest)) = whole.split_once('(') else {
        return Err(whole.flaw("a parenthesis is missing"));
    };
    let Some(end) = rest.text.rfind(')') else {
        return Err(Flaw::new(text.len()..text.len(), "the closing parenthesis is missing"));
    };
    let after = rest.slice(end + 1, rest.text.len());
    if !after.text.trim().is_empty() {
        return Err(after.flaw(format!("{} follows a complete expression", quoted(after.text.trim()))));
    }
    let inner = rest.slice(0, end);
    match name.text.trim() {
        "cron" => cron(inner),
        "rate" => Ok(Expression::Rate(rate(inner)?)),
        "at" => Err(name
            .flaw("`at(...)` is due once and then never again")
            .hint("for a single date write on_calendar = \"2026-12-24 05:00:00\"")),
        other => {
            let hint = format!("write {}", other.to_ascii_lowercase());
            Err(name.flaw(format!("{} is not how EventBridge writes it", quoted(other))).hint(hint))
        }
    }
}

fn cron(inner: Token<'_>) -> Result<Expression, Flaw> {
    let fields = words(inner);
    let [minute, hour, day, month, week, year] = fields[..] else { return Err(not_six(inner, &fields)) };
    let pattern = CivilPattern {
        seconds: 1,
        minutes: domain("minute", 0, 59).set(minute)?,
        hours: narrow(domain("hour", 0, 23).set(hour)?),
        months: narrow(Domain { names: &MONTH_NAMES, named_from: 1, ..domain("month", 1, 12) }.set(month)?),
        years: years(year)?,
        days: days(day, week)?,
    };
    let wildcard = minute.text.starts_with('*') || hour.text.starts_with('*');
    Ok(Expression::Cron(Box::new(pattern), wildcard))
}

fn not_six(inner: Token<'_>, fields: &[Token<'_>]) -> Flaw {
    let flaw = inner.flaw(format!("an EventBridge cron expression has 6 fields, this has {}", fields.len()));
    match fields {
        [minute, hour, day, month, week] => {
            let (day, week) = match (day.text, week.text) {
                ("*", "*") => ("*", "?"),
                ("*", week) => ("?", week),
                (day, _) => (day, "?"),
            };
            flaw.hint(format!("write cron({} {} {day} {} {week} *)", minute.text, hour.text, month.text))
        }
        _ => flaw.hint("minutes, hours, day of the month, month, day of the week, year"),
    }
}

fn domain(name: &'static str, low: u32, high: u32) -> Domain {
    Domain { name, low, high, names: &[], named_from: 0, open_step: true }
}

fn years(field: Token<'_>) -> Result<Years, Flaw> {
    if field.text == "*" {
        return Ok(Years::ALL);
    }
    let domain = domain("year", 1970, 2199);
    let mut years = Years::NONE;
    for part in field.list() {
        domain.element(part)?.values().for_each(|year| years.insert(year.into()));
    }
    Ok(years)
}

/// One of the two day fields says which days; the other one must be `?`.
fn days(day: Token<'_>, week: Token<'_>) -> Result<Days, Flaw> {
    let mut relative = Relative::default();
    let both = day.at..week.span().end;
    let (of_month, of_week) = match (day.text == "?", week.text == "?") {
        (false, true) => (day_of_month(day, &mut relative)?, ALL_WEEK),
        (true, false) => (ALL_DAYS, day_of_week(week, &mut relative)?),
        (true, true) => {
            return Err(Flaw::new(both, "both day fields are `?`").hint("write * for one of them"));
        }
        (false, false) => {
            let other = if week.text == "*" { "day of the week" } else { "day of the month" };
            let flaw = Flaw::new(both, "both day fields say something");
            return Err(flaw.hint(format!("EventBridge wants ? in one of them, here the {other}")));
        }
    };
    let relative = relative.is_used().then(|| Box::new(relative));
    Ok(Days { of_month, of_week, relative, both: true })
}

fn day_of_month(field: Token<'_>, relative: &mut Relative) -> Result<u32, Flaw> {
    let domain = domain("day of the month", 1, 31);
    let mut set = 0;
    for part in field.list() {
        if !relative.take_day_of_month(part, &domain)? {
            set |= domain.element(part)?.bits();
        }
    }
    Ok(narrow::<u32>(set) & ALL_DAYS)
}

/// 1 is Sunday and 7, like `L`, is Saturday.
fn day_of_week(field: Token<'_>, relative: &mut Relative) -> Result<u8, Flaw> {
    let domain = Domain { names: &DAY_NAMES, named_from: 1, ..domain("day of the week", 1, 7) };
    if field.text.contains('#') && field.text.contains(',') {
        return Err(field.flaw("`#` cannot be part of a list").hint("use a list of expressions instead"));
    }
    let mut set = 0;
    for part in field.list() {
        if part.is("L") {
            set |= 1 << 7;
        } else if !relative.take_day_of_week(part, &domain)? {
            set |= domain.element(part)?.bits();
        }
    }
    Ok(narrow::<u8>(set >> 1) & ALL_WEEK)
}

const UNITS: [(&str, &str, i64); 3] =
    [("minute", "minutes", 60), ("hour", "hours", 3600), ("day", "days", 86_400)];

fn rate(inner: Token<'_>) -> Result<SignedDuration, Flaw> {
    let [value, unit] = words(inner)[..] else {
        return Err(inner.flaw("a rate is a number and a unit").hint("write rate(5 minutes)"));
    };
    let digits = value.text.bytes().all(|b| b.is_ascii_digit());
    let number = value.text.parse::<i64>().ok().filter(|n| digits && (1..=1_000_000).contains(n));
    let number =
        number.ok_or_else(|| value.flaw(format!("{} is not a positive whole number", quoted(value.text))))?;
    let known = UNITS.iter().find(|(one, many, _)| unit.text == *one || unit.text == *many);
    let Some((one, many, seconds)) = known else { return Err(unknown_unit(unit)) };
    let right = if number == 1 { one } else { many };
    if unit.text != *right {
        let flaw = unit.flaw(format!("EventBridge refuses {}", quoted(inner.text)));
        return Err(flaw.hint(format!("write rate({number} {right})")));
    }
    let seconds = number * seconds;
    if seconds > 3660 * 86_400 {
        return Err(inner.flaw("the rate is longer than ten years"));
    }
    Ok(SignedDuration::from_secs(seconds))
}

fn unknown_unit(unit: Token<'_>) -> Flaw {
    let flaw = unit.flaw(format!("there is no unit {}", quoted(unit.text)));
    match nearest_word(unit.text, UNITS.iter().flat_map(|(one, many, _)| [*one, *many])) {
        Some(near) => flaw.hint(format!("did you mean {near}?")),
        None => flaw.hint("a rate is in minutes, hours or days"),
    }
}
