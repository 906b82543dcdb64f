//! What each kind of event is answered with.

use serde_json::{Value, json};

use crate::world::World;

/// A job that is down as soon as anybody looks, and one that has time.
pub(crate) const CONFIG: &str = r#"
timezone = "Asia/Tokyo"
notify = ["ops"]
channels.ops.slack = "SLACK"
[jobs.nightly]
every = "1d"
[jobs.report]
every = "1d"
"#;

pub(crate) fn verdicts(answer: &Value) -> Vec<String> {
    let jobs = answer["jobs"].as_array().unwrap();
    jobs.iter()
        .map(|job| format!("{} {}", job["job"].as_str().unwrap(), job["verdict"].as_str().unwrap()))
        .collect()
}

#[test]
fn a_schedule_calls_the_whole_roll_and_people_are_told() {
    let world = World::with(CONFIG);
    let function = world.function();
    let first =
        function.invoke(&json!({ "source": "aws.scheduler", "detail-type": "Scheduled Event" })).unwrap();
    assert_eq!(verdicts(&first), ["nightly new", "report new"]);
    world.fail("nightly");
    let second = function.invoke(&json!({})).unwrap();
    assert_eq!(verdicts(&second), ["nightly down", "report new"]);
    assert_eq!((&second["delivered"], world.slack.told().len()), (&json!(1), 1));
    let third = function.invoke(&json!({})).unwrap();
    assert_eq!((&third["delivered"], world.slack.told().len()), (&json!(0), 1));
    let log = function.kill();
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
    assert!(log.contains("the roll was called") && !log.contains("plantedSecret"), "{log}");
}
