//! Time zones: by name from the bundled database, and as tables that a search can walk.

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{
    Timestamp,
    tz::{TimeZone, TimeZoneDatabase},
};

use super::error::{Flaw, quoted};

/// Finds a zone by its IANA name or an alias of it, in any case of letters.
///
/// The database is the one compiled in, so that the answer does not depend on the host. An unknown name is an error,
/// never UTC.
pub(super) fn find(name: &str) -> Result<TimeZone, Flaw> {
    let found = is_real(name).then(|| TimeZoneDatabase::bundled().get(name).ok()).flatten();
    found.ok_or_else(|| unknown(name))
}

/// jiff reads `Etc/Unknown` as a zone that behaves like UTC, and the database has one for machines not yet set up.
fn is_real(name: &str) -> bool {
    !["etc/unknown", "factory", "posixrules"].contains(&name.to_ascii_lowercase().as_str())
}

fn unknown(name: &str) -> Flaw {
    let whole: Range<usize> = 0..name.len();
    if name.trim().is_empty() {
        return Flaw::new(whole, "the time zone is empty")
            .hint("write an IANA name such as Asia/Tokyo, or UTC");
    }
    let flaw = Flaw::new(whole, format!("there is no time zone {}", quoted(name)));
    flaw.hint(match nearest(name) {
        Some(near) => format!("did you mean {near}?"),
        None => "write an IANA name such as Asia/Tokyo, or UTC".to_owned(),
    })
}

/// What people write instead of a name: abbreviations that are not unique, offsets, POSIX strings.
const HABITS: [(&str, &str); 14] = [
    ("z", "UTC"),
    ("jst", "Asia/Tokyo"),
    ("kst", "Asia/Seoul"),
    ("ist", "Asia/Kolkata"),
    ("bst", "Europe/London"),
    ("cest", "Europe/Berlin"),
    ("edt", "America/New_York"),
    ("cst", "America/Chicago"),
    ("cdt", "America/Chicago"),
    ("mdt", "America/Denver"),
    ("pst", "America/Los_Angeles"),
    ("pdt", "America/Los_Angeles"),
    ("aest", "Australia/Sydney"),
    ("sgt", "Asia/Singapore"),
];

fn nearest(name: &str) -> Option<String> {
    let name = name.trim().to_ascii_lowercase().replace(' ', "_");
    if name.len() > 40 {
        return None;
    }
    if let Some((_, habit)) = HABITS.iter().find(|(written, _)| *written == name) {
        return Some((*habit).to_owned());
    }
    let database = TimeZoneDatabase::bundled();
    let scored = database.available().filter(|known| is_real(known.as_str())).map(|known| {
        let lower = known.as_str().to_ascii_lowercase();
        let city = lower.rsplit('/').next().unwrap_or(&lower);
        (distance(&name, &lower).min(distance(&name, city)), known.as_str().to_owned())
    });
    let best = scored.min_by_key(|(edits, known)| (*edits, !known.contains('/'), known.len()))?;
    (best.0 <= name.len().div_ceil(4).min(3)).then_some(best.1)
}

/// The nearest of a few words, when one is near enough to have been meant.
pub(super) fn nearest_word<'a>(written: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_ascii_lowercase();
    let scored = words.into_iter().map(|word| (distance(&written, &word.to_ascii_lowercase()), word));
    let best = scored.min_by_key(|(edits, _)| *edits)?;
    (written.len() <= 40 && best.0 <= written.len().div_ceil(3).min(3)).then_some(best.1)
}

/// Edits between two texts (insert, delete, replace, swap of neighbours).
fn distance(left: &str, right: &str) -> usize {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, &a) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, &b) in right.iter().enumerate() {
            let replaced = above[column] + usize::from(a != b);
            let mut best = replaced.min(above[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && a == right[column - 1] && left[row - 1] == b {
                best = best.min(before[column - 1] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
    }
    above[right.len()]
}

/// A zone as the list of its offsets from 1970 to 2199.
#[derive(Debug)]
pub(super) struct ZoneTable {
    /// Sorted by start; the first begins with time itself.
    periods: Box<[Period]>,
}

/// From `start` (seconds since the epoch) on, local time is UTC + `offset` seconds.
#[derive(Clone, Copy, Debug)]
struct Period {
    start: i64,
    offset: i64,
}

/// A time during which the offset of a zone does not change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    index: usize,
    /// First second, since the epoch.
    pub(super) start: i64,
    /// First second of the next span.
    pub(super) end: i64,
    /// Local time minus UTC, in seconds.
    pub(super) offset: i64,
    /// The offset before `start`.
    pub(super) before: i64,
}

impl ZoneTable {
    /// The table of a zone; made once per zone and shared.
    pub(super) fn of(zone: &TimeZone) -> Arc<Self> {
        static MADE: Mutex<Vec<(TimeZone, Arc<ZoneTable>)>> = Mutex::new(Vec::new());
        // More zones than exist under any name: somebody makes them up, and they are not worth keeping.
        const MOST: usize = 1000;
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, table)) = made.iter().find(|(known, _)| known == zone) {
            return Arc::clone(table);
        }
        let table = Arc::new(Self::new(zone));
        if made.len() < MOST {
            made.push((zone.clone(), Arc::clone(&table)));
        }
        table
    }

    fn new(zone: &TimeZone) -> Self {
        // 1969-12-29 and 2200-01-04: every wall time from 1970 to 2199 in every zone lies between.
        const FROM: i64 = -3 * 86_400;
        const TO: i64 = 7_258_377_600;
        let at = |second| Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut periods =
            vec![Period { start: i64::MIN / 2, offset: zone.to_offset(at(FROM)).seconds().into() }];
        let changes = zone.following(at(FROM)).take_while(|change| change.timestamp().as_second() < TO);
        for change in changes {
            let offset = i64::from(change.offset().seconds());
            if periods.last().is_some_and(|last| last.offset != offset) {
                periods.push(Period { start: change.timestamp().as_second(), offset });
            }
        }
        Self { periods: periods.into() }
    }

    /// The span that contains a second since the epoch.
    pub(super) fn at(&self, second: i64) -> Span {
        let index = self.periods.partition_point(|period| period.start <= second);
        self.span(index.saturating_sub(1))
    }

    pub(super) fn after(&self, span: Span) -> Option<Span> {
        (span.index + 1 < self.periods.len()).then(|| self.span(span.index + 1))
    }

    pub(super) fn before(&self, span: Span) -> Option<Span> {
        span.index.checked_sub(1).map(|index| self.span(index))
    }

    fn span(&self, index: usize) -> Span {
        let Period { start, offset } = self.periods[index];
        let end = self.periods.get(index + 1).map_or(i64::MAX / 2, |next| next.start);
        let before = self.periods[index.saturating_sub(1)].offset;
        Span { index, start, end, offset, before }
    }
}
