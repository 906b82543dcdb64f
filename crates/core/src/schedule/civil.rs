//! Wall-clock times that match a pattern, without any time zone.
//!
//! A wall time is a count of seconds since 1970-01-01 00:00 as a clock on the wall shows them (proleptic Gregorian, no
//! leap seconds). Everything is a bit set, so that a search costs a few shifts and never allocates.

/// The first and the last year in which anything can be due (those of EventBridge and systemd; no scheduler goes further).
pub(super) const FIRST_YEAR: i64 = 1970;
pub(super) const LAST_YEAR: i64 = 2199;

pub(super) const DAY: i64 = 86_400;

/// The wall times that an expression selects.
#[derive(Clone, Debug)]
pub(super) struct CivilPattern {
    pub(super) seconds: u64,
    pub(super) minutes: u64,
    pub(super) hours: u32,
    /// Bits 1 to 12.
    pub(super) months: u16,
    pub(super) years: Years,
    pub(super) days: Days,
}

/// The days of a month that an expression selects.
#[derive(Clone, Debug)]
pub(super) struct Days {
    /// Days of the month, bits 1 to 31.
    pub(super) of_month: u32,
    /// Days of the week, bits 0 (Sunday) to 6.
    pub(super) of_week: u8,
    /// What depends on where the month ends or on which weekday a date is.
    pub(super) relative: Option<Box<Relative>>,
    /// A day must satisfy both sets (else either).
    pub(super) both: bool,
}

/// Days named by their place in the month. They add to the plain sets of [`Days`].
#[derive(Clone, Debug, Default)]
pub(super) struct Relative {
    /// Days before the last day of the month, bits 0 to 30.
    pub(super) from_end: u32,
    /// `15W`: the weekday (Monday to Friday) nearest to that day within the month, bits 1 to 31.
    pub(super) nearest_weekday: u32,
    /// `LW`: the last Monday to Friday of the month.
    pub(super) last_weekday: bool,
    /// `MON#2`: by ordinal 1 to 5, the days of the week as in [`Days::of_week`].
    pub(super) ordinal: [u8; 5],
    /// `5L`: the last such day of the week in the month.
    pub(super) last_of_week: u8,
}

/// A set of years from 1970 to 2199.
#[derive(Clone, Debug)]
pub(super) struct Years([u64; 4]);

impl Years {
    pub(super) const ALL: Self = Self([u64::MAX; 4]);
    pub(super) const NONE: Self = Self([0; 4]);

    /// Adds a year; one that is out of range can never be due and is ignored.
    pub(super) fn insert(&mut self, year: i64) {
        if let Some((word, bit)) = Self::place(year) {
            self.0[word] |= 1 << bit;
        }
    }

    fn contains(&self, year: i64) -> bool {
        Self::place(year).is_some_and(|(word, bit)| self.0[word] >> bit & 1 == 1)
    }

    fn place(year: i64) -> Option<(usize, u32)> {
        if !(FIRST_YEAR..=LAST_YEAR).contains(&year) {
            return None;
        }
        let index = u32::try_from(year - FIRST_YEAR).ok()?;
        Some((index as usize / 64, index % 64))
    }
}

pub(super) const ALL_SECONDS: u64 = (1 << 60) - 1;
pub(super) const ALL_HOURS: u32 = (1 << 24) - 1;
pub(super) const ALL_MONTHS: u16 = 0b1_1111_1111_1110;
pub(super) const ALL_DAYS: u32 = !1;
pub(super) const ALL_WEEK: u8 = 0b111_1111;

impl CivilPattern {
    /// The first matching wall time at or after `from`.
    pub(super) fn next(&self, from: i64) -> Option<i64> {
        let from = from.max(0);
        let (day, second) = (from / DAY, from % DAY);
        let date = Date::of_day(day);
        if self.selects(date, day)
            && let Some(second) = self.next_second(second)
        {
            return Some(day * DAY + second);
        }
        let day = self.next_day(date)?;
        Some(day * DAY + self.next_second(0)?)
    }

    /// The last matching wall time at or before `to`.
    pub(super) fn previous(&self, to: i64) -> Option<i64> {
        if to < 0 {
            return None;
        }
        let (day, second) = (to / DAY, to % DAY);
        let date = Date::of_day(day);
        if self.selects(date, day)
            && let Some(second) = self.previous_second(second)
        {
            return Some(day * DAY + second);
        }
        let day = self.previous_day(date)?;
        Some(day * DAY + self.previous_second(DAY - 1)?)
    }

    /// When every day of the month named is later than its months are long: the length of the longest of them.
    pub(super) fn shortfall(&self) -> Option<u32> {
        const LEAP_YEAR: i64 = 1972;
        let months = (1..=12).filter(|month| self.months >> month & 1 == 1);
        let longest = months.map(|month| days_in_month(LEAP_YEAR, month)).max()?;
        (self.days.relative.is_none() && self.days.of_month & !above(longest) == 0).then_some(longest)
    }

    fn selects(&self, date: Date, day: i64) -> bool {
        self.in_month(date) && self.days.of(date, weekday(day - i64::from(date.day) + 1)) >> date.day & 1 == 1
    }

    fn in_month(&self, date: Date) -> bool {
        self.months >> date.month & 1 == 1 && self.years.contains(date.year)
    }

    fn days_of(&self, first: Date) -> u32 {
        self.days.of(first, weekday(first.to_day()))
    }

    /// The first matching day after `date`.
    fn next_day(&self, date: Date) -> Option<i64> {
        let mut month = Date { day: 1, ..date };
        let mut allowed = above(date.day);
        while month.year <= LAST_YEAR {
            let days = if self.in_month(month) { self.days_of(month) & allowed } else { 0 };
            if days != 0 {
                return Some(month.to_day() + i64::from(days.trailing_zeros()) - 1);
            }
            month = self.later_month(month);
            allowed = u32::MAX;
        }
        None
    }

    /// The last matching day before `date`.
    fn previous_day(&self, date: Date) -> Option<i64> {
        let mut month = Date { day: 1, ..date };
        let mut allowed = !above(date.day) & !(1 << date.day);
        while month.year >= FIRST_YEAR {
            let days = if self.in_month(month) { self.days_of(month) & allowed } else { 0 };
            if days != 0 {
                return Some(month.to_day() + i64::from(days.ilog2()) - 1);
            }
            month = self.earlier_month(month);
            allowed = u32::MAX;
        }
        None
    }

    /// The next month of the pattern, or the next January when this year has no more.
    fn later_month(&self, date: Date) -> Date {
        let rest = u32::from(self.months) & above(date.month);
        match rest {
            0 => Date { year: date.year + 1, month: 1, day: 1 },
            _ => Date { month: rest.trailing_zeros(), ..date },
        }
    }

    fn earlier_month(&self, date: Date) -> Date {
        let rest = u32::from(self.months) & !above(date.month) & !(1 << date.month);
        match rest {
            0 => Date { year: date.year - 1, month: 12, day: 1 },
            _ => Date { month: rest.ilog2(), ..date },
        }
    }

    fn next_second(&self, from: i64) -> Option<i64> {
        let (hour, minute, second) = clock(from);
        let mut hit = (hour, minute, second);
        let hours = u64::from(self.hours);
        if hours >> hour & 1 == 0 {
            hit = (at_least(hours, hour)?, lowest(self.minutes), lowest(self.seconds));
        } else if self.minutes >> minute & 1 == 1
            && let Some(second) = at_least(self.seconds, second)
        {
            hit.2 = second;
        } else if let Some(minute) = at_least(self.minutes, minute + 1) {
            hit = (hour, minute, lowest(self.seconds));
        } else {
            hit = (at_least(hours, hour + 1)?, lowest(self.minutes), lowest(self.seconds));
        }
        Some(second_of(hit))
    }

    fn previous_second(&self, to: i64) -> Option<i64> {
        let (hour, minute, second) = clock(to);
        let mut hit = (hour, minute, second);
        let hours = u64::from(self.hours);
        if hours >> hour & 1 == 0 {
            hit = (below(hours, hour)?, highest(self.minutes), highest(self.seconds));
        } else if self.minutes >> minute & 1 == 1
            && let Some(second) = below(self.seconds, second + 1)
        {
            hit.2 = second;
        } else if let Some(minute) = below(self.minutes, minute) {
            hit = (hour, minute, highest(self.seconds));
        } else {
            hit = (below(hours, hour)?, highest(self.minutes), highest(self.seconds));
        }
        Some(second_of(hit))
    }
}

impl Days {
    /// The selected days of the month of `date`, bits 1 to 31; `first` is the weekday of its first day.
    fn of(&self, date: Date, first: u32) -> u32 {
        let length = days_in_month(date.year, date.month);
        let mut of_month = self.of_month;
        let mut of_week = spread(self.of_week, first);
        if let Some(relative) = &self.relative {
            of_month |= relative.of_month(first, length);
            of_week |= relative.of_week(first, length);
        }
        let days = if self.both { of_month & of_week } else { of_month | of_week };
        days & !1 & !above(length)
    }
}

impl Relative {
    fn of_month(&self, first: u32, length: u32) -> u32 {
        let mut days =
            (0..length).filter(|n| self.from_end >> n & 1 == 1).fold(0, |set, n| set | 1 << (length - n));
        let mut nearest = self.nearest_weekday & !above(length);
        while nearest != 0 {
            days |= 1 << nearest_weekday(nearest.trailing_zeros(), first, length);
            nearest &= nearest - 1;
        }
        if self.last_weekday {
            days |= 1 << nearest_weekday(length, first, length);
        }
        days
    }

    fn of_week(&self, first: u32, length: u32) -> u32 {
        let last_seven = above(length - 7) & !above(length);
        let ordinals = (0u32..).zip(self.ordinal);
        ordinals.fold(spread(self.last_of_week, first) & last_seven, |set, (n, week)| {
            let seven = above(7 * n) & !above(7 * n + 7);
            set | spread(week, first) & seven
        })
    }
}

/// Monday to Friday nearest to `day` without leaving the month.
fn nearest_weekday(day: u32, first: u32, length: u32) -> u32 {
    match (first + day - 1) % 7 {
        6 if day == 1 => 3,
        6 => day - 1,
        0 if day == length => day - 2,
        0 => day + 1,
        _ => day,
    }
}

/// The days 1 to 35 of a month that are such days of the week, when its first day is the weekday `first`.
fn spread(week: u8, first: u32) -> u32 {
    let week = u64::from(week);
    let turned = (week | week << 7) >> first & 0b111_1111;
    let repeated = turned * (1 | 1 << 7 | 1 << 14 | 1 << 21 | 1 << 28);
    u32::try_from((repeated << 1) & u64::from(u32::MAX)).unwrap_or(0)
}

/// All bits above `bit` (0 to 31, or more for none).
fn above(bit: u32) -> u32 {
    u32::MAX.checked_shl(bit + 1).unwrap_or(0)
}

fn at_least(set: u64, bit: u32) -> Option<u32> {
    let rest = set & u64::MAX.checked_shl(bit)?;
    (rest != 0).then(|| rest.trailing_zeros())
}

fn below(set: u64, bit: u32) -> Option<u32> {
    (set & !u64::MAX.checked_shl(bit)?).checked_ilog2()
}

fn lowest(set: u64) -> u32 {
    set.trailing_zeros()
}

fn highest(set: u64) -> u32 {
    set.checked_ilog2().unwrap_or(0)
}

fn clock(second: i64) -> (u32, u32, u32) {
    let second = u32::try_from(second).unwrap_or(0);
    (second / 3600, second / 60 % 60, second % 60)
}

fn second_of((hour, minute, second): (u32, u32, u32)) -> i64 {
    i64::from(hour * 3600 + minute * 60 + second)
}

/// A date of the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    year: i64,
    month: u32,
    day: u32,
}

impl Date {
    /// From days since 1970-01-01 (not negative). Counts years from March, so that the leap day ends a year.
    fn of_day(day: i64) -> Self {
        let shifted = day + 719_468;
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let march_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let small = |n: i64| u32::try_from(n).unwrap_or(0);
        Self { year: year + era * 400 + i64::from(month <= 2), month: small(month), day: small(day) }
    }

    fn to_day(self) -> i64 {
        let month = i64::from(self.month);
        let year = if month <= 2 { self.year - 1 } else { self.year };
        let (era, of_era) = (year / 400, year % 400);
        let march_month = (month + 9) % 12;
        let of_year = (153 * march_month + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }
}

/// 0 = Sunday; 1970-01-01 was a Thursday.
fn weekday(day: i64) -> u32 {
    u32::try_from((day + 4).rem_euclid(7)).unwrap_or(0)
}

pub(super) fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_from_1970_to_2200_agrees_with_jiff() {
        let mut date = jiff::civil::date(1970, 1, 1);
        for day in 0..84_100 {
            let ours = Date::of_day(day);
            let theirs = (i64::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs());
            assert_eq!((ours.year, ours.month, ours.day), (theirs.0, theirs.1.into(), theirs.2.into()));
            assert_eq!(ours.to_day(), day);
            assert_eq!(weekday(day), u32::from(date.weekday().to_sunday_zero_offset().unsigned_abs()));
            assert_eq!(days_in_month(ours.year, ours.month), u32::from(date.days_in_month().unsigned_abs()));
            date = date.tomorrow().unwrap();
        }
    }
}
