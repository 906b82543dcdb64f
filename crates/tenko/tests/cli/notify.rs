//! `notify`: channels that accept, refuse and are not there, and what could not be delivered.

use serde_json::json;

use crate::place::Place;
use crate::receiver::Receiver;

const ONE_CHANNEL: &str = r#"
notify = ["ops"]

[channels.ops]
slack = "env:SLACK_WEBHOOK_URL"

[jobs.a]
every = "1d"
"#;

fn with_slack(receiver: &Receiver) -> Place {
    Place::with_config(ONE_CHANNEL).env("SLACK_WEBHOOK_URL", &receiver.url("/services/T0/B0/planted-secret"))
}

#[test]
fn a_test_notice_is_accepted() {
    let receiver = Receiver::that_answers(200, "ok");
    let place = with_slack(&receiver);
    place.session("notify-test", &[&["notify", "test", "ops"]]);
    let body: serde_json::Value = serde_json::from_str(&receiver.requests()[0]).unwrap();
    assert!(body["text"].as_str().is_some_and(|text| text.contains("test")), "{body}");
}

#[test]
fn what_the_channel_said_is_shown_and_its_url_is_not() {
    let gone = with_slack(&Receiver::that_answers(404, "no_service"));
    gone.session("notify-test-404", &[&["notify", "test", "ops"]]);
    let busy = with_slack(&Receiver::that_answers(500, "\u{1b}[31mrollback\r\n\u{202e}error"));
    busy.session("notify-test-500", &[&["notify", "test", "ops"]]);
    let away = Place::with_config(ONE_CHANNEL).env("SLACK_WEBHOOK_URL", "http://127.0.0.1:1/planted-secret");
    away.session("notify-test-away", &[&["notify", "test", "ops"]]);
    for place in [gone, busy, away] {
        assert!(!place.run(&["notify", "test", "ops"]).err.contains("planted-secret"));
    }
}

#[test]
fn an_unknown_channel_is_no_channel_and_perhaps_another_is_meant() {
    let place = with_slack(&Receiver::that_answers(200, "ok"));
    place.session("notify-unknown", &[&["notify", "test", "opps"], &["notify", "test", "pager"]]);
    Place::empty().session("notify-no-channel", &[&["notify", "test", "ops"]]);
}

#[test]
fn a_dead_notice_is_seen_tried_again_and_dismissed() {
    let receiver = Receiver::that_answers(404, "no_service");
    let place = with_slack(&receiver);
    place.ok(&["ping", "a", "fail", "--exit", "3", "-m", "disk full"]);
    place.session(
        "notify-dead",
        &[
            &["check"],
            &["notify", "list"],
            &["notify", "list", "--json"],
            &["check", "--json"],
            &["notify", "retry"],
            &["notify", "list"],
            &["notify", "retry", "00000000-0000-7000-8000-000000000001"],
            &["check"],
            &["notify", "dismiss"],
            &["notify", "list"],
            &["notify", "dismiss"],
        ],
    );
    assert_eq!(receiver.requests().len(), 2, "once by itself, once because it was asked for");
}

#[test]
fn one_notice_of_several_is_dismissed_by_its_id() {
    let receiver = Receiver::that_answers(404, "no_service");
    let place = with_slack(&receiver);
    place.ok(&["ping", "a", "fail"]);
    place.ok(&["ping", "b", "fail", "--every", "1d"]);
    assert_eq!(place.run(&["check"]).code, 1);
    let items = place.json(&["notify", "list"]);
    let id = |item: usize| items[item]["notice"]["id"].as_str().unwrap();
    place.ok(&["notify", "dismiss", id(0)]);
    let left = place.json(&["notify", "list"]);
    assert_eq!(left.as_array().unwrap().len(), 1);
    assert_eq!(left[0]["notice"]["id"], json!(id(1)));
}

#[test]
fn fault_53_until_somebody_has_seen_a_dead_notice_all_is_not_well() {
    let receiver = Receiver::that_answers(404, "no_service");
    let place = with_slack(&receiver);
    place.ok(&["ping", "a", "fail"]);
    let first = place.run(&["check"]);
    assert!(first.err.contains("could not be delivered"), "cron mails it: {first}");
    place.ok(&["ping", "a"]);
    place.ok(&["ping", "b"]);
    place.run(&["check"]);
    let later = place.run(&["check"]);
    assert_eq!((later.code, later.err.as_str()), (1, ""), "cron mails it once: {later}");
    assert!(later.out.contains("a    up") && later.out.contains("could not be delivered"), "{later}");
    assert_eq!((place.run(&["check", "a"]).code, place.run(&["check", "b"]).code), (1, 0));
    assert!(place.run(&["jobs"]).err.contains("could not be delivered: tenko notify list"));
    place.ok(&["notify", "dismiss"]);
    place.ok(&["check"]);
}

#[test]
fn fault_45_of_five_roll_calls_at_the_same_moment_one_tells() {
    let config =
        "notify = [\"ops\"]\n[channels.ops]\ncommand = [\"sh\", \"-c\", \"cat >> told; echo >> told\"]\n";
    for store in ["sqlite", "directory"] {
        let place = Place::with_config(config);
        std::fs::create_dir(place.path("store")).unwrap();
        let url = match store {
            "sqlite" => format!("sqlite://{}", place.path("t.db").display()),
            _ => format!("file://{}", place.path("store").display()),
        };
        let place = place.env("TENKO_STORE", &url);
        for job in ["a", "b", "c"] {
            place.ok(&["ping", job, "fail"]);
        }
        let calls: Vec<_> = (0..5).map(|_| place.command(&["check"]).spawn().unwrap()).collect();
        for mut call in calls {
            assert_eq!(call.wait().unwrap().code(), Some(1), "{store}");
        }
        let told = std::fs::read_to_string(place.path("told")).unwrap();
        let times = |job: &str| told.matches(&format!("\"job\":\"{job}\"")).count();
        assert_eq!(["a", "b", "c"].map(times), [1, 1, 1], "{store}: {told}");
        assert_eq!(place.json(&["notify", "list"]), json!([]));
    }
}
