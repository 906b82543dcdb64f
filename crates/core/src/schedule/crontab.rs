//! crontab(5) expressions as Debian's cron reads them, and what other crons add where it is unambiguous.

use super::{
    Scheduler,
    civil::{ALL_DAYS, ALL_WEEK, CivilPattern, Days, Relative, Years},
    dst::Policy,
    error::{Flaw, quoted},
    fields::{DAY_NAMES, Domain, MONTH_NAMES, Token, narrow, words},
    zone::nearest_word,
};

/// The nicknames of crontab(5), with their expressions.
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Reads five fields or a nickname. `scheduler` decides about clock changes, and lets Kubernetes have its own reading
/// of `*/2` in a day field (robfig/cron: only a bare `*` frees the other day field) and of `5/15`.
pub(super) fn parse(text: &str, scheduler: Scheduler) -> Result<(CivilPattern, Policy), Flaw> {
    let whole = Token { text, at: 0 };
    let fields = words(whole);
    match fields.first() {
        None => Err(whole.flaw("the expression is empty").hint("write five fields, such as 0 5 * * *")),
        Some(name) if name.text.starts_with('@') => {
            let expression = nickname(&fields, *name)?;
            five(&words(Token { text: expression, at: 0 }), scheduler)
        }
        Some(_) => five(&fields, scheduler),
    }
}

fn nickname(fields: &[Token<'_>], name: Token<'_>) -> Result<&'static str, Flaw> {
    if name.is("@reboot") {
        let flaw = name.flaw("`@reboot` names no time that could be waited for");
        return Err(flaw.hint("leave the schedule out; the job is then judged by what it reports"));
    }
    if name.is("@every") {
        return Err(name.flaw("`@every` is not crontab syntax").hint("use every = \"15m\" instead of cron"));
    }
    let Some((_, expression)) = NICKNAMES.iter().find(|(known, _)| name.is(known)) else {
        let near = nearest_word(name.text, NICKNAMES.iter().map(|(known, _)| *known));
        let flaw = name.flaw(format!("there is no nickname {}", quoted(name.text)));
        return Err(flaw.hint(
            near.map_or_else(|| "write five fields".to_owned(), |near| format!("did you mean {near}?")),
        ));
    };
    match fields.get(1) {
        None => Ok(expression),
        Some(rest) => Err(rest.flaw(format!("{} follows a complete expression", quoted(rest.text)))),
    }
}

fn five(fields: &[Token<'_>], scheduler: Scheduler) -> Result<(CivilPattern, Policy), Flaw> {
    let [minute, hour, day, month, week] = fields else { return Err(not_five(fields)) };
    let kubernetes = scheduler == Scheduler::Kubernetes;
    let pattern = CivilPattern {
        seconds: 1,
        minutes: domain("minute", 0, 59, kubernetes).set(*minute)?,
        hours: narrow(domain("hour", 0, 23, kubernetes).set(*hour)?),
        months: narrow(
            Domain { names: &MONTH_NAMES, named_from: 1, ..domain("month", 1, 12, kubernetes) }
                .set(*month)?,
        ),
        years: Years::ALL,
        days: days(*day, *week, kubernetes)?,
    };
    let wildcard = minute.text.starts_with('*') || hour.text.starts_with('*');
    Ok((pattern, Policy::of(scheduler, wildcard)))
}

fn domain(name: &'static str, low: u32, high: u32, open_step: bool) -> Domain {
    Domain { name, low, high, names: &[], named_from: 0, open_step }
}

/// crontab(5): a day must match both day fields when one of them starts with `*`, else either.
fn days(day: Token<'_>, week: Token<'_>, kubernetes: bool) -> Result<Days, Flaw> {
    let mut relative = Relative::default();
    let of_month = day_of_month(any_day(day, kubernetes), &mut relative, kubernetes)?;
    let of_week = day_of_week(any_day(week, kubernetes), &mut relative, kubernetes)?;
    let star = |field: Token<'_>| match kubernetes {
        true => matches!(field.text, "*" | "*/1" | "?"),
        false => field.text.starts_with('*'),
    };
    let relative = relative.is_used().then(|| Box::new(relative));
    Ok(Days { of_month, of_week, relative, both: star(day) || star(week) })
}

/// Kubernetes takes `?` for `*` in the day fields.
fn any_day(field: Token<'_>, kubernetes: bool) -> Token<'_> {
    if kubernetes && field.text == "?" { Token { text: "*", ..field } } else { field }
}

fn day_of_month(field: Token<'_>, relative: &mut Relative, open_step: bool) -> Result<u32, Flaw> {
    let domain = domain("day of the month", 1, 31, open_step);
    let mut set = 0;
    for part in field.list() {
        if !relative.take_day_of_month(part, &domain)? {
            set |= domain.element(part)?.bits();
        }
    }
    Ok(narrow::<u32>(set) & ALL_DAYS)
}

fn day_of_week(field: Token<'_>, relative: &mut Relative, open_step: bool) -> Result<u8, Flaw> {
    let domain = Domain { names: &DAY_NAMES, ..domain("day of the week", 0, 7, open_step) };
    let mut set = 0;
    for part in field.list() {
        if part.is("L") {
            let flaw = part.flaw("`L` alone is not a day of the week in a crontab");
            return Err(flaw.hint("write 6 for Saturday, or 5L for the last Friday of the month"));
        }
        if !relative.take_day_of_week(part, &domain)? {
            set |= domain.element(part)?.bits();
        }
    }
    Ok(narrow::<u8>(set | set >> 7 & 1) & ALL_WEEK)
}

impl Relative {
    pub(super) fn is_used(&self) -> bool {
        let by_day = self.from_end != 0 || self.nearest_weekday != 0 || self.last_weekday;
        by_day || self.last_of_week != 0 || self.ordinal != [0; 5]
    }

    /// Takes `L`, `L-3`, `LW` or `15W`; false when the part is something else.
    pub(super) fn take_day_of_month(&mut self, part: Token<'_>, domain: &Domain) -> Result<bool, Flaw> {
        if part.is("L") {
            self.from_end |= 1;
        } else if part.is("LW") {
            self.last_weekday = true;
        } else if part.text.starts_with(['L', 'l']) && part.text[1..].starts_with('-') {
            self.from_end |= 1 << days_before_last(part)?;
        } else if let Some(day) = part.strip_suffix("W") {
            self.nearest_weekday |= 1 << domain.value(day)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Takes `MON#2` or `5L`, with Sunday as the lowest or the eighth value; false when the part is something else.
    pub(super) fn take_day_of_week(&mut self, part: Token<'_>, domain: &Domain) -> Result<bool, Flaw> {
        let sunday = if domain.low == 0 { 7 } else { 8 };
        let bit = |value: u32| 1u8 << if value == sunday { 0 } else { value - domain.low };
        if let Some((day, ordinal)) = part.split_once('#') {
            let value = domain.value(day)?;
            let place =
                ordinal.text.parse::<usize>().ok().filter(|n| (1..=5).contains(n)).ok_or_else(|| {
                    ordinal.flaw(format!("{} is not an occurrence in a month (1 to 5)", quoted(ordinal.text)))
                })?;
            self.ordinal[place - 1] |= bit(value);
        } else if let Some(day) = part.strip_suffix("L").filter(|day| !day.text.is_empty()) {
            self.last_of_week |= bit(domain.value(day)?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

fn days_before_last(part: Token<'_>) -> Result<u32, Flaw> {
    let number = part.text[2..].parse::<u32>().ok().filter(|n| (1..=30).contains(n));
    number.ok_or_else(|| {
        part.flaw(format!("{} does not count days before the last (L-1 to L-30)", quoted(part.text)))
    })
}

/// Says what is wrong with the number of fields.
fn not_five(fields: &[Token<'_>]) -> Flaw {
    let (Some(first), Some(last)) = (fields.first(), fields.last()) else {
        return Flaw::new(0..0, "the expression is empty");
    };
    let all = first.at..last.span().end;
    if first.text.contains('=') {
        return first
            .flaw("a variable is not part of the expression")
            .hint("use tz = \"Asia/Tokyo\" for the zone");
    }
    if fields.len() < 5 {
        let flaw = Flaw::new(all, format!("a crontab expression has 5 fields, this has {}", fields.len()));
        return flaw.hint("minute, hour, day of the month, month, day of the week");
    }
    let extra = fields[5].at..last.span().end;
    if fields[5..].iter().any(|field| !looks_like_field(field.text)) {
        let flaw = Flaw::new(extra, "something follows the 5 fields");
        return flaw.hint("leave out the user and the command of the crontab line");
    }
    let flaw = Flaw::new(all, format!("a crontab expression has 5 fields, this has {}", fields.len()));
    flaw.hint(
        "drop the seconds at the front or the year at the end; for EventBridge write cron(...) around it",
    )
}

fn looks_like_field(text: &str) -> bool {
    let named = MONTH_NAMES.iter().chain(&DAY_NAMES).any(|name| text.to_ascii_uppercase().starts_with(name));
    named || text.chars().all(|c| c.is_ascii_digit() || "*/,-?#LW".contains(c))
}
