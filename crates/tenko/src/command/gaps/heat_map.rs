//! A calendar of days for a terminal: weeks are columns, weekdays are rows, and each day shows the worst of its dues.

use std::collections::BTreeMap;

use anstyle::Style;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use tenko_core::calendar::{Due, Outcome};
use tenko_core::schedule::just_before;

use super::text::{in_words, style_of};

/// The most weeks that are drawn: a year. Of a longer span the newest.
const WEEKS: usize = 53;
/// With more weeks than this their columns stand side by side, so that a year fits into 80 columns.
const AIRY: usize = 36;
/// All outcomes, the worst first, and the character of each.
const BY_WEIGHT: [(Outcome, char); 9] = [
    (Outcome::Missed, 'M'),
    (Outcome::Bad, 'B'),
    (Outcome::Late, 'L'),
    (Outcome::Unknown, '?'),
    (Outcome::Open, 'o'),
    (Outcome::LateDelivered, '+'),
    (Outcome::Answered, '#'),
    (Outcome::Paused, 'p'),
    (Outcome::NotExpected, '-'),
];
/// A day on which nothing was due.
const NOTHING: char = '.';

/// The worst outcome of each day that has dues; days are those of `zone`.
pub(super) fn days(dues: &[Due], zone: &TimeZone) -> BTreeMap<Date, Outcome> {
    let mut days: BTreeMap<Date, Outcome> = BTreeMap::new();
    for due in dues {
        let day = due.due.to_zoned_datetime(zone.clone()).date();
        let worst = days.entry(day).or_insert(due.outcome);
        if weight(due.outcome) < weight(*worst) {
            *worst = due.outcome;
        }
    }
    days
}

fn weight(outcome: Outcome) -> usize {
    BY_WEIGHT.iter().position(|(known, _)| *known == outcome).unwrap_or(BY_WEIGHT.len())
}

/// The calendar and its legend.
pub(super) fn draw(days: &BTreeMap<Date, Outcome>, span: (Timestamp, Timestamp), zone: &TimeZone) -> String {
    let (first, last) = ends(span, zone);
    let mondays: Vec<Date> = mondays(first, last);
    let gap = if mondays.len() > AIRY { "" } else { " " };
    let mut text = months(&mondays, 1 + gap.len());
    for (name, row) in ["Mon", "   ", "Wed", "   ", "Fri", "   ", "Sun"].into_iter().zip(0_i64..) {
        let mut line = format!("{name} ");
        for (column, monday) in mondays.iter().enumerate() {
            let day = monday.saturating_add(row.days());
            line.push_str(if column == 0 { "" } else { gap });
            line.push_str(&if day < first || day > last { " ".into() } else { cell(days.get(&day)) });
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text + &legend(days) + "\n"
}

/// The first and the last day: a span ends before its end.
fn ends((from, to): (Timestamp, Timestamp), zone: &TimeZone) -> (Date, Date) {
    let day = |moment: Timestamp| moment.to_zoned_datetime(zone.clone()).date();
    (day(from), day(just_before(to)))
}

fn mondays(first: Date, last: Date) -> Vec<Date> {
    let monday = |day: Date| day.saturating_sub(i64::from(day.weekday().since(Weekday::Monday)).days());
    let (first, last) = (monday(first), monday(last));
    let mut mondays: Vec<Date> = (0..WEEKS as i64)
        .map(|week| last.saturating_sub((7 * week).days()))
        .take_while(|monday| *monday >= first)
        .collect();
    mondays.dedup();
    mondays.reverse();
    mondays
}

/// The name of a month stands over the first week in which it begins, if there is room for it.
fn months(mondays: &[Date], width: usize) -> String {
    let mut line = String::new();
    let sundays: Vec<Date> = mondays.iter().map(|monday| monday.saturating_add(6.days())).collect();
    let mut before = None;
    for (column, sunday) in sundays.iter().enumerate() {
        let at = 4 + width * column;
        let goes_on = sundays.get(column + 1).is_none_or(|next| next.month() == sunday.month());
        if before != Some(sunday.month()) && goes_on && line.len() <= at {
            line.push_str(&" ".repeat(at - line.len()));
            line.push_str(&format!("{} ", sunday.strftime("%b")));
        }
        before = Some(sunday.month());
    }
    line.trim_end().to_owned() + "\n"
}

fn cell(outcome: Option<&Outcome>) -> String {
    let Some(outcome) = outcome else {
        let style = Style::new().dimmed();
        return format!("{style}{NOTHING}{style:#}");
    };
    let sign = BY_WEIGHT.iter().find(|(known, _)| known == outcome).map_or(NOTHING, |(_, sign)| *sign);
    let style = style_of(*outcome);
    format!("{style}{sign}{style:#}")
}

/// What the characters mean that are there.
fn legend(days: &BTreeMap<Date, Outcome>) -> String {
    let shown = BY_WEIGHT.iter().rev().filter(|(outcome, _)| days.values().any(|day| day == outcome));
    let shown = shown.map(|(outcome, _)| format!("{} {}", cell(Some(outcome)), in_words(*outcome)));
    let nothing = format!("{} nothing due", cell(None));
    format!("    {}\n", shown.chain([nothing]).collect::<Vec<_>>().join("   "))
}
