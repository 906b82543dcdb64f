//! Random expressions, zones and instants from a seed.

use jiff::Timestamp;

/// Small and repeatable (the mixing of splitmix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The seed can be given as `TENKO_SEED`.
    pub fn new(seed: u64) -> Self {
        Self(std::env::var("TENKO_SEED").ok().map_or(seed, |seed| seed.parse().unwrap()))
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// From `low` to `high`, both included.
    pub fn number(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.bits() % u64::try_from(high - low + 1).unwrap()).unwrap()
    }

    pub fn chance(&mut self, percent: i64) -> bool {
        self.number(1, 100) <= percent
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.bits()).unwrap() % from.len()]
    }
}

/// Zones whose clocks do unusual things, and some that are merely common.
pub const ZONES: [&str; 18] = [
    "Asia/Tokyo",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/Los_Angeles",
    "America/St_Johns",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/Havana",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Apia",
];

const MONTH_NAMES: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAY_NAMES: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A crontab expression, with hours that like the night, when clocks change.
pub fn cron(random: &mut Random) -> String {
    let minute = field(random, 0, 59, &[], 25);
    let hour = if random.chance(50) { night(random) } else { field(random, 0, 23, &[], 30) };
    let month = field(random, 1, 12, &MONTH_NAMES, 75);
    format!("{minute} {hour} {} {month} {}", day_of_month(random), day_of_week(random))
}

fn night(random: &mut Random) -> String {
    match random.number(0, 3) {
        0 => format!("{}-{}", random.number(0, 1), random.number(2, 4)),
        1 => format!("{},{}", random.number(0, 3), random.number(0, 23)),
        _ => random.number(0, 3).to_string(),
    }
}

fn day_of_month(random: &mut Random) -> String {
    match random.number(0, 19) {
        0 => "L".to_owned(),
        1 => "LW".to_owned(),
        2 => "1,15,L".to_owned(),
        _ => field(random, 1, 31, &[], 65),
    }
}

fn day_of_week(random: &mut Random) -> String {
    match random.number(0, 19) {
        0 => format!("{}L", random.number(0, 7)),
        1 => format!("{}#{}", random.pick(&DAY_NAMES), random.number(1, 5)),
        _ => field(random, 0, 7, &DAY_NAMES, 60),
    }
}

fn field(random: &mut Random, low: i64, high: i64, names: &[&str], star: i64) -> String {
    if random.chance(star) {
        return "*".to_owned();
    }
    let parts = if random.chance(25) { random.number(2, 4) } else { 1 };
    let parts: Vec<_> = (0..parts).map(|_| part(random, low, high, names)).collect();
    parts.join(",")
}

fn part(random: &mut Random, low: i64, high: i64, names: &[&str]) -> String {
    let (first, last) = (random.number(low, high), random.number(low, high));
    let (first, last) = (first.min(last), first.max(last));
    match random.number(0, 5) {
        0 => format!("*/{}", random.number(1, (high - low) / 2)),
        1 if first < last => format!("{first}-{last}"),
        2 if first < last => format!("{first}-{last}/{}", random.number(1, 6)),
        3 if !names.is_empty() => random.pick(names).to_owned(),
        _ => first.to_string(),
    }
}

/// An instant from 2024 to 2030, mostly within a few hours of a change of the zone's clocks.
pub fn instant(random: &mut Random, zone: &jiff::tz::TimeZone) -> Timestamp {
    let any = Timestamp::from_second(random.number(1_704_067_200, 1_893_456_000)).unwrap();
    let change = zone.following(any).next().map(|change| change.timestamp());
    match change.filter(|change| change.as_second() < 1_950_000_000 && random.chance(85)) {
        Some(change) => change + jiff::SignedDuration::from_secs(random.number(-600, 240) * 60),
        None => Timestamp::from_second(any.as_second() / 60 * 60).unwrap(),
    }
}
