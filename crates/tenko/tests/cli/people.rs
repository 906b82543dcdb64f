//! `pause`, `resume` and `forget`: what people decide.

use serde_json::json;

use crate::place::Place;

#[test]
fn a_paused_job_is_not_judged_until_it_is_resumed() {
    let place = Place::with_config("[jobs.a]\nevery = \"1d\"\n");
    place.session(
        "pause",
        &[
            &["ping", "a", "fail", "--exit", "1"],
            &["check"],
            &["pause", "a"],
            &["check"],
            &["pause", "a"],
            &["show", "a"],
            &["resume", "a"],
            &["resume", "a"],
            &["check"],
            &["log", "a"],
        ],
    );
}

#[test]
fn a_job_that_is_configured_is_not_forgotten() {
    let place = Place::with_config("[jobs.a]\nevery = \"1d\"\n");
    place.ok(&["check"]);
    place.session("forget-configured", &[&["forget", "a"]]);
    assert_eq!(place.json(&["jobs"])["jobs"][0]["job"], json!("a"));
}

#[test]
fn a_job_that_declared_itself_is_forgotten_until_it_reports_again() {
    let place = Place::empty();
    place.ok(&["ping", "a", "--every", "1d"]);
    place.ok(&["check"]);
    place.ok(&["forget", "a"]);
    assert_eq!(place.json(&["jobs"])["jobs"], json!([]));
    place.ok(&["check"]);
    assert_eq!(place.json(&["jobs"])["jobs"], json!([]), "old evidence does not bring it back");
    place.ok(&["ping", "a"]);
    place.ok(&["check"]);
    assert_eq!(place.json(&["jobs"])["jobs"][0]["verdict"], json!("up"));
}
