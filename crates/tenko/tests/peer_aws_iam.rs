//! The printed policies, asked of two emulators that ask IAM: who may do what, each cell.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod aws_support;

use aws_support::{Lab, Who, printed};
use serde_json::{Value, json};

const BUCKET: &str = "acme-rollcall";
const OBJECTS: &str = "hoge-bucket";
const CONFIG: &str = r#"
store = "s3://acme-rollcall/prod"
[jobs.nightly]
cron = "0 5 * * *"
[jobs.legacy]
cron = "0 5 * * *"
object = "s3://hoge-bucket/{date}/evidence.txt"
"#;
const NIGHTLY: &str =
    "prod/evidence/2026-11-24/050000.000Z/nightly/0193568b-3c1d-7a31-9b7f-3d3e2f6a1c55.success.json";
const OTHER: &str =
    "prod/evidence/2026-11-24/050000.000Z/weekly/0193568b-3c1d-7a31-9b7f-3d3e2f6a1c55.success.json";

/// Who asks: a host that runs jobs, a host that runs one job, whoever calls the roll.
struct People {
    columns: [Who; 3],
}

/// Something that is asked, and the status with which each of them is answered.
struct Row(&'static str, &'static str, Value, [u64; 3]);

fn key(bucket: &str, key: &str) -> Value {
    json!({ "Bucket": bucket, "Key": key })
}

fn put(bucket: &str, key: &str) -> Value {
    json!({ "Bucket": bucket, "Key": key, "Body": "x" })
}

fn create(key: &str) -> Value {
    json!({ "Bucket": BUCKET, "Key": key, "Body": "x", "IfNoneMatch": "*" })
}

fn list(bucket: &str, prefix: &str) -> Value {
    json!({ "Bucket": bucket, "Prefix": prefix })
}

/// The whole matrix. `list_all` is what a checker is told that lists without a prefix.
fn rows(list_all: u64) -> Vec<Row> {
    let lifecycle =
        json!({ "Rules": [{ "ID": "x", "Status": "Enabled", "Prefix": "", "Expiration": { "Days": 1 } }] });
    vec![
        Row("create evidence", "put_object", create(NIGHTLY), [412, 412, 403]),
        Row("create evidence of another job", "put_object", create(OTHER), [412, 403, 403]),
        // It is the bucket policy that refuses this: without it whoever may create may overwrite.
        Row("overwrite evidence", "put_object", put(BUCKET, NIGHTLY), [200, 200, 403]),
        Row("create a roll", "put_object", create("prod/roll/2.json.zst"), [403, 403, 200]),
        Row("write beside the prefix", "put_object", put(BUCKET, "evidence/x"), [403, 403, 403]),
        Row("write the configuration", "put_object", put(BUCKET, "config/tenko.toml"), [403, 403, 403]),
        Row("write into another bucket", "put_object", put(OBJECTS, "prod/evidence/x"), [403, 403, 403]),
        Row("write a plain object", "put_object", put(OBJECTS, "2026-11-24/evidence.txt"), [403, 403, 403]),
        Row("read evidence", "get_object", key(BUCKET, NIGHTLY), [403, 403, 200]),
        Row("look at evidence", "head_object", key(BUCKET, NIGHTLY), [403, 403, 200]),
        Row("read a roll", "get_object", key(BUCKET, "prod/roll/1.json.zst"), [403, 403, 200]),
        Row("read the configuration", "get_object", key(BUCKET, "config/tenko.toml"), [403, 403, 403]),
        Row(
            "look at a plain object",
            "head_object",
            key(OBJECTS, "2026-11-23/evidence.txt"),
            [403, 403, 200],
        ),
        Row(
            "look at one that is missing",
            "head_object",
            key(OBJECTS, "2026-11-25/evidence.txt"),
            [403, 403, 404],
        ),
        Row(
            "look at another object there",
            "head_object",
            key(OBJECTS, "2026-11-23/secret.txt"),
            [403, 403, 403],
        ),
        Row("list evidence", "list_objects_v2", list(BUCKET, "prod/evidence/"), [403, 403, 200]),
        Row("list rolls", "list_objects_v2", list(BUCKET, "prod/roll/"), [403, 403, 200]),
        Row("list everything", "list_objects_v2", list(BUCKET, ""), [403, 403, list_all]),
        Row("delete evidence", "delete_object", key(BUCKET, NIGHTLY), [403, 403, 403]),
        Row("delete a roll", "delete_object", key(BUCKET, "prod/roll/1.json.zst"), [403, 403, 403]),
        Row(
            "delete a plain object",
            "delete_object",
            key(OBJECTS, "2026-11-23/evidence.txt"),
            [403, 403, 403],
        ),
        Row(
            "change the lifecycle",
            "put_bucket_lifecycle_configuration",
            json!({ "Bucket": BUCKET, "LifecycleConfiguration": lifecycle }),
            [403, 403, 403],
        ),
        Row("take the policy away", "delete_bucket_policy", json!({ "Bucket": BUCKET }), [403, 403, 403]),
    ]
}

fn people(lab: &mut Lab) -> People {
    for bucket in [BUCKET, OBJECTS] {
        let place = json!({ "LocationConstraint": aws_support::REGION });
        lab.done("s3", "create_bucket", json!({ "Bucket": bucket, "CreateBucketConfiguration": place }));
    }
    for (bucket, key) in [
        (BUCKET, "prod/roll/1.json.zst"),
        (BUCKET, "config/tenko.toml"),
        (OBJECTS, "2026-11-23/evidence.txt"),
        (OBJECTS, "2026-11-23/secret.txt"),
    ] {
        lab.done("s3", "put_object", put(bucket, key));
    }
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("tenko.toml"), CONFIG).unwrap();
    let policy = |lab: &Lab, args: &[&str]| {
        printed(&lab.tenko(&Who::root(), place.path(), &[&["aws", "policy"], args].concat()))
    };
    let (all, one) = (policy(lab, &["writer"]), policy(lab, &["writer", "--job", "nightly"]));
    let checker = policy(lab, &["checker"]);
    let columns = [lab.user("writer", &all), lab.user("writer-of-one", &one), lab.role("checker", &checker)];
    People { columns }
}

/// Asks everything of everybody; what differs from what is expected, all of it.
fn differences(lab: &mut Lab, people: &People, rows: &[Row]) -> Vec<String> {
    let mut differences = Vec::new();
    for Row(what, call, with, expected) in rows {
        for (column, (who, expected)) in people.columns.iter().zip(expected).enumerate() {
            let answer = lab.call(who, "s3", call, with.clone());
            if answer.status != *expected {
                differences.push(format!("{what}, column {column}: {} and not {expected}", answer.status));
            }
        }
    }
    differences
}

fn evidence_is_there(lab: &mut Lab, people: &People) {
    for (who, key, expected) in [(0, NIGHTLY, 200), (1, NIGHTLY, 412), (0, OTHER, 200), (1, OTHER, 403)] {
        let answer = lab.call(&people.columns[who], "s3", "put_object", create(key));
        assert_eq!(answer.status, expected, "{answer:?}");
    }
}

fn strangers_are_nobody(lab: &mut Lab, people: &People) {
    let writer = &people.columns[0];
    let forger = Who { secret: "x".repeat(40), ..writer.clone() };
    let unknown = Who { key: "AKIAXXXXXXXXXXXXXXXX".into(), ..writer.clone() };
    for (who, code) in [(forger, "SignatureDoesNotMatch"), (unknown, "InvalidAccessKeyId")] {
        let answer = lab.call(&who, "s3", "put_object", create(NIGHTLY));
        assert_eq!((answer.status, answer.body["error"].as_str()), (403, Some(code)), "{answer:?}");
    }
}

#[test]
#[ignore = "needs ministack and boto3; run by ./test"]
fn ministack_lets_writers_create_and_checkers_read_and_nobody_delete() {
    let mut lab = Lab::ministack();
    let people = people(&mut lab);
    evidence_is_there(&mut lab, &people);
    let found = differences(&mut lab, &people, &rows(403));
    assert!(found.is_empty(), "{found:#?}");
    strangers_are_nobody(&mut lab, &people);
}

#[test]
#[ignore = "needs moto and boto3; run by ./test"]
fn moto_lets_writers_create_and_checkers_read_and_nobody_delete() {
    let mut lab = Lab::moto();
    let people = people(&mut lab);
    lab.now_ask_iam();
    evidence_is_there(&mut lab, &people);
    // moto does not look at conditions on s3:prefix.
    let found = differences(&mut lab, &people, &rows(200));
    assert!(found.is_empty(), "{found:#?}");
    strangers_are_nobody(&mut lab, &people);
}
