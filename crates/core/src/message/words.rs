//! What a language has to say.

use jiff::{SignedDuration, ZonedDateTime};

use super::Told;
use crate::evidence::Exit;
use crate::flaw::Flaw;

/// What a field is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Label {
    Description,
    Due,
    Deadline,
    DownSince,
    UpSince,
    DownFor,
    LastSuccess,
    Exit,
    Duration,
    Host,
    Schedule,
    Remark,
}

/// What a digest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Down,
    StillDown,
    Up,
    Unknown,
    Known,
    Unstored,
    Test,
}

/// A language.
pub(super) trait Words {
    /// One line without a full stop.
    fn title(&self, told: &Told<'_>) -> String;
    /// What was expected and what happened.
    fn sentence(&self, told: &Told<'_>) -> String;
    fn label(&self, label: Label) -> &'static str;
    /// Weekday, date, time and zone.
    fn moment(&self, at: &ZonedDateTime) -> String;
    /// Time and zone.
    fn time(&self, at: &ZonedDateTime) -> String;
    /// The two largest units.
    fn length(&self, length: SignedDuration) -> String;
    fn exit(&self, exit: Exit) -> String;
    /// What is wrong with an object, without a full stop.
    fn flaw(&self, flaw: &Flaw) -> String;
    /// That there was no success yet.
    fn never(&self) -> &'static str;
    /// "12 notices: 10 down, 2 up".
    fn digest_title(&self, counts: &[(Count, usize)]) -> String;
    fn digest_sentence(&self, number: usize) -> String;
    /// That so many more are not listed.
    fn more(&self, number: usize) -> String;
}

/// `05:00 JST`; seconds only if there are any.
pub(super) fn clock(at: &ZonedDateTime) -> String {
    let time = if at.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
    format!("{} {}", at.strftime(time), zone_name(at))
}

/// The zone of a moment as people know it: `JST`. Many zones have no abbreviation of their own; the database then has the
/// offset, and it is `UTC+04`.
pub fn zone_name(at: &ZonedDateTime) -> String {
    let name = at.strftime("%Z").to_string();
    if name.starts_with(['+', '-']) { format!("UTC{name}") } else { name }
}

/// The units of lengths above a second, in milliseconds: day, hour, minute, second.
const UNITS: [u128; 4] = [86_400_000, 3_600_000, 60_000, 1_000];

/// A length as its two largest units, each given as (number, 0 for days to 3 for seconds); empty below a second.
pub fn two_units(length: SignedDuration) -> Vec<(u128, usize)> {
    let millis = length.as_millis().unsigned_abs();
    let Some(first) = UNITS.iter().position(|unit| millis >= *unit) else { return Vec::new() };
    let mut units = vec![(millis / UNITS[first], first)];
    if let Some(next) = UNITS.get(first + 1) {
        let rest = millis % UNITS[first] / next;
        if rest > 0 {
            units.push((rest, first + 1));
        }
    }
    units
}

/// The units of sizes, each a thousand times the one before.
const SIZES: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];

/// A size from 10 000 bytes on in its largest unit with one digit behind the point, and the unit: (`12.3`, `MB`).
pub(super) fn large_size(bytes: u64) -> Option<(String, &'static str)> {
    if bytes < 10_000 {
        return None;
    }
    let mut unit = (1000, SIZES[0]);
    for name in &SIZES[1..] {
        if bytes / unit.0 >= 1000 {
            unit = (unit.0 * 1000, name);
        }
    }
    let tenths = bytes / (unit.0 / 10);
    Some((decimal(tenths.into()), unit.1))
}

/// By how much of `previous` `size` is less: `30%`, `0.1%`.
pub(super) fn part_less(size: u64, previous: u64) -> String {
    let less = u128::from(previous.saturating_sub(size));
    let tenths = less * 1000 / u128::from(previous.max(1));
    decimal(tenths) + "%"
}

fn decimal(tenths: u128) -> String {
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        part => format!("{}.{part}", tenths / 10),
    }
}
