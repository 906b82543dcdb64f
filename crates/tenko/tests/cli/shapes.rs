//! The JSON shapes are documented: every key that any command prints stands in `docs/json.md`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::place::Place;
use crate::receiver::Receiver;
use crate::roll::ago;

const CONFIG: &str = r#"
notify = ["ops"]

[channels.ops]
slack = "env:SLACK_WEBHOOK_URL"

[defaults]
description = "One of many."
runbook = "https://wiki.example/one"
remind = "1m"
start_within = "10m"
max_runtime = "2h"
min_runtime = "1ms"
failures = 1
recoveries = 2

[jobs.fails]
every = "1d"

[jobs.hangs]
every = "1d"

[jobs.misses]
cron = "0 * * * *"
since = YESTERDAY
grace = "1s"
"#;

fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.keys().cloned());
            object.values().for_each(|inner| keys(inner, found));
        }
        Value::Array(list) => list.iter().for_each(|inner| keys(inner, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Everything that has happened to a job can be seen here.
fn eventful() -> (Place, Receiver) {
    let receiver = Receiver::that_answers(404, "no_service");
    let yesterday = &ago(24 * 60)[..10];
    let place = Place::with_config(&CONFIG.replace("YESTERDAY", yesterday))
        .env("SLACK_WEBHOOK_URL", &receiver.url("/x"));
    place.ok(&["ping", "hangs", "start", "--at", &ago(200)]);
    place.run(&["run", "--job", "fails", "--timeout", "1s", "--", "sh", "-c", "seq 100000; kill -9 $$"]);
    place.run(&["check"]);
    place.run(&["check"]);
    (place, receiver)
}

#[test]
fn every_key_is_documented() {
    let (place, _receiver) = eventful();
    let calls: [&[&str]; 9] = [
        &["check"],
        &["jobs"],
        &["show", "fails"],
        &["show", "hangs"],
        &["show", "misses"],
        &["log", "fails"],
        &["log", "misses"],
        &["notify", "list"],
        &["schedule", "0 5 * * *"],
    ];
    let mut found = BTreeSet::new();
    for args in calls {
        keys(&place.json(args), &mut found);
    }
    for rare in
        ["signal", "omitted", "incident", "opened_at", "under_way", "first", "dead", "max_rss", "min_runtime"]
    {
        assert!(found.contains(rare), "{rare} does not occur: {found:?}");
    }
    let page = include_str!("../../../../docs/json.md");
    let said: BTreeSet<&str> = page.split(|c: char| !(c.is_ascii_lowercase() || c == '_')).collect();
    let missing: Vec<&String> = found.iter().filter(|key| !said.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "docs/json.md does not say what these are: {missing:?}");
}

#[test]
fn every_read_command_has_a_section() {
    let page = include_str!("../../../../docs/json.md");
    let place = Place::empty();
    let commands =
        [&["check"] as &[&str], &["jobs"], &["show"], &["log"], &["schedule"], &["notify", "list"]];
    for command in commands {
        let help = place.ok(&[command, &["--help"]].concat());
        assert!(help.contains("--json"), "{help}");
        assert!(page.contains(&format!("## tenko {}", command.join(" "))), "{command:?}");
    }
}
