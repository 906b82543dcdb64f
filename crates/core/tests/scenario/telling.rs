//! Who is told what.

use tenko_core::{Exit, NoticeKind};

use crate::story::{Story, run};

fn daily() -> Story {
    Story::new("0 5 * * *").grace("30m").expect("00:00 new")
}

#[test]
fn an_incident_is_told_once_and_its_end_once() {
    daily()
        .expect("05:30 down missed")
        .told("down")
        .expect("05:35 down missed")
        .told("")
        .at("05:40 success a")
        .expect("05:41 up")
        .told("up")
        .expect("05:45 up")
        .told("");
}

#[test]
fn another_reason_in_the_same_incident_is_no_new_notice() {
    daily()
        .expect("05:30 down missed")
        .told("down")
        .at("05:40 fail a 1")
        .expect("05:41 down missed")
        .told("");
}

#[test]
fn an_incident_that_came_and_went_unseen_is_told_in_one_brief_notice() {
    let mut story = daily().at("05:45 success a").expect("09:00 up since 05:45").told("up brief");
    let notice = story.called.notices[0].clone();
    assert_eq!(notice.facts.down_since, Some(story.moment("05:30")));
    assert_eq!(notice.facts.up_since, Some(story.moment("05:45")));
}

#[test]
fn a_first_success_is_no_news() {
    daily().at("05:10 success a").expect("05:11 up").flips("new>up 05:10").told("");
}

#[test]
fn an_incident_that_ended_while_another_began_leaves_one_notice_of_what_is_true() {
    daily()
        .expect("05:30 down missed")
        .told("down")
        .at("05:45 success a")
        .expect("d2 06:00 down missed since d2 05:30")
        .flips("down>up 05:45, up>down missed d2 05:30")
        .told("down");
}

#[test]
fn reminders_come_at_their_interval_and_skipped_ones_are_not_made_up_for() {
    daily()
        .remind("4h")
        .expect("05:30 down missed")
        .told("down")
        .look_again("09:30")
        .expect("09:29:59 down missed")
        .told("")
        .expect("09:30 down missed")
        .told("reminder 1")
        .expect("09:35 down missed")
        .told("")
        .expect("22:00 down missed")
        .told("reminder 4")
        .look_again("d2 01:30")
        .at("d1 22:10 success a")
        .expect("d2 01:30 up")
        .told("up");
}

#[test]
fn a_notice_says_what_was_due_and_by_when() {
    let mut story = daily().at("00:10 success z").expect("00:11 up").expect("05:30 down missed");
    let notice = story.called.notices[0].clone();
    assert_eq!(notice.kind, NoticeKind::Down);
    assert_eq!(notice.at, story.moment("05:30"));
    assert_eq!(notice.facts.due, Some(story.moment("05:00")));
    assert_eq!(notice.facts.deadline, Some(story.moment("05:30")));
    assert_eq!(notice.facts.last_success, Some(story.moment("00:10")));
    assert_eq!(notice.facts.run, None);
}

#[test]
fn a_notice_of_a_failure_knows_the_run_and_its_exit_from_the_key_alone() {
    let story = daily().at("05:10 fail a sig9").expect("05:11 down failed");
    let facts = &story.called.notices[0].facts;
    assert_eq!((facts.run, facts.exit), (Some(run("a")), Some(Exit::Signal(9))));
}

#[test]
fn two_checkers_that_decide_the_same_write_the_same_notice() {
    let id = |looked_at: &str| {
        let story = daily().expect(&format!("{looked_at} down missed"));
        story.called.notices[0].id
    };
    assert_eq!(id("05:30"), id("08:00"));
}

#[test]
fn each_incident_and_each_reminder_has_an_id_of_its_own() {
    let mut ids = Vec::new();
    let mut story = daily().remind("1h");
    for what in ["05:30 down missed", "06:30 down missed", "07:30 down missed", "d2 05:20 down missed"] {
        story = story.expect(what);
        ids.push(story.called.notices[0].id);
    }
    let story = story.at("d2 05:25 success a").expect("d2 05:26 up");
    ids.push(story.called.notices[0].id);
    ids.push(story.expect("d3 05:30 down missed").called.notices[0].id);
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), ids.len());
}

#[test]
fn a_notice_of_a_limit_that_was_not_kept_knows_the_limit() {
    let story =
        daily().max_runtime("20m").at("05:00 start a").expect("05:21 down overran running").told("down");
    let facts = &story.called.notices[0].facts;
    assert_eq!(facts.limit, Some(jiff::SignedDuration::from_mins(20)));
    let story =
        daily().min_runtime("1m").at("05:00 start a").at("05:00:04 success a").expect("05:01 down too_quick");
    assert_eq!(story.called.notices[0].facts.limit, Some(jiff::SignedDuration::from_mins(1)));
}
