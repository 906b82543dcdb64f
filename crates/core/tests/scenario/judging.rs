//! How answers, dues and runs make a verdict.

use tenko_core::{Evidence, Kind};

use crate::story::{Story, run, slug};

fn daily() -> Story {
    Story::new("0 5 * * *").zone("Asia/Tokyo").grace("30m").expect("00:00 new")
}

fn hourly() -> Story {
    Story::new("0 * * * *").grace("10m").expect("00:30 new")
}

#[test]
fn a_success_answers_every_due_up_to_then() {
    Story::new("*/10 * * * *")
        .grace("1h")
        .expect("04:55 new")
        .at("05:55 success a")
        .expect("05:59 up due 06:00");
}

#[test]
fn a_success_in_time_tells_nobody() {
    daily()
        .at("05:00 start a")
        .expect("05:05 late running")
        .at("05:10 success a")
        .expect("05:31 up")
        .told("");
}

#[test]
fn a_failure_flips_at_its_own_time() {
    daily()
        .at("05:10 fail a 3")
        .expect("05:12 down failed since 05:10 due d2 05:00")
        .flips("new>down failed 05:10")
        .told("down");
}

#[test]
fn a_failure_at_05_10_is_not_missed_at_05_30_too() {
    daily()
        .at("05:10 fail a 3")
        .expect("05:31 down failed")
        .missed("")
        .told("down")
        .expect("09:00 down failed")
        .told("");
}

#[test]
fn a_log_changes_nothing() {
    daily().at("05:10 log a").expect("05:11 late").at("05:12 log a").expect("05:30 down missed");
}

#[test]
fn missed_at_that_exact_moment_however_late_the_roll_call() {
    daily().expect("11:17 down missed since 05:30").flips("new>down missed 05:30");
}

#[test]
fn further_missed_dues_are_facts_without_a_new_flip() {
    hourly()
        .expect("03:15 down missed since 01:10 due 01:00")
        .flips("new>down missed 01:10")
        .missed("01:00..03:00 x3")
        .expect("05:15 down missed")
        .flips("")
        .missed("04:00..05:00 x2")
        .told("");
}

#[test]
fn missed_dues_with_an_answer_in_between_are_two_facts() {
    hourly()
        .at("03:01 fail a 1")
        .expect("05:15 down missed due 01:00")
        .missed("01:00..02:00 x2, 04:00..05:00 x2")
        .flips("new>down missed 01:10");
}

#[test]
fn it_is_up_again_with_the_next_success() {
    daily()
        .expect("05:30 down missed")
        .at("05:45 success a")
        .expect("05:46 up since 05:45 due d2 05:00")
        .flips("down>up 05:45")
        .told("up");
}

#[test]
fn the_same_evidence_twice_counts_once() {
    hourly()
        .failures(2)
        .at("01:05 fail a 1")
        .at("01:05 fail a 1")
        .expect("01:06 new")
        .everything_arrives_again()
        .expect("01:07 new")
        .at("02:05 fail b 1")
        .expect("02:06 down failed");
}

#[test]
fn of_one_end_with_two_times_the_earlier_counts() {
    hourly().at("01:08 success a").expect("01:08 up").at("01:05 success a").expect("01:09 up since 01:05");
    hourly().at("01:05 success a").expect("01:08 up").at("01:08 success a").expect("01:09 up since 01:05");
}

#[test]
fn an_end_before_its_start_leaves_no_run_under_way() {
    daily().at("05:10 success a").expect("05:11 up").at("05:00 start a received 05:12").expect("05:13 up");
}

#[test]
fn evidence_delivered_late_answers_its_due_and_closes_the_incident() {
    daily()
        .at("05:10 success a received 09:00")
        .expect("05:30 down missed")
        .told("down")
        .expect("09:00 up since 05:10 due d2 05:00")
        .flips("down>up 09:00 late")
        .told("up late");
}

#[test]
fn a_failure_delivered_late_flips_at_its_own_time() {
    daily()
        .at("05:10 success a")
        .expect("05:31 up")
        .at("05:20 fail b 1 received 09:00")
        .expect("d2 05:00 down failed since d1 05:20")
        .flips("up>down failed 05:20");
}

#[test]
fn a_failure_delivered_late_that_was_made_up_for_since_is_no_news() {
    hourly()
        .at("01:01 success a")
        .at("03:01 success c")
        .at("02:01 fail b 1 received 03:30")
        .at("02:02 success x")
        .expect("03:05 up since 01:01")
        .expect("03:30 up since 02:02")
        .flips("")
        .told("");
}

#[test]
fn days_of_evidence_from_a_host_that_was_offline_are_caught_up_with() {
    let mut story = hourly().expect("d3 12:30 down missed since d1 01:10").missed("01:00..d3 12:00 x60");
    for hour in 1..=59 {
        let (day, of_day) = (1 + hour / 24, hour % 24);
        story = story.at(&format!("d{day} {of_day:02}:05 success r{hour} received d3 12:40"));
    }
    story
        .expect("d3 12:40 down missed since 12:10 due 12:00")
        .flips("")
        .told("")
        .at("d3 12:05 success last received d3 12:50")
        .expect("d3 12:50 up")
        .flips("down>up d3 12:50 late")
        .told("up late");
}

#[test]
fn a_checker_that_was_away_yields_what_happened_with_its_times() {
    hourly()
        .at("01:05 success a")
        .at("02:05 fail b 1")
        .at("03:05 success c")
        .at("05:05 success d")
        .expect("06:15 down missed since 06:10")
        .flips(
            "new>up 01:05, up>down failed 02:05, down>up 03:05, up>down missed 04:10, down>up 05:05, \
             up>down missed 06:10",
        )
        .told("down");
}

#[test]
fn a_deadline_while_intake_was_away_waits_for_the_evidence() {
    let away = || daily().at("05:10 success a received 06:05").intake_away("05:05", "06:00");
    away()
        .expect("06:00 late")
        .told("")
        .look_again("06:30")
        .expect("06:05 up since 05:10")
        .flips("new>up 05:10");
    daily().intake_away("05:05", "06:00").expect("06:29 late").expect("06:30 down missed since 05:30");
}

#[test]
fn a_deadline_before_intake_went_away_does_not_wait() {
    daily().intake_away("05:31", "06:00").expect("05:30 down missed");
}

#[test]
fn a_deadline_right_after_intake_came_back_waits_too() {
    daily().intake_away("04:00", "05:25").expect("05:54 late").expect("05:55 down missed since 05:30");
}

#[test]
fn evidence_gets_an_hour_at_most_after_intake_was_away() {
    Story::new("0 5 * * *")
        .grace("6h")
        .expect("00:00 new")
        .intake_away("10:00", "12:00")
        .expect("12:59 late")
        .expect("13:00 down missed since 11:00");
}

#[test]
fn a_run_does_not_overrun_while_intake_is_away() {
    let under_way = || {
        daily()
            .max_runtime("1h")
            .at("05:00 start a")
            .expect("05:01 late running")
            .intake_away("05:30", "06:10")
    };
    under_way()
        .expect("06:39 late running")
        .at("05:50 success a received 06:39")
        .expect("06:39 up since 05:50");
    under_way().expect("06:40 down overran running since 06:00");
}

#[test]
fn a_sender_whose_clock_runs_ahead_answers_no_later_due() {
    let mut story = daily().expect("05:30 down missed");
    let mut ahead = Evidence::new(slug(), run("a"), Kind::Success, story.moment("d2 05:10"));
    ahead.received_at = Some(story.moment("d1 05:40"));
    story.hears(ahead).expect("d1 05:41 up since 05:40 due d2 05:00").expect("d2 05:30 down missed");
}

#[test]
fn a_changed_schedule_demands_no_due_of_the_past() {
    daily()
        .reschedule("0 4 * * *")
        .expect("06:00 new next d2 04:00 due d2 04:00")
        .expect("d2 04:30 down missed since 04:30");
}

#[test]
fn a_changed_schedule_leaves_the_incident_open() {
    daily()
        .expect("05:30 down missed")
        .reschedule("0 4 * * *")
        .expect("06:00 down missed since 05:30 next d2 04:00")
        .told("")
        .at("06:10 success a")
        .expect("06:11 up")
        .told("up");
}

#[test]
fn a_run_that_is_forgotten_is_said_to_be() {
    let mut story = Story::new("").expect("00:00 new");
    for number in 10..50 {
        story = story.at(&format!("00:{number} start r{number}"));
    }
    let story = story.expect("01:00 new running");
    let kept: Vec<_> = story.state().running.iter().map(|under_way| under_way.run).collect();
    assert_eq!(kept, (18..50).map(|number| run(&format!("r{number}"))).collect::<Vec<_>>());
    story.everything_arrives_again().expect("01:01 new running");
}

#[test]
fn a_plain_object_that_is_bad_is_bad_evidence() {
    daily().plain_object().at("05:10 fail a").expect("05:11 down bad_evidence since 05:10");
}

#[test]
fn a_checker_away_for_a_century_comes_to_an_end() {
    Story::new("* * * * *")
        .grace("1m")
        .expect("00:00:30 new")
        .expect("d36525 00:00:30 down missed since d1 00:02 next d36525 00:01")
        .told("down");
}
