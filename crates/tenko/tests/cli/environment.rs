//! Flags by environment variables: each has one, and an empty one is none.

use crate::place::Place;

#[test]
fn read_commands_take_their_flags_from_the_environment() {
    let place = Place::empty().env("TENKO_JSON", "yes").env("TENKO_COUNT", "2").env("TENKO_TZ", "Asia/Tokyo");
    place.ok(&["ping", "a"]);
    for args in [&["jobs"] as &[&str], &["check"], &["show", "a"], &["log", "a"], &["notify", "list"]] {
        let said = place.run(args);
        assert!(serde_json::from_str::<serde_json::Value>(&said.out).is_ok(), "{said}");
    }
    let dues: serde_json::Value =
        serde_json::from_str(&place.ok(&["schedule", "0 5 * * *", "--from", "2026-11-24T06:00"])).unwrap();
    assert_eq!(dues["dues"].as_array().unwrap().len(), 2, "{dues}");
    assert_eq!(dues["dues"][0], "2026-11-24T20:00:00Z", "{dues}");
}

#[test]
fn a_flag_says_more_than_its_variable() {
    let place = Place::empty().env("TENKO_COUNT", "2");
    let dues = |args| place.json(args)["dues"].as_array().unwrap().len();
    assert_eq!(dues(&["schedule", "0 5 * * *"]), 2);
    assert_eq!(dues(&["schedule", "0 5 * * *", "--count", "3"]), 3);
}

#[test]
fn an_empty_variable_is_none_for_any_command() {
    let mut place = Place::empty();
    let plain = place.ok(&["notify", "list"]);
    for name in
        ["JSON", "STORE", "CONFIG", "AT", "DRY_RUN", "LINES", "SINCE", "COUNT", "RUN_ID", "SCHEDULER", "TO"]
    {
        place = place.env(&format!("TENKO_{name}"), "");
    }
    assert_eq!(place.ok(&["notify", "list"]), plain);
    place.ok(&["ping", "a"]);
    for args in [&["check"] as &[&str], &["log", "a"], &["jobs"], &["schedule", "@daily"], &["flush"]] {
        let said = place.run(args);
        assert_eq!(said.code, 0, "{said}");
    }
}

#[test]
fn a_wrong_variable_is_named() {
    let place = Place::empty().env("TENKO_LINES", "many").env("TENKO_AT", "2026-11-24T05:00Z");
    place.session("environment-wrong", &[&["log", "a"], &["check"]]);
}
