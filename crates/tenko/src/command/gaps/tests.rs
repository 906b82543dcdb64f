use jiff::SignedDuration;
use jiff::civil::Date;
use tenko_core::calendar::Answering;
use tenko_core::{Exit, Reason, RunId};

use super::*;

fn tokyo() -> TimeZone {
    TimeZone::get("Asia/Tokyo").unwrap()
}

fn moment(text: &str) -> Timestamp {
    words::parse_moment(text, &tokyo()).unwrap()
}

/// One due a day at 05:00 in Tokyo, from a day on: `.` answered, `+` delivered late, `L` late, `B` bad, `M` missed,
/// `?` unknown, `o` open, `p` paused, `-` not expected.
fn dues(first: &str, outcomes: &str) -> Vec<Due> {
    let first: Date = first.parse().unwrap();
    let due = |(day, letter): (usize, char)| {
        let day = first.saturating_add(jiff::Span::new().days(day as i64));
        let due = day.at(5, 0, 0, 0).to_zoned_datetime(tokyo()).unwrap().timestamp();
        let by = |minutes| Answering {
            at: due + SignedDuration::from_mins(minutes),
            run: RunId(uuid::Uuid::nil()),
            received_at: Some(due + SignedDuration::from_hours(30)),
            exit: None,
        };
        let (outcome, by) = match letter {
            '.' => (Outcome::Answered, Some(by(7))),
            '+' => (Outcome::LateDelivered, Some(by(8))),
            'L' => (Outcome::Late, Some(by(130))),
            'B' => (Outcome::Bad, Some(Answering { exit: Some(Exit::Code(3)), ..by(4) })),
            'M' => (Outcome::Missed, None),
            '?' => (Outcome::Unknown, None),
            'o' => (Outcome::Open, None),
            'p' => (Outcome::Paused, None),
            _ => (Outcome::NotExpected, None),
        };
        let bad = outcome == Outcome::Bad;
        let made_up_at = bad.then(|| due + SignedDuration::from_mins(20));
        Due { due, outcome, reason: bad.then_some(Reason::Failed), by, made_up_at }
    };
    outcomes.chars().enumerate().map(due).collect()
}

const MONTH: &str = "--??.....+...LB.MM..pp........o";

fn of(dues: Vec<Due>) -> Dues {
    let evidence_from = Some(moment("2026-10-27T05:00"));
    Dues { dues, expected_from: Some(moment("2026-10-25T05:00")), evidence_from, problem: None }
}

fn gaps(all: bool) -> Gaps {
    let (since, until) = ("90d".to_owned(), None);
    Gaps { job: "backup".into(), since, until, all, heat_map: true, json: false }
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn gaps_alone() {
    let span = (moment("2026-10-23T00:00"), moment("2026-11-23T00:00"));
    insta::assert_snapshot!(plain(&gaps(false).text(&of(dues("2026-10-23", MONTH)), span, &tokyo())));
}

#[test]
fn all_dues() {
    let span = (moment("2026-10-23T00:00"), moment("2026-11-23T00:00"));
    insta::assert_snapshot!(plain(&gaps(true).text(&of(dues("2026-10-23", MONTH)), span, &tokyo())));
}

#[test]
fn a_year() {
    let year: String = (0..366).map(|day| if day % 50 == 49 { 'M' } else { '.' }).collect();
    let span = (moment("2025-11-24T00:00"), moment("2026-11-24T23:00"));
    let days = heat_map::days(&dues("2025-11-24", &year), &tokyo());
    insta::assert_snapshot!(plain(&heat_map::draw(&days, span, &tokyo())));
}

#[test]
fn a_day_shows_the_worst_of_its_dues_and_days_are_those_of_the_zone() {
    let mut dues = dues("2026-11-20", "..");
    dues.push(Due { due: moment("2026-11-20T23:59"), outcome: Outcome::Missed, ..dues[0] });
    let days = heat_map::days(&dues, &tokyo());
    let shown: Vec<_> = days.iter().map(|(day, outcome)| format!("{day} {}", outcome.word())).collect();
    assert_eq!(shown, ["2026-11-20 missed", "2026-11-21 answered"]);
}

#[test]
fn colours_are_beside_the_characters() {
    let span = (moment("2026-11-20T00:00"), moment("2026-11-22T23:00"));
    let text = heat_map::draw(&heat_map::days(&dues("2026-11-20", "M.L"), &tokyo()), span, &tokyo());
    assert!(text.contains("\u{1b}[31mM\u{1b}[0m") && text.contains("\u{1b}[32m#\u{1b}[0m"), "{text:?}");
}

#[test]
fn the_exit_code_tells_gaps_from_what_could_not_be_told() {
    let code = |outcomes: &str, problem: Option<&str>| {
        let dues = Dues { problem: problem.map(str::to_owned), ..of(dues("2026-11-01", outcomes)) };
        format!("{:?}", exit_code(&dues))
    };
    let expected = |number: u8| format!("{:?}", ExitCode::from(number));
    for (outcomes, problem, number) in [
        ("..+po-", None, 0),
        ("??..", None, 0),
        ("", None, 0),
        ("??", None, 3),
        ("..?.", Some("403"), 3),
        (".M?.", Some("403"), 1),
        (".L", None, 1),
        (".B", None, 1),
    ] {
        assert_eq!(code(outcomes, problem), expected(number), "{outcomes}");
    }
}

#[test]
fn the_longest_gap_is_the_newest_of_those_as_long() {
    let longest = longest_gap(&dues("2026-11-01", "MM.LB.M")).unwrap();
    assert_eq!((longest.dues, longest.first), (2, moment("2026-11-04T05:00")));
    assert_eq!(longest_gap(&dues("2026-11-01", "..?")), None);
}
