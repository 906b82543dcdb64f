//! Each limit of a job, by itself.

use tenko_core::schedule::Scheduler;

use crate::story::Story;

/// Every morning at five, with half an hour of grace, declared the evening before.
fn daily() -> Story {
    Story::new("0 5 * * *").zone("Asia/Tokyo").grace("30m").expect("00:00 new next 05:00")
}

#[test]
fn at_05_29_59_it_is_late_and_at_05_30_sharp_it_is_missed() {
    daily()
        .expect("04:59:59 new due 05:00 next 05:00")
        .expect("05:00 late since 05:00 due 05:00 next d2 05:00")
        .expect("05:29:59.999 late")
        .told("")
        .look_again("05:30")
        .expect("05:30 down missed since 05:30 due 05:00")
        .flips("new>down missed 05:30")
        .missed("05:00..05:00 x1")
        .told("down");
}

#[test]
fn a_success_at_the_deadline_itself_is_in_time() {
    daily().at("05:30 success a").expect("05:30 up since 05:30 due d2 05:00").told("");
    daily()
        .at("05:30:00.001 success a")
        .expect("05:31 up since 05:30:00.001")
        .flips("new>down missed 05:30, down>up 05:30:00.001");
}

#[test]
fn a_success_at_the_deadline_that_is_heard_after_it_makes_it_up_again() {
    daily()
        .expect("05:30 down missed")
        .at("05:30 success a received 05:30:01")
        .expect("05:30:02 up since 05:30")
        .flips("down>up 05:30:01")
        .told("up");
}

#[test]
fn a_start_does_not_answer_a_due() {
    daily().at("05:00 start a").expect("05:30 down missed running").at("05:40 success a").expect("05:41 up");
}

#[test]
fn a_due_before_the_declaration_is_not_expected() {
    Story::new("0 5 * * *").grace("30m").expect("05:00:01 new next d2 05:00").expect("d2 05:29 late");
}

#[test]
fn a_due_at_the_declaration_itself_is_expected() {
    Story::new("0 5 * * *").grace("30m").expected_from("05:00").expect("05:30 down missed since 05:30");
}

#[test]
fn start_within_wants_a_sign_of_life() {
    let story = || daily().start_within("10m");
    story().expect("05:09:59 late").expect("05:10 down missed since 05:10").told("down");
    story().at("05:10 start a").expect("05:10 late running").expect("05:30 down missed running since 05:30");
    story().at("05:10 success a").expect("05:11 up");
    story().at("05:05 fail a 1").expect("05:11 down failed since 05:05");
}

#[test]
fn a_start_before_the_due_counts_as_much_as_a_success_before_it_would() {
    daily().start_within("10m").at("04:59 start a").expect("05:10 late running");
    daily().start_within("10m").at("04:58:59 start a").expect("05:10 down missed running");
}

#[test]
fn start_within_longer_than_grace_changes_nothing() {
    daily().start_within("2h").expect("05:30 down missed since 05:30");
}

/// One run hangs, and the next one does not even start: that is one miss, told at the first moment at which anything is
/// known to be wrong. The hung one is not counted again when its own grace ends.
#[test]
fn a_due_without_a_start_outweighs_the_one_before_that_has_not_ended() {
    let hung = || Story::new("0 * * * *").grace("3h").start_within("10m").expect("00:30 new");
    hung()
        .at("01:00 start a")
        .expect("02:09 late running")
        .expect("02:10 down missed running since 02:10")
        .missed("02:00..02:00 x1")
        .expect("03:10 down missed running since 02:10")
        .expect("04:00 down missed running since 02:10")
        .missed("");
    // So it takes as many dues without a start as answers have to be bad, whatever became of the hung one.
    hung()
        .failures(2)
        .at("01:00 start a")
        .expect("02:10 new running")
        .expect("03:10 down missed running since 03:10");
}

#[test]
fn what_was_missed_for_want_of_a_start_had_that_deadline() {
    let mut story = daily().start_within("10m").expect("05:10 down missed");
    let deadline = story.moment("05:10");
    assert_eq!(story.called.notices[0].facts.deadline, Some(deadline));
    let mut story = daily().expect("05:30 down missed");
    let deadline = story.moment("05:30");
    assert_eq!(story.called.notices[0].facts.deadline, Some(deadline));
}

#[test]
fn while_a_run_is_under_way_its_end_decides_and_not_grace() {
    let under_way =
        || daily().max_runtime("2h").at("05:00 start a").expect("06:59 late running").look_again("07:00");
    under_way().at("06:59 success a").expect("07:00 up since 06:59").told("");
    under_way().at("07:00 success a").expect("07:00 up since 07:00").told("");
    under_way().at("06:59 fail a 3").expect("07:00 down failed since 06:59").missed("");
    under_way().expect("07:00 down overran running since 07:00").missed("");
}

#[test]
fn a_run_that_never_started_is_missed_by_grace_in_spite_of_max_runtime() {
    daily().max_runtime("2h").expect("05:30 down missed");
}

#[test]
fn a_run_that_overran_and_ends_well_makes_it_up() {
    daily()
        .max_runtime("2h")
        .at("05:00 start a")
        .expect("07:00 down overran running")
        .at("08:00 success a")
        .expect("08:00 up since 08:00")
        .told("up");
}

#[test]
fn a_run_that_overran_and_then_fails_counts_once() {
    daily()
        .max_runtime("1h")
        .failures(2)
        .at("05:00 start a")
        .at("07:00 fail a 1")
        .expect("07:00 new")
        .at("d2 05:10 fail b 1")
        .expect("d2 05:10 down failed since 05:10");
}

#[test]
fn each_run_is_measured_by_its_own_id() {
    Story::new("")
        .max_runtime("1h")
        .expect("00:00 new")
        .at("01:00 start a")
        .at("01:30 start b")
        .at("01:40 success b")
        .expect("01:59 up running")
        .expect("02:00 down overran running since 02:00");
}

#[test]
fn without_a_schedule_it_is_judged_by_what_it_reports() {
    Story::new("")
        .expect("00:00 new")
        .look_again("never")
        .at("03:00 success a")
        .expect("d9 00:00 up since d1 03:00")
        .at("d9 01:00 fail b 1")
        .expect("d9 01:00 down failed");
}

#[test]
fn a_success_that_came_too_quick_is_no_success() {
    let story = || daily().min_runtime("5m");
    story().at("05:00 start a").at("05:04:59 success a").expect("05:10 down too_quick since 05:04:59");
    story().at("05:00 start a").at("05:05 success a").expect("05:10 up");
    story().at("05:00 success a took 4m").expect("05:10 down too_quick");
    story().at("05:00 success a took 6m").expect("05:10 up");
    story().at("05:00 success a").expect("05:10 up");
}

#[test]
fn a_clock_set_back_during_the_run_does_not_make_it_too_quick() {
    daily().min_runtime("5m").at("05:20 start a").at("05:10 success a").expect("05:21 up");
}

#[test]
fn a_start_that_is_heard_late_can_show_that_it_was_too_quick() {
    daily()
        .min_runtime("5m")
        .at("05:04 success a")
        .expect("05:05 up")
        .at("05:00 start a received 05:06")
        .expect("05:06 down too_quick since 05:04")
        .told("down");
}

#[test]
fn a_success_a_minute_early_answers_the_due() {
    daily().at("04:59 success a").expect("05:00 up since 04:59 due d2 05:00");
    daily().at("04:58:59.999 success a").expect("05:00 late due 05:00");
}

#[test]
fn early_is_at_most_a_tenth_of_the_gap_between_dues() {
    let every_five_minutes = || Story::new("*/5 * * * *").grace("1m").early("10m").expect("01:01 new");
    every_five_minutes().at("01:04:30 success a").expect("01:05 up due 01:10");
    every_five_minutes().at("01:04:29 success a").expect("01:05 late due 01:05");
    let every_half_minute = || Story::new("every 30s").grace("10s").expect("01:00 new");
    every_half_minute().at("01:00:27 success a").expect("01:00:30 up due 01:00:57");
    every_half_minute()
        .at("01:00:26 success a")
        .at("01:00:40 fail b")
        .expect("01:00:40 down failed due 01:00:56");
}

#[test]
fn so_many_failures_in_a_row_make_it_down() {
    let hourly = || Story::new("0 * * * *").failures(3).grace("10m").expect("00:30 new");
    hourly()
        .at("01:01 fail a 1")
        .at("02:01 fail b 1")
        .expect("02:05 new")
        .at("03:01 fail c 1")
        .expect("03:02 down failed since 03:01")
        .flips("new>down failed 03:01");
    hourly()
        .at("01:01 fail a 1")
        .at("02:01 fail b 1")
        .at("03:01 success c")
        .at("04:01 fail d 1")
        .at("05:01 fail e 1")
        .expect("05:02 up since 03:01");
    hourly().at("01:01 fail a 1").expect("03:10 down missed since 03:10").missed("02:00..03:00 x2");
}

#[test]
fn so_many_successes_in_a_row_make_it_up_again() {
    Story::new("0 * * * *")
        .recoveries(2)
        .grace("10m")
        .expect("00:30 new")
        .at("01:01 success a")
        .expect("01:02 up since 01:01")
        .at("02:01 fail b 1")
        .expect("02:02 down failed")
        .at("03:01 success c")
        .expect("03:02 down failed since 02:01")
        .told("")
        .at("04:01 success d")
        .expect("04:02 up since 04:01")
        .told("up");
}

#[test]
fn clean_exit_codes_are_successes() {
    let grep = || daily().clean_exit(&[0, 1]);
    grep().at("05:01 fail a 1").expect("05:02 up since 05:01");
    grep().at("05:01 fail a 2").expect("05:02 down failed");
    grep().at("05:01 fail a sig1").expect("05:02 down failed");
    grep().at("05:01 fail a").expect("05:02 down failed");
}

#[test]
fn every_counts_from_the_last_success() {
    Story::new("every 1h")
        .grace("10m")
        .expect("00:30 new due 01:30")
        .at("01:00 success a")
        .expect("01:01 up due 02:00")
        .at("01:50 fail b 1")
        .expect("01:51 down failed due 02:00")
        .at("02:05 success c")
        .expect("03:14 late due 03:05")
        .expect("03:15 down missed since 03:15")
        .expect("04:15 down missed due 03:05")
        .missed("04:05..04:05 x1");
}

#[test]
fn every_counts_from_the_declaration_if_nothing_ever_ran() {
    Story::new("every 1h").grace("10m").expect("00:30 new").expect("01:40 down missed since 01:40 due 01:30");
}

#[test]
fn the_zone_of_the_job_decides_when_it_is_due() {
    let story = Story::new("0 5 * * *").zone("Asia/Tokyo").grace("30m").expect("00:00 new");
    let due = story.state().fold.due.unwrap();
    assert_eq!(due.to_string(), "2026-11-22T20:00:00Z");
}

#[test]
fn in_spring_a_skipped_time_is_due_right_after_the_gap_under_cron_only() {
    let spring = |scheduler| {
        Story::new("30 2 * * *")
            .zone("Europe/Berlin")
            .first_day("2026-03-28")
            .scheduler(scheduler)
            .grace("30m")
    };
    spring(Scheduler::Cron)
        .expect("12:00 new next d2 03:00")
        .expect("d2 03:29 late")
        .expect("d2 03:30 down missed since 03:30");
    spring(Scheduler::Systemd).expect("12:00 new next d3 02:30").expect("d2 23:00 new");
}

#[test]
fn in_autumn_a_repeated_time_is_due_once_under_cron_and_twice_under_kubernetes() {
    let autumn = |scheduler| {
        Story::new("30 2 * * *")
            .zone("Europe/Berlin")
            .first_day("2026-10-24")
            .scheduler(scheduler)
            .grace("10m")
            .expect("12:00 new")
            .at("d2 02:31 success a")
    };
    autumn(Scheduler::Cron).expect("d2 05:00 up due d3 02:30");
    autumn(Scheduler::Kubernetes).expect("d2 05:00 down missed");
}
