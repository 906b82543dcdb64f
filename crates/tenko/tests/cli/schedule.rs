//! `schedule`: previews of every syntax.

use crate::place::Place;

/// In UTC, from a moment that every test has in common.
fn preview<'a>(expressions: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [&["schedule", "--from", "2026-11-24T12:00:00Z", "-n", "3"], more, &["--"], expressions].concat()
}

#[test]
fn every_syntax_is_understood() {
    let subjects: &[&[&str]] = &[
        &["0 5 * * *"],
        &["@daily"],
        &["*/15 9-17 * * mon-fri"],
        &["0 5 * * *", "30 17 * * fri"],
        &["cron(0 20 * * ? *)"],
        &["rate(1 day)"],
        &["Mon..Fri 05:00"],
        &["*-*-01 00:00:00"],
        &["daily"],
        &["15m"],
    ];
    let calls: Vec<Vec<&str>> = subjects.iter().map(|expressions| preview(expressions, &[])).collect();
    let calls: Vec<&[&str]> = calls.iter().map(Vec::as_slice).collect();
    Place::empty().session_with_moments("schedule-syntaxes", &calls);
}

#[test]
fn a_zone_backwards_and_a_change_of_the_clock() {
    let place = Place::empty();
    place.session_with_moments(
        "schedule-zones",
        &[
            &preview(&["0 5 * * *"], &["--tz", "Asia/Tokyo"]),
            &preview(&["0 5 * * *"], &["--tz", "Asia/Tokyo", "--back"]),
            &["schedule", "30 2 * * *", "--tz", "Europe/Berlin", "--from", "2026-03-28T12:00", "-n", "2"],
            &[
                "schedule",
                "30 2 * * *",
                "--tz",
                "Europe/Berlin",
                "--from",
                "2026-03-28T12:00",
                "-n",
                "2",
                "--scheduler",
                "systemd",
            ],
            &[
                "schedule",
                "30 2 * * *",
                "--tz",
                "Europe/Berlin",
                "--from",
                "2026-10-24T12:00",
                "-n",
                "3",
                "--scheduler",
                "kubernetes",
            ],
        ],
    );
}

#[test]
fn the_configured_zone_is_the_default() {
    let place = Place::with_config("timezone = \"Asia/Tokyo\"\n");
    let shown = place.json(&["schedule", "0 5 * * *", "--from", "2026-11-24T00:00", "-n", "1"]);
    assert_eq!(shown["time_zone"], "Asia/Tokyo");
    assert_eq!(shown["dues"], serde_json::json!(["2026-11-23T20:00:00Z"]));
}

#[test]
fn machines_read_json() {
    let place = Place::empty();
    place.session_with_moments(
        "schedule-json",
        &[&preview(&["0 5 * * *"], &["--tz", "Asia/Tokyo", "--json"])],
    );
}

#[test]
fn what_is_wrong_is_shown_at_its_place() {
    let place = Place::empty();
    place.session_with_moments(
        "schedule-errors",
        &[
            &["schedule", "0 25 * * *"],
            &["schedule", "0 5 30 2 *"],
            &["schedule", "0 5 * *"],
            &["schedule", "0 5 * * mno"],
            &["schedule", "0 5 * * *", "0 61 * * *"],
            &["schedule", "cron(0 20 * * * *)"],
            &["schedule", "rate(0 days)"],
            &["schedule", "Mno..Fri 05:00"],
            &["schedule", "15 parsecs"],
            &["schedule", "0s"],
            &["schedule", ""],
            &["schedule", "0 5 * * \u{1b}[31m\u{202e}x"],
            &["schedule", "0 5 * * *", "--tz", "Asia/Tokio"],
            &["schedule", "0 5 * * *", "--from", "tomorrow"],
            &["schedule", "0 5 * * *", "Mon..Fri 05:00"],
        ],
    );
}

#[test]
fn no_number_of_dues_is_too_many_and_an_end_of_time_is_no_error() {
    let place = Place::empty();
    let all = place.ok(&["schedule", "* * * * *", "-n", "5000", "--from", "2026-11-24T12:00:00Z"]);
    assert_eq!(all.lines().count(), 5001);
    let last = ["schedule", "0 0 1 1 *", "-n", "3", "--from", "9999-06-01T00:00:00Z"];
    assert_eq!(place.ok(&last), "never\n");
    assert_eq!(place.run(&["schedule", "@daily", "-n", "0"]).code, 2);
    assert_eq!(place.run(&["schedule", "@daily", "-n", "99999999999"]).code, 2);
}
