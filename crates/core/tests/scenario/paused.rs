//! Jobs that are not judged, and jobs that can't be seen.

use tenko_core::Verdict;

use crate::story::{Story, stored};

fn daily() -> Story {
    Story::new("0 5 * * *").grace("30m").expect("00:00 new")
}

#[test]
fn a_paused_job_is_not_judged() {
    daily()
        .pause("01:00")
        .expect("05:30 paused since 01:00")
        .look_again("never")
        .at("06:00 fail a 1")
        .expect("06:01 paused")
        .flips("")
        .missed("")
        .told("");
}

#[test]
fn an_incident_ends_without_a_word_when_the_job_is_paused() {
    let story =
        daily().remind("1h").expect("05:30 down missed").pause("06:00").expect("09:00 paused").told("");
    assert_eq!(stored(&story), Verdict::Paused);
    assert_eq!(story.state().incident, None);
}

#[test]
fn a_resumed_job_is_new_and_expected_at_its_next_due() {
    daily()
        .expect("05:30 down missed")
        .pause("06:00")
        .resume("d3 05:10")
        .expect("d3 05:30 new since d3 05:10 due d4 05:00")
        .expect("d4 05:30 down missed since 05:30")
        .flips("new>down missed d4 05:30")
        .told("down");
}

#[test]
fn evidence_of_the_pause_answers_nothing_when_it_arrives_after_it() {
    daily()
        .pause("01:00")
        .at("d2 04:00 fail a 1 received d2 08:00")
        .resume("d2 06:00")
        .expect("d2 08:00 new")
        .expect("d3 05:30 down missed");
}

#[test]
fn a_run_that_began_before_the_pause_can_end_after_it() {
    daily()
        .at("00:10 start a")
        .expect("00:11 new running")
        .pause("01:00")
        .resume("02:00")
        .expect("02:01 new running")
        .at("02:30 success a")
        .expect("02:31 up since 02:30");
}

#[test]
fn a_paused_job_still_shows_its_runs() {
    daily()
        .pause("01:00")
        .at("02:00 start a")
        .expect("02:01 paused running")
        .everything_arrives_again()
        .expect("02:02 paused running")
        .at("02:10 success a")
        .expect("02:11 paused")
        .everything_arrives_again()
        .expect("02:12 paused");
}

#[test]
fn could_not_tell_is_not_down() {
    daily()
        .store_says("403 Forbidden")
        .expect("05:31 unknown since 05:31")
        .told("")
        .expect("05:36 unknown since 05:31")
        .told("")
        .expect("05:41 unknown")
        .flips("")
        .told("unknown")
        .look_again("never")
        .expect("05:46 unknown")
        .told("");
}

#[test]
fn could_tell_again_is_told_to_whom_could_not_tell_was() {
    let blind = || daily().store_says("500").expect("04:00 unknown").expect("04:05 unknown");
    blind().store_answers().expect("04:10 new").told("");
    blind().expect("04:10 unknown").told("unknown").store_answers().expect("04:15 new").told("known");
}

#[test]
fn after_it_can_be_seen_again_it_is_judged_for_what_happened() {
    daily()
        .store_says("500")
        .expect("05:20 unknown")
        .store_answers()
        .expect("05:40 down missed since 05:30")
        .flips("new>down missed 05:30")
        .told("down");
}

#[test]
fn nobody_is_reminded_of_what_cannot_be_seen() {
    daily()
        .remind("1h")
        .expect("05:30 down missed")
        .store_says("500")
        .expect("06:30 unknown")
        .told("")
        .store_answers()
        .expect("07:45 down missed")
        .told("reminder 2");
}

#[test]
fn a_paused_job_that_cannot_be_seen_is_nobodys_business() {
    let mut story = daily().pause("01:00").store_says("403");
    for time in ["02:00", "02:05", "02:10", "02:15"] {
        story = story.expect(&format!("{time} paused")).told("");
    }
}
