//! `store = "memory:"`: as it was done before Tenko, a PUT of the job and a HEAD of the function, and nothing is kept.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::json;
use tenko_store::testkit_s3::{Ask, Fault, Key};

use crate::events::verdicts;
use crate::world::World;

/// A daily job of which the deadline was half an hour ago, and the key that it is to have written.
fn founding() -> (World, String) {
    let due = Timestamp::now() - SignedDuration::from_mins(90);
    let due = due.to_zoned_datetime(TimeZone::UTC);
    let config = format!(
        "store = \"memory:\"\nnotify = [\"ops\"]\nchannels.ops.slack = \"SLACK\"\n\
         [jobs.batch]\ncron = \"{} {} * * *\"\ngrace = \"1h\"\nobject = \"s3://tenko-test/{{date}}/evidence.txt\"\n",
        due.minute(),
        due.hour()
    );
    let mut world = World::with(&config);
    world.env.remove("TENKO_STORE");
    (world, format!("{}/evidence.txt", due.date()))
}

/// What was asked of the bucket since the last time: HEAD, LIST, and everything else.
fn asked(world: &World) -> (u64, u64, u64) {
    let others = [Ask::Get, Ask::Put, Ask::Delete, Ask::Other].map(|ask| world.s3.count(ask));
    let asked = (world.s3.count(Ask::Head), world.s3.count(Ask::List), others.iter().sum());
    world.s3.reset_counts();
    asked
}

#[test]
fn for_three_days_a_job_is_asked_about_with_one_head_and_what_is_missing_is_told_each_day() {
    let (world, key) = founding();
    // Each day begins with a function that knows nothing.
    let day = |upload: bool| {
        world.s3.remove(&key);
        if upload {
            world.s3.put(&key, "ok");
        }
        world.s3.reset_counts();
        let answer = world.function().invoke(&json!({})).unwrap();
        // That a key is missing may mean that the bucket is: it is looked for.
        assert_eq!(asked(&world), (1, u64::from(!upload), 0));
        (verdicts(&answer).join(""), world.slack.told().len())
    };
    assert_eq!(day(true), ("batch up".into(), 0));
    assert_eq!(day(false), ("batch down".into(), 1));
    assert_eq!(day(false), ("batch down".into(), 2));
    assert_eq!(day(true), ("batch up".into(), 2));
    let told = world.slack.told()[0].to_string();
    assert!(told.contains("batch") && !told.contains("never"), "{told}");
}

#[test]
fn a_function_that_is_warm_decides_like_one_that_is_cold() {
    let (world, key) = founding();
    let function = world.function();
    for told in [1, 2] {
        assert_eq!(verdicts(&function.invoke(&json!({})).unwrap()), ["batch down"]);
        assert_eq!(world.slack.told().len(), told);
    }
    world.s3.put(&key, "late");
    assert_eq!(verdicts(&function.invoke(&json!({})).unwrap()), ["batch up"]);
    assert_eq!(world.slack.told().len(), 2);
}

#[test]
fn that_it_could_not_be_told_is_told_at_once_and_is_not_down() {
    let (mut world, _) = founding();
    for (name, value) in world.s3.env(Key::Getter) {
        world.set(&name, &value);
    }
    let answer = world.function().invoke(&json!({})).unwrap();
    assert_eq!(verdicts(&answer), ["batch unknown"]);
    let told = world.slack.told();
    assert!(told.len() == 1 && told[0].to_string().contains("s3:ListBucket"), "{told:?}");
}

#[test]
fn a_server_in_trouble_for_a_moment_is_asked_again() {
    let (world, key) = founding();
    world.s3.put(&key, "ok");
    world.s3.inject(Ask::Head, 1, Fault::Status(503));
    assert_eq!(verdicts(&world.function().invoke(&json!({})).unwrap()), ["batch up"]);
    assert!(world.slack.told().is_empty());
}

#[test]
fn a_message_that_nobody_takes_makes_the_call_fail_so_that_lambda_repeats_it() {
    let (world, _) = founding();
    world.slack.answers(std::time::Duration::ZERO, 500);
    let function = world.function();
    let error = function.invoke(&json!({})).unwrap_err();
    assert_eq!(error["errorType"], "Untold", "{error}");
    world.slack.answers(std::time::Duration::ZERO, 200);
    let before = world.slack.told().len();
    assert_eq!(verdicts(&function.invoke(&json!({})).unwrap()), ["batch down"]);
    assert_eq!(world.slack.told().len(), before + 1);
}

#[test]
fn who_leaves_evidence_where_nothing_is_kept_is_told() {
    let (world, _) = founding();
    let (code, said) = world.tenko(&["run", "--job", "batch", "--", "true"]);
    assert!(code == 0 && said.contains("memory: keeps no evidence"), "{code} {said}");
}

#[test]
fn the_calendar_of_dues_is_told_from_the_objects_all_the_same() {
    let (world, key) = founding();
    world.s3.put(&key, "ok");
    let (code, said) = world.tenko(&["gaps", "batch", "--since", "3d", "--json"]);
    assert!(code == 1 && said.contains("\"missed\""), "{code} {said}");
}

#[test]
fn a_job_without_an_object_raises_no_alarm_but_a_warning() {
    let mut world = World::with("store = \"memory:\"\n[jobs.batch]\ncron = \"* * * * *\"\ngrace = \"1s\"\n");
    world.env.remove("TENKO_STORE");
    let answer = world.function().invoke(&json!({})).unwrap();
    assert_eq!(verdicts(&answer), ["batch new"]);
    let warnings = answer["warnings"].to_string();
    assert!(warnings.contains("job batch can't be judged: memory: holds no evidence"), "{warnings}");
}
