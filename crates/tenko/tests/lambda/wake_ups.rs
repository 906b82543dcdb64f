//! The function moves its own next wake-up.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::aws::Aws;
use crate::configuration::with_aws;
use crate::function::ARN;
use crate::world::World;

const ROLE: &str = "arn:aws:iam::123456789012:role/tenko-wake-up";

fn adaptive(config: &str) -> (World, Aws) {
    let (mut world, aws) = with_aws(&format!("checker.adaptive = true\n{config}"));
    world.set("TENKO_WAKE_UP_SCHEDULE", "tenko-next");
    world.set("TENKO_WAKE_UP_ROLE", ROLE);
    (world, aws)
}

fn at(schedule: &Value) -> Timestamp {
    let said = schedule["ScheduleExpression"].as_str().unwrap();
    format!("{}Z", said.trim_start_matches("at(").trim_end_matches(')')).parse().unwrap()
}

#[test]
fn it_is_created_and_then_moved_to_the_next_deadline() {
    let (world, aws) = adaptive("[jobs.nightly]\nevery = \"1d\"\ngrace = \"90m\"\n");
    let function = world.function();
    let before = Timestamp::now();
    let answer = function.invoke(&json!({})).unwrap();
    assert_eq!(answer["warnings"], json!([]));
    let mut first = aws.schedule().unwrap();
    let due = before + jiff::SignedDuration::from_hours(24);
    assert!(at(&first) >= due && at(&first) < due + jiff::SignedDuration::from_mins(92), "{first}");
    assert_eq!(at(&first).as_second() % 60, 0);
    first["ScheduleExpression"] = "[at]".into();
    let token = first["ClientToken"].take();
    assert!(token.is_string());
    insta::assert_snapshot!(format!("{first:#}"));
    let asked: Vec<String> =
        aws.asked().iter().map(|request| format!("{} {}", request.method, request.path)).collect();
    assert_eq!(asked, ["PUT /schedules/tenko-next", "POST /schedules/tenko-next"]);
    assert!(aws.asked()[1].header("authorization").contains("/ap-northeast-1/scheduler/aws4_request"));
    assert_eq!(first["Target"]["Arn"], ARN);
    function.invoke(&json!({})).unwrap();
    assert_eq!(aws.asked().len(), 3);
    assert_ne!(aws.schedule().unwrap()["ClientToken"], token);
}

#[test]
fn a_notice_that_waits_is_a_reason_to_wake_up_soon() {
    let (world, aws) = adaptive(crate::events::CONFIG.trim_start());
    let function = world.function();
    function.invoke(&json!({})).unwrap();
    world.fail("nightly");
    world.slack.answers(std::time::Duration::ZERO, 503);
    let answer = function.invoke(&json!({})).unwrap();
    assert_eq!((&answer["delivered"], &answer["undelivered"]), (&json!(0), &json!(1)));
    let next = at(&aws.schedule().unwrap());
    let now = Timestamp::now();
    assert!(next > now && next < now + jiff::SignedDuration::from_mins(3), "{next} {now}");
}

#[test]
fn a_dry_run_moves_nothing() {
    let (world, aws) = adaptive("[jobs.nightly]\nevery = \"1d\"\n");
    world.function().invoke(&json!({ "dry_run": true })).unwrap();
    assert_eq!(aws.asked().len(), 0);
}

#[test]
fn that_it_can_not_be_moved_is_a_warning_with_what_helps() {
    let (mut world, aws) = adaptive("[jobs.nightly]\nevery = \"1d\"\n");
    let function = world.function();
    let denied = r#"{"Message":"User: x is not authorized to perform: scheduler:UpdateSchedule"}"#;
    aws.script(&[(403, denied)]);
    let mut all = vec![function.invoke(&json!({})).unwrap()["warnings"].clone()];
    world.set("TENKO_WAKE_UP_ROLE", "");
    all.push(world.function().invoke(&json!({})).unwrap()["warnings"].clone());
    world.set("TENKO_WAKE_UP_ROLE", ROLE);
    world.set("TENKO_WAKE_UP_GROUP", "no such/group");
    all.push(world.function().invoke(&json!({})).unwrap()["warnings"].clone());
    let all: Vec<String> = all.iter().map(|warnings| warnings[0].as_str().unwrap().to_owned()).collect();
    insta::with_settings!({ filters => vec![(r"moved to \S+:", "moved to [at]:")] }, {
        insta::assert_snapshot!(all.join("\n"));
    });
}
