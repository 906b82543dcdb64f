//! What holds for every schedule, zone, scheduler and instant.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod schedule_support;

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use proptest::prelude::*;
use schedule_support::{
    brute::{self, Rule},
    cron_under,
    random::{self, Random, ZONES},
    zone,
};
use tenko_core::schedule::{Direction, Schedule, ScheduleSpec, Scheduler, parse_duration};

const SCHEDULERS: [Scheduler; 4] =
    [Scheduler::Cron, Scheduler::Systemd, Scheduler::Eventbridge, Scheduler::Kubernetes];

/// Any expression of the three syntaxes that can be due.
fn any_schedule(random: &mut Random) -> (Schedule, TimeZone, String) {
    loop {
        let tz = random.pick(&ZONES);
        let mut spec = ScheduleSpec { tz: Some(tz.to_owned()), ..ScheduleSpec::default() };
        match random.number(0, 3) {
            0 => spec.on_calendar = vec![random::on_calendar(random)],
            1 => spec.cron = vec![random::event_bridge(random)],
            2 => spec.cron = vec![random::cron(random), random::cron(random)],
            _ => spec.cron = vec![random::cron(random)],
        }
        spec.scheduler = random.chance(60).then(|| random.pick(&SCHEDULERS));
        if let Ok(schedule) = Schedule::resolve(&spec, &TimeZone::UTC) {
            return (schedule, zone(tz), format!("{spec:?}"));
        }
    }
}

fn historic(random: &mut Random, zone: &TimeZone) -> Timestamp {
    if random.chance(70) {
        return random::instant(random, zone);
    }
    Timestamp::from_second(random.number(0, 4_102_444_800)).unwrap()
}

#[test]
fn forwards_then_backwards_is_the_identity() {
    let mut random = Random::new(3);
    for _ in 0..20_000 {
        let (schedule, zone, said) = any_schedule(&mut random);
        let from = historic(&mut random, &zone);
        let forward: Vec<_> = schedule.occurrences(from, from, Direction::Forward).take(8).collect();
        assert!(
            forward.is_sorted_by(|a, b| a < b) && forward.first().is_none_or(|due| *due > from),
            "{said} {from}"
        );
        let Some(last) = forward.last() else { continue };
        let end = *last + SignedDuration::from_nanos(1);
        let mut back: Vec<_> = schedule.occurrences(from, end, Direction::Back).take(forward.len()).collect();
        back.reverse();
        assert_eq!(forward, back, "{said} from {from}");
        let earlier = schedule.previous_due(from, forward[0]);
        assert!(earlier.is_none_or(|due| due <= from), "{said} from {from}: {earlier:?} was passed over");
    }
}

#[test]
fn no_minute_is_missed_or_invented() {
    let mut random = Random::new(5);
    for _ in 0..250 {
        let (name, expression) = (random.pick(&ZONES), random::cron(&mut random));
        let scheduler = random.pick(&SCHEDULERS);
        let spec = ScheduleSpec { cron: vec![expression.clone()], ..ScheduleSpec::default() };
        if Schedule::resolve(&spec, &TimeZone::UTC).is_err() {
            continue;
        }
        let naive = brute::Cron::new(&expression, scheduler == Scheduler::Kubernetes);
        let rule = match scheduler {
            Scheduler::Cron if !naive.is_wildcard() => Rule::CatchUp,
            Scheduler::Cron | Scheduler::Kubernetes => Rule::WallClock,
            Scheduler::Systemd | Scheduler::Eventbridge => Rule::FirstOnly,
        };
        let from = historic(&mut random, &zone(name));
        let until = from + SignedDuration::from_hours(24 * 3);
        let matches = |wall: civil::DateTime| naive.matches(wall);
        let expected = brute::dues(&matches, rule, &zone(name), (from, until));
        let schedule = cron_under(&expression, name, scheduler);
        let ours: Vec<_> =
            schedule.occurrences(from, from, Direction::Forward).take_while(|due| *due <= until).collect();
        assert_eq!(ours, expected, "{expression} in {name} under {scheduler:?} from {from}");
    }
}

/// Days chosen by the calendar alone, over fifty years: leap days, month ends, weekdays.
#[test]
fn no_day_of_fifty_years_is_missed_or_invented() {
    let mut random = Random::new(7);
    for _ in 0..60 {
        let expression = random::cron(&mut random)
            .split(' ')
            .skip(2)
            .fold("0 0".to_owned(), |text, field| text + " " + field);
        let spec = ScheduleSpec { cron: vec![expression.clone()], ..ScheduleSpec::default() };
        let Ok(schedule) = Schedule::resolve(&spec, &TimeZone::UTC) else { continue };
        let naive = brute::Cron::new(&expression, false);
        let days = civil::date(1990, 1, 1).series(jiff::Span::new().days(1)).take(365 * 50);
        let expected: Vec<_> = days.map(|day| day.at(0, 0, 0, 0)).filter(|day| naive.matches(*day)).collect();
        let from: Timestamp = "1989-12-31T23:59Z".parse().unwrap();
        let ours =
            schedule.occurrences(from, from, Direction::Forward).map(|due| TimeZone::UTC.to_datetime(due));
        assert_eq!(ours.take(expected.len()).collect::<Vec<_>>(), expected, "{expression}");
    }
}

#[test]
fn every_due_under_a_rule_for_clock_changes_follows_from_that_rule() {
    let mut random = Random::new(11);
    for _ in 0..4_000 {
        let (name, expression) = (random.pick(&ZONES), random::cron(&mut random));
        let spec = ScheduleSpec { cron: vec![expression.clone()], ..ScheduleSpec::default() };
        if Schedule::resolve(&spec, &TimeZone::UTC).is_err() {
            continue;
        }
        let (zone, from) = (zone(name), random::instant(&mut random, &zone(name)));
        let naive = brute::Cron::new(&expression, false);
        let matches = |wall: civil::DateTime| naive.matches(wall);
        for scheduler in [Scheduler::Systemd, Scheduler::Eventbridge] {
            let schedule = cron_under(&expression, name, scheduler);
            for due in schedule.occurrences(from, from, Direction::Forward).take(4) {
                assert!(
                    brute::is_due(&matches, Rule::FirstOnly, &zone, due),
                    "{expression} in {name}: {due}"
                );
            }
        }
    }
}

/// Refused or not, an expression costs well under ten milliseconds, whatever it is.
#[test]
fn fault_76_impossible_and_rare_schedules_are_found_out_at_once() {
    let expressions = [
        "0 0 30 2 *",
        "0 0 31 2,4,6,9,11 *",
        "0 0 29 2 */7",
        "0 0 L-30 2 *",
        "0 0 * 2 MON#5",
        "cron(0 0 29 2 ? 2027)",
        "cron(0 0 31 11 ? *)",
        "cron(0 0 29 2 ? 1972)",
    ];
    for expression in expressions {
        let spec = ScheduleSpec { cron: vec![expression.to_owned()], ..ScheduleSpec::default() };
        let tz = zone("Australia/Lord_Howe");
        let first = Schedule::resolve(&spec, &tz);
        let fastest = (0..20).map(|_| {
            let start = Instant::now();
            let again = Schedule::resolve(&spec, &tz);
            assert_eq!(again.is_ok(), first.is_ok());
            if let Ok(schedule) = &again {
                let end = Timestamp::from_second(7_258_000_000).unwrap();
                assert_eq!(schedule.next_due(end, end), None, "{expression}");
            }
            start.elapsed()
        });
        let fastest = fastest.min().unwrap();
        assert!(fastest < Duration::from_millis(1), "{expression} took {fastest:?}");
    }
}

/// A refusal with a search for what was meant is quick too.
#[test]
fn the_worst_names_of_zones_are_refused_at_once() {
    for name in [
        "America/Argentina/ComodRivadaviq",
        "x".repeat(40).as_str(),
        "é".repeat(20).as_str(),
        "y".repeat(100_000).as_str(),
    ] {
        let spec = ScheduleSpec { tz: Some(name.to_owned()), ..ScheduleSpec::default() };
        let fastest = (0..10).map(|_| {
            let start = Instant::now();
            assert!(Schedule::resolve(&spec, &TimeZone::UTC).is_err());
            start.elapsed()
        });
        let fastest = fastest.min().unwrap();
        assert!(fastest < Duration::from_millis(10), "{} bytes took {fastest:?}", name.len());
    }
}

fn texts() -> impl Strategy<Value = String> {
    let soup = proptest::collection::vec(
        proptest::sample::select(vec![
            "*",
            "0",
            "5",
            "59",
            "31",
            "2",
            "*/",
            "/",
            "-",
            ",",
            " ",
            " ",
            " ",
            "..",
            "~",
            ":",
            "@",
            "L",
            "W",
            "LW",
            "#",
            "?",
            "MON",
            "Fri",
            "cron(",
            "rate(",
            ")",
            "minutes",
            "daily",
            "Asia/Tokyo",
            "UTC",
            "2026",
            "99999999999",
            "é",
            "点",
            "\0",
            "h",
            "m",
            "d",
            ".",
            "TZ=",
        ]),
        0..24,
    );
    prop_oneof![soup.prop_map(|parts| parts.concat()), any::<String>(), "[-0-9*/,~.: LW#?@]{0,40}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics_and_every_error_points_into_it(text in texts(), scheduler in 0usize..5) {
        let one = vec![text.clone()];
        let scheduler = SCHEDULERS.get(scheduler).copied();
        let specs = [
            ScheduleSpec { every: Some(text.clone()), ..ScheduleSpec::default() },
            ScheduleSpec { cron: one.clone(), scheduler, ..ScheduleSpec::default() },
            ScheduleSpec { on_calendar: one, scheduler, ..ScheduleSpec::default() },
            ScheduleSpec { tz: Some(text.clone()), ..ScheduleSpec::default() },
        ];
        for spec in specs {
            let now = Timestamp::from_second(1_800_000_000).unwrap();
            match Schedule::resolve(&spec, &TimeZone::UTC) {
                Ok(schedule) => {
                    let next = schedule.next_due(now, now);
                    prop_assert!(next.is_none_or(|due| due > now));
                }
                Err(error) => {
                    prop_assert_eq!(error.input(), &text);
                    prop_assert!(text.get(error.span()).is_some(), "{:?}", error);
                    prop_assert!(!error.to_string().is_empty() && error.to_string().chars().all(|c| !c.is_control()));
                    prop_assert!(error.hint().is_none_or(|hint| hint.chars().all(|c| !c.is_control())));
                }
            }
        }
        if let Err(error) = parse_duration(&text) {
            prop_assert!(text.get(error.span()).is_some());
        }
    }

    #[test]
    fn a_duration_is_the_sum_of_its_parts(days in 0u32..300, hours in 0u32..100, minutes in 0u32..100, seconds in 0u32..100) {
        let seconds_of_all = i64::from(((days * 24 + hours) * 60 + minutes) * 60 + seconds);
        let expected = SignedDuration::from_secs(seconds_of_all);
        for text in [
            format!("{days}d{hours}h{minutes}m{seconds}s"),
            format!("{days} days, {hours} hours {minutes} min {seconds} seconds"),
        ] {
            prop_assert_eq!(parse_duration(&text).unwrap(), expected);
        }
    }

    #[test]
    fn every_is_due_at_whole_periods(period in 1i64..1_000_000, anchor in -10_000_000_000i64..10_000_000_000, after in -10_000_000_000i64..10_000_000_000) {
        let schedule = Schedule::Every { period: SignedDuration::from_secs(period), tz: TimeZone::UTC };
        let [anchor, after] = [anchor, after].map(|second| Timestamp::from_second(second).unwrap());
        let next = schedule.next_due(anchor, after).unwrap();
        let passed = next.as_second() - anchor.as_second();
        prop_assert!(next > after && passed >= period && passed % period == 0);
        prop_assert!(passed == period || passed - period <= after.as_second() - anchor.as_second());
        let before = schedule.previous_due(anchor, next);
        prop_assert_eq!(before.map(|due| due.as_second()), (passed > period).then_some(next.as_second() - period));
    }
}
