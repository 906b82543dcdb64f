//! What becomes of a function that is cut off, or is about to be.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tenko_store::testkit_s3::{Ask, Fault};

use crate::events::CONFIG;
use crate::world::{World, until};

fn outbox(world: &World) -> Vec<Value> {
    let (code, said) = world.tenko(&["notify", "list", "--json"]);
    assert_eq!(code, 0, "{said}");
    serde_json::from_str::<Value>(&said).unwrap().as_array().unwrap().clone()
}

#[test]
fn at_the_time_out_what_was_not_sent_stays_in_the_outbox() {
    let config = format!("{CONFIG}[jobs.third]\nevery = \"1d\"\n");
    let world = World::with(&config);
    let function = world.function();
    function.invoke(&json!({})).unwrap();
    for job in ["nightly", "report", "third"] {
        world.fail(job);
    }
    // Three messages, of which each takes a second, in a function that has three.
    world.slack.answers(Duration::from_millis(1000), 200);
    let begun = Instant::now();
    let answer = function.invoke_within(&json!({}), Duration::from_secs(3)).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let (delivered, left) = (answer["delivered"].as_u64().unwrap(), outbox(&world).len());
    assert!(delivered >= 1 && left >= 1, "{answer}");
    assert_eq!(usize::try_from(delivered).unwrap() + left, 3);
    // Those that were not begun are ready at once.
    let ready = outbox(&world).iter().filter(|item| item["status"].get("ready").is_some()).count();
    assert_eq!(ready, left);
    world.slack.answers(Duration::ZERO, 200);
    let answer = function.invoke(&json!({})).unwrap();
    assert!(answer["delivered"].as_u64().unwrap() >= 1, "{answer}");
}

#[test]
fn a_deadline_that_can_not_be_is_no_deadline() {
    let world = World::with(CONFIG);
    let function = world.function();
    let id = function.send(&json!({}), 600_000);
    function.back(&id).unwrap();
    world.fail("nightly");
    let id = function.send(&json!({}), 600_000);
    assert_eq!(function.back(&id).unwrap()["delivered"], 1);
}

#[test]
fn a_function_that_is_killed_while_it_tells_loses_nothing_and_repeats_under_the_same_id() {
    let world =
        World::with(&CONFIG.replace("channels.ops.slack = \"SLACK\"", "channels.ops.webhook = \"SLACK\""));
    let function = world.function();
    function.invoke(&json!({})).unwrap();
    world.fail("nightly");
    world.slack.answers(Duration::from_secs(20), 200);
    function.send(&json!({}), 0);
    until("the channel is being told", || !world.slack.told().is_empty());
    function.kill();
    let claimed = outbox(&world);
    assert_eq!(claimed.len(), 1);
    world.slack.answers(Duration::ZERO, 200);
    // The claim ends after two minutes; nobody else may send before.
    let function = world.function();
    assert_eq!(function.invoke(&json!({})).unwrap()["delivered"], 0);
    // What the store received three minutes from now says that it is three minutes later.
    world.s3.skew_clock(180);
    let (code, said) = world.tenko(&["run", "--job", "report", "--", "true"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(function.invoke(&json!({})).unwrap()["delivered"], 1);
    let told = world.slack.told();
    assert_eq!((told.len(), &told[0]["id"]), (2, &told[1]["id"]));
}

#[test]
fn a_store_that_can_not_be_reached_is_an_error_before_the_time_out() {
    let world = World::with(CONFIG);
    let function = world.function();
    function.invoke_within(&json!({}), Duration::from_secs(4)).unwrap();
    world.s3.inject(Ask::List, 1000, Fault::Status(503));
    let begun = Instant::now();
    let error = function.invoke_within(&json!({}), Duration::from_secs(4)).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(error["errorType"], "CouldNotTell");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.contains("s3://tenko-test/prod"), "{message}");
    world.s3.heal();
    function.invoke(&json!({})).unwrap();
}

#[test]
fn many_that_are_invoked_at_once_tell_once() {
    let world = World::with(CONFIG);
    let functions: Vec<_> = (0..5).map(|_| world.function()).collect();
    functions[0].invoke(&json!({})).unwrap();
    world.fail("nightly");
    let sent: Vec<String> = functions.iter().map(|function| function.send(&json!({}), 0)).collect();
    let answers: Vec<Value> =
        functions.iter().zip(&sent).map(|(function, id)| function.back(id).unwrap()).collect();
    let delivered: u64 = answers.iter().map(|answer| answer["delivered"].as_u64().unwrap()).sum();
    assert_eq!((delivered, world.slack.told().len()), (1, 1));
    assert!(answers.iter().all(|answer| answer["jobs"][0]["verdict"] == "down"));
}

#[test]
fn a_store_that_is_too_slow_is_an_error_before_the_time_out() {
    let world = World::with(CONFIG);
    let function = world.function();
    function.invoke(&json!({})).unwrap();
    for ask in [Ask::List, Ask::Get, Ask::Put] {
        world.s3.inject(ask, 1000, Fault::Delay(Duration::from_millis(900)));
    }
    let begun = Instant::now();
    let error = function.invoke_within(&json!({}), Duration::from_millis(1500)).unwrap_err();
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    assert_eq!(error["errorType"], "TimeOut");
    insta::assert_snapshot!(error["errorMessage"].as_str().unwrap());
    world.s3.heal();
    function.invoke(&json!({})).unwrap();
}
