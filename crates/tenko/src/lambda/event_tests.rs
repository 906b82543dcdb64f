use proptest::prelude::*;
use serde_json::json;

use super::*;

fn refused(event: &Value) -> String {
    let failure = Event::parse(event).expect_err("it is not understood");
    lambda_runtime::Diagnostic::from(failure).error_message
}

fn everything() -> Event {
    Event::Call(Wanted::default())
}

fn stored(bucket: &str, key: &str) -> Event {
    Event::Stored(vec![Stored { bucket: bucket.into(), key: key.into() }])
}

#[test]
fn schedules_ask_for_everything() {
    let rule = json!({
        "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": "Scheduled Event",
        "source": "aws.events", "account": "123456789012", "time": "2026-11-24T05:31:00Z",
        "region": "ap-northeast-1", "resources": ["arn:aws:events:x"], "detail": {}
    });
    let scheduler = json!({ "version": "0", "detail-type": "Scheduled Event", "source": "aws.scheduler", "detail": "{}" });
    for event in [json!({}), json!(null), rule, scheduler] {
        assert_eq!(Event::parse(&event).unwrap(), everything(), "{event}");
    }
}

#[test]
fn a_notification_of_s3_names_its_key_as_a_form_does() {
    let event = json!({ "Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": { "bucket": { "name": "acme" }, "object": { "key": "prod/a+b%3D%E6%97%A5%26c&d", "size": 3 } }
    }]});
    assert_eq!(Event::parse(&event).unwrap(), stored("acme", "prod/a b=日&c&d"));
}

#[test]
fn what_came_by_event_bridge_names_its_key_as_it_is() {
    let event = json!({
        "version": "0", "detail-type": "Object Created", "source": "aws.s3",
        "detail": { "bucket": { "name": "acme" }, "object": { "key": "prod/a+b%3D" }, "reason": "PutObject" }
    });
    assert_eq!(Event::parse(&event).unwrap(), stored("acme", "prod/a+b%3D"));
}

#[test]
fn what_says_nothing_of_a_new_object_is_ignored() {
    let test = json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "acme" });
    let removed =
        json!({ "Records": [{ "eventName": "ObjectRemoved:Delete", "s3": { "object": { "key": "x" } } }] });
    let deleted = json!({ "detail-type": "Object Deleted", "source": "aws.s3", "detail": { "object": { "key": "x" } } });
    for event in [test, removed, deleted] {
        assert_eq!(Event::parse(&event).unwrap(), Event::Stored(Vec::new()), "{event}");
    }
}

#[test]
fn people_may_say_what_they_want() {
    let event = json!({ "jobs": ["daily-report"], "dry_run": true, "at": "2026-11-24T05:31:00Z" });
    let wanted =
        Wanted { jobs: vec!["daily-report".into()], dry_run: true, at: Some("2026-11-24T05:31:00Z".into()) };
    assert_eq!(Event::parse(&event).unwrap(), Event::Call(wanted));
    let one = Event::parse(&json!({ "jobs": "nightly", "at": null })).unwrap();
    assert_eq!(one, Event::Call(Wanted { jobs: vec!["nightly".into()], ..Wanted::default() }));
}

#[test]
fn whatever_else_it_is_is_said() {
    let events = [
        json!([1, 2]),
        json!("check"),
        json!({ "job": "daily-report" }),
        json!({ "jobs": [1] }),
        json!({ "dry_run": "yes" }),
        json!({ "at": "2026-11-24T05:31:00Z" }),
        json!({ "Records": [{ "eventSource": "aws:sqs", "body": "secret" }] }),
        json!({ "Records": [{ "EventSource": "aws:sns", "Sns": { "Message": "{}" } }] }),
        json!({ "Records": {} }),
        json!({ "detail-type": "Object Created", "source": "aws.s3", "detail": {} }),
        json!({ "a\u{1b}[31m": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1, "g": 1, "h": 1, "i": 1, "j": 1 }),
    ];
    let all: Vec<String> = events.iter().map(refused).collect();
    insta::assert_snapshot!(all.join("\n").replace(ACCEPTED, "[accepted]"));
    assert!(refused(&json!(1)).contains("accepted are"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("Records".to_owned()),
        Just("s3".to_owned()),
        Just("object".to_owned()),
        Just("key".to_owned()),
        Just("jobs".to_owned()),
        Just("dry_run".to_owned()),
        Just("at".to_owned()),
        Just("source".to_owned()),
        Just("aws.s3".to_owned()),
        Just("detail".to_owned()),
        "\\PC{0,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.clone().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_event_is_too_odd_to_be_answered(event in any_json()) {
        if let Err(failure) = Event::parse(&event) {
            let said = format!("{failure:?}");
            prop_assert!(said.contains("accepted are"), "{}", said);
        }
    }
}
