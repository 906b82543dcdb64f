//! Random schedules.

use jiff::tz::TimeZone;
use tenko_core::schedule::{Schedule, ScheduleSpec, Scheduler};

use crate::job::{DAY, HOUR, MINUTE};
use crate::model::Ms;
use crate::rng::Rng;

/// How often the jobs of a world run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tempo {
    Minutes,
    Hours,
    Days,
    Weeks,
    Months,
}

impl Tempo {
    pub(crate) fn any(rng: &mut Rng) -> Self {
        match rng.within(0, 99) {
            0..15 => Self::Minutes,
            15..35 => Self::Hours,
            35..75 => Self::Days,
            75..92 => Self::Weeks,
            _ => Self::Months,
        }
    }

    pub(crate) fn period(self) -> Ms {
        match self {
            Self::Minutes => 5 * MINUTE,
            Self::Hours => HOUR,
            Self::Days => DAY,
            Self::Weeks => 7 * DAY,
            Self::Months => 30 * DAY,
        }
    }
}

const ZONES: &[&str] = &[
    "UTC",
    "Asia/Tokyo",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
];

/// A schedule, and the usual time between its dues.
pub(crate) fn schedule(tempo: Tempo, rng: &mut Rng) -> (Schedule, Ms) {
    let mut spec = ScheduleSpec { tz: Some(rng.pick(ZONES).to_owned()), ..ScheduleSpec::default() };
    let mut period = tempo.period();
    match rng.within(0, 99) {
        0..3 => {}
        3..33 => {
            period = rng.within(period / 4, period * 2) / 1000 * 1000;
            spec.every = Some(format!("{}s", period / 1000));
        }
        33..43 => spec.cron = vec![eventbridge(tempo, rng)],
        43..53 => spec.on_calendar = vec![on_calendar(tempo, rng)],
        _ => {
            spec.cron = vec![crontab(tempo, rng)];
            spec.scheduler = rng.pick(&[None, None, Some(Scheduler::Kubernetes), Some(Scheduler::Systemd)]);
        }
    }
    let schedule =
        Schedule::resolve(&spec, &TimeZone::UTC).unwrap_or_else(|error| panic!("{spec:?}: {error}"));
    (schedule, period)
}

fn crontab(tempo: Tempo, rng: &mut Rng) -> String {
    let (minute, hour) = (rng.within(0, 59), rng.pick(&[0, 1, 2, 2, 3, 5, 12, 23]));
    match tempo {
        Tempo::Minutes => rng.pick(&["*/5 * * * *", "*/2 * * * *", "1-59/10 * * * *"]).to_owned(),
        Tempo::Hours => format!("{minute} {} * * *", rng.pick(&["*", "*/2", "0-22/3"])),
        Tempo::Days => format!("{minute} {hour} * * {}", rng.pick(&["*", "*", "1-5", "1,3,5"])),
        Tempo::Weeks => format!("{minute} {hour} * * {}", rng.within(0, 6)),
        Tempo::Months => format!("{minute} {hour} {} * *", rng.pick(&["1", "15", "28", "30", "L"])),
    }
}

fn eventbridge(tempo: Tempo, rng: &mut Rng) -> String {
    let (minute, hour) = (rng.within(0, 59), rng.within(0, 23));
    match tempo {
        Tempo::Minutes => "cron(0/5 * * * ? *)".to_owned(),
        Tempo::Hours => format!("cron({minute} * * * ? *)"),
        Tempo::Days => format!("cron({minute} {hour} * * ? *)"),
        Tempo::Weeks => format!("cron({minute} {hour} ? * MON *)"),
        Tempo::Months => format!("cron({minute} {hour} L * ? *)"),
    }
}

fn on_calendar(tempo: Tempo, rng: &mut Rng) -> String {
    let (minute, hour) = (rng.within(0, 59), rng.within(0, 23));
    match tempo {
        Tempo::Minutes => "*-*-* *:0/5:30".to_owned(),
        Tempo::Hours => format!("*-*-* *:{minute:02}:00"),
        Tempo::Days => format!("Mon..Sat *-*-* {hour:02}:{minute:02}:00"),
        Tempo::Weeks => format!("Sun *-*-* {hour:02}:{minute:02}:00"),
        Tempo::Months => format!("*-*-01 {hour:02}:{minute:02}:00"),
    }
}
