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

/// An EventBridge cron expression.
pub fn event_bridge(random: &mut Random) -> String {
    let (minute, hour) =
        (field(random, 0, 59, &[], 25), if random.chance(50) { night(random) } else { "*".to_owned() });
    let month = field(random, 1, 12, &MONTH_NAMES, 75);
    let days = if random.chance(50) {
        format!("{} {month} ?", random.pick(&["L", "LW", "1W", "31W", "15W", "*", "1-7", "31", "2/5"]))
    } else {
        format!(
            "? {month} {}",
            random.pick(&["L", "6L", "1", "2-6", "MON-FRI", "TUE,THU", "3#2", "SUN#5", "*"])
        )
    };
    let year = random.pick(&["*", "*", "*", "2024-2040", "2024/4"]);
    format!("cron({minute} {hour} {days} {year})")
}

/// A calendar event in systemd's syntax, as `systemd-analyze` of 2022 and later accepts it.
pub fn on_calendar(random: &mut Random) -> String {
    let week = random.pick(&["", "", "", "Mon ", "Sat,Sun ", "Mon..Fri ", "Tue..Thu,Sun ", "sunday "]);
    let time = time(random);
    let date = match random.number(0, 5) {
        0 | 1 => String::new(),
        2 => format!(
            "*-{}~{} ",
            chain(random, 1, 12),
            random.pick(&["01", "03", "07/1", "02..05", "04/2", "28", "03,01"])
        ),
        3 => format!("{}-{} ", chain(random, 1, 12), chain(random, 1, 28)),
        4 => format!(
            "{}-*-{} ",
            random.pick(&["2026..2034", "2024/2", "2027,2029", "28"]),
            chain(random, 1, 31)
        ),
        _ => format!("*-*-{} ", chain(random, 1, 31)),
    };
    format!("{week}{date}{time}")
}

fn time(random: &mut Random) -> String {
    let hour = if random.chance(60) { random.number(0, 3).to_string() } else { chain(random, 0, 23) };
    let minute = chain(random, 0, 59);
    match random.number(0, 3) {
        0 => format!("{hour}:{minute}:{}", random.pick(&["00", "30", "0/20", "10..12", "59"])),
        1 => format!("*:{}", random.pick(&["0/15", "30", "0,45", "5..7"])),
        _ => format!("{hour}:{minute}"),
    }
}

fn chain(random: &mut Random, low: i64, high: i64) -> String {
    let parts = if random.chance(25) { 2 } else { 1 };
    let part = |random: &mut Random| {
        let first = random.number(low, high);
        match random.number(0, 6) {
            0 if first < high => format!("{first}..{}", random.number(first + 1, high)),
            1 if first < high => format!("{first}/{}", random.number(1, high - first)),
            2 if first + 2 < high => format!("{first}..{}/2", random.number(first + 2, high)),
            _ => format!("{first:02}"),
        }
    };
    if random.chance(30) {
        return "*".to_owned();
    }
    (0..parts).map(|_| part(random)).collect::<Vec<_>>().join(",")
}
