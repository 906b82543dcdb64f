//! `tenko aws`, as a person sees it. None of it asks AWS.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli_support;

use cli_support::{Place, Seen};

const CONFIG: &str = r#"
store = "s3://acme-rollcall/prod"
timezone = "Asia/Tokyo"
notify = ["ops"]
[channels.ops]
slack = "ssm:/tenko/slack"
[checker]
name = "roll-call"
[jobs.nightly]
cron = "0 5 * * *"
grace = "30m"
[jobs.legacy]
cron = "0 5 * * *"
grace = "1h"
object = "s3://hoge-bucket/{date}/evidence.txt"
"#;

fn place(config: &str) -> Place {
    let place = Place::new();
    std::fs::write(place.path().join("tenko.toml"), config).unwrap();
    place
}

fn aws(place: &Place, arguments: &[&str]) -> Seen {
    place.tenko([&["aws"], arguments].concat())
}

/// What was printed, what was remarked, and how it ended.
fn shown(seen: &Seen) -> String {
    format!("{}--- {}\n{}", seen.text(), seen.code, seen.err)
}

/// The lines of the filled-in template that differ from the shipped one, and the remarks.
fn filled(place: &Place, arguments: &[&str]) -> String {
    let seen = aws(place, &[&["template"], arguments].concat());
    let shipped = include_str!("../../../deploy/aws/template.yaml");
    let mut parameter = "";
    let mut lines = Vec::new();
    for line in seen.text().lines() {
        if line.starts_with("  ") && !line.starts_with("   ") {
            parameter = line.trim().trim_end_matches(':');
        }
        let at_home = shipped.lines().any(|known| known == line) && !line.starts_with("    Default: \"");
        if !at_home {
            lines.push(format!("{parameter}: {}", line.trim()));
        }
    }
    format!("{}\n--- {}\n{}", lines.join("\n"), seen.code, seen.err)
}

#[test]
fn the_template_has_what_the_configuration_says() {
    let place = place(CONFIG);
    insta::assert_snapshot!("template", filled(&place, &[]));
    let options = [
        "--schedule",
        "rate(5 minutes)",
        "--schedule",
        "cron(0 9 ? * MON-FRI *)",
        "--tz",
        "Europe/Berlin",
        "--arch",
        "x86_64",
        "--alarm-email",
        "ops@example.com",
        "--adaptive",
        "--code-bucket",
        "acme-code",
        "--function-timeout",
        "120",
        "--evidence-days",
        "30",
        "--roll-days",
        "3",
        "--inline-config",
    ];
    insta::assert_snapshot!("template-options", filled(&place, &options));
}

const FOUNDING: &str = r#"
store = "memory:"
timezone = "Asia/Tokyo"
notify = ["ops"]
[channels.ops]
slack = "ssm:/tenko/slack"
[jobs.batch]
cron = "0 5 * * *"
object = "s3://hoge-bucket/{date}/evidence.txt"
"#;

#[test]
fn where_nothing_is_kept_the_template_has_a_function_that_looks_and_no_bucket() {
    let place = place(FOUNDING);
    let seen = aws(&place, &["template"]);
    let text = seen.text();
    for needless in ["AWS::S3", "s3:Put", "evidence/", "roll/", "BucketName", "KmsKey", "<", "ConfigKey"] {
        let found: Vec<&str> =
            text.lines().filter(|line| line.contains(needless) && !line.starts_with('#')).collect();
        assert_eq!(found, [""; 0], "{needless}");
    }
    insta::assert_snapshot!("template-memory", filled(&place, &[]));
}

#[test]
fn where_nothing_is_kept_rights_and_costs_are_those_of_a_look() {
    let place = place(FOUNDING);
    let calls: [&[&str]; 4] = [
        &["policy", "writer"],
        &["policy", "checker", "--no-list"],
        &["policy", "bucket"],
        &["cost", "--jobs", "1", "--every", "1d", "--region", "ap-northeast-1"],
    ];
    let said = |call: &&[&str]| format!("$ tenko aws {}\n{}\n", call.join(" "), shown(&aws(&place, call)));
    insta::assert_snapshot!("memory", calls.iter().map(said).collect::<String>());
    let bill = aws(&place, &["cost", "--jobs", "1", "--every", "1d", "--region", "ap-northeast-1", "--json"]);
    let yen = bill.json()["total_with_free_tier"]["yen"].as_f64().unwrap();
    assert!(yen < 0.03, "one job at the founding cadence costs {yen} yen a month");
}

#[test]
fn what_can_not_be_judged_without_a_store_is_refused() {
    let without = format!("{FOUNDING}[jobs.nightly]\ncron = \"0 5 * * *\"\n");
    let often = FOUNDING.replace("0 5 * * *", "0 * * * *");
    let none = FOUNDING.split("[jobs").next().unwrap();
    let calls: [(&str, &[&str]); 5] = [
        (&without, &["template"]),
        (&without, &["policy", "checker"]),
        (none, &["template"]),
        (FOUNDING, &["template", "--evidence-days", "30"]),
        (&often, &["template"]),
    ];
    let said = calls.map(|(config, call)| {
        let seen = aws(&place(config), call);
        format!("$ tenko aws {}\n--- {}\n{}", call.join(" "), seen.code, seen.err)
    });
    insta::assert_snapshot!("memory-refused", said.join("\n"));
}

#[test]
fn the_shipped_template_is_plain_cloudformation() {
    let shipped = include_str!("../../../deploy/aws/template.yaml");
    assert!(!shipped.contains("Transform:"), "nothing has to be expanded to be read");
    assert!(shipped.contains(tenko_store::layout::FAILURES), "the rule for failures knows the names of keys");
}

/// Every right, denial and alarm of the one is in the other.
#[test]
fn the_terraform_module_grants_the_same() {
    let shipped = include_str!("../../../deploy/aws/template.yaml");
    let module = include_str!("../../../deploy/terraform/aws/main.tf");
    let sids: Vec<&str> = shipped
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("Sid: "))
        .collect();
    assert!(sids.len() > 15, "{sids:?}");
    // One parameter there, a list of them here.
    for sid in sids.into_iter().filter(|sid| *sid != "ReadTheSecret") {
        assert!(module.contains(&format!("\"{sid}\"")), "{sid}");
    }
    assert!(module.contains(tenko_store::layout::FAILURES));
    let alarms = |text: &str, word: &str| text.matches(word).count();
    assert_eq!(alarms(shipped, "AWS::CloudWatch::Alarm"), alarms(module, "\"aws_cloudwatch_metric_alarm\""));
}

#[test]
fn schedules_follow_deadlines() {
    let cases = [
        ("cron = \"0 5 * * *\"\ngrace = \"30m\"", "\"cron(31 5 * * ? *)\""),
        ("cron = \"0 5,17 * * *\"\ngrace = \"45s\"", "\"cron(2 5,17 * * ? *)\""),
        ("cron = \"0 * * * *\"\ngrace = \"10m\"", "\"cron(11 * * * ? *)\""),
        ("cron = \"*/7 * * * *\"\ngrace = \"1m\"", "\"rate(5 minutes)\""),
        ("every = \"1d\"", "\"rate(5 minutes)\""),
        ("cron = \"0 5 * * *\"\nmax_runtime = \"2h\"", "\"rate(5 minutes)\""),
        // Half past one in Berlin is half past eight in Tokyo, and half past nine in winter.
        ("cron = \"0 1 * * *\"\ntz = \"Europe/Berlin\"\ngrace = \"30m\"", "\"cron(31 8,9 * * ? *)\""),
    ];
    for (job, expected) in cases {
        let config = format!("store = \"s3://acme/x\"\ntimezone = \"Asia/Tokyo\"\n[jobs.a]\n{job}\n");
        let seen = aws(&place(&config), &["template"]);
        let found = seen
            .text()
            .split_once("\n  Schedule1:\n")
            .unwrap()
            .1
            .lines()
            .find_map(|line| line.trim().strip_prefix("Default: "));
        assert_eq!(found, Some(expected), "{job}: {}", seen.err);
    }
}

#[test]
fn what_cannot_be_deployed_is_refused_with_a_remedy() {
    let place = place(CONFIG);
    let calls: [&[&str]; 17] = [
        &["template", "--schedule", "0 5 * * *"],
        &["template", "--schedule", "0 5 * * 1-5"],
        &["template", "--schedule", "cron(0 5 * * *)"],
        &["template", "--schedule", "cron(0 5 30 2 ? *)"],
        &["template", "--schedule", "rate(0 minutes)"],
        &["template", "--schedule", "at(2026-12-24T05:00:00)"],
        &["template", "--tz", "Europe/Berln"],
        &["template", "--schedule", "cron(0 9 1 * ? *)"],
        &["template", "--schedule", "cron(0 9 ? * MON *)", "--roll-days", "7"],
        &["template", "--schedule", "cron(0 9 ? * MON-FRI *)", "--evidence-days", "3"],
        &["template", "--function-timeout", "901"],
        &["template", "--kms-key", "alias/tenko"],
        &["template", "--alarm-email", "ops"],
        &["template", "--store", "s3://acme/a%20b"],
        &["template", "--store", "sqlite:///var/lib/tenko/tenko.db"],
        &["template", "--store", "s3://acme.rollcall/prod"],
        &["template", "--store", "s3://acme/prod?endpoint=https://minio.example.com"],
    ];
    let mut text = String::new();
    for call in calls {
        let seen = aws(&place, call);
        assert!(seen.code == 2 && seen.text().is_empty(), "{call:?} {seen:?}");
        text.push_str(&format!("$ tenko aws {}\n{}\n", call.join(" "), seen.err));
    }
    insta::assert_snapshot!("template-refused", text);
}

#[test]
fn policies() {
    let place = place(CONFIG);
    let key = "arn:aws:kms:ap-northeast-1:123456789012:key/0a1b";
    let calls: [(&str, &[&str]); 6] = [
        ("policy-writer", &["policy", "writer", "--kms-key", key]),
        ("policy-writer-jobs", &["policy", "writer", "--job", "nightly", "--job", "legacy"]),
        ("policy-checker", &["policy", "checker", "--region", "ap-northeast-1", "--account", "123456789012"]),
        ("policy-checker-one", &["policy", "checker", "--job", "legacy", "--no-list"]),
        ("policy-bucket", &["policy", "bucket"]),
        ("policy-unknown", &["policy", "checker", "--job", "nightli"]),
    ];
    for (name, call) in calls {
        insta::assert_snapshot!(name, shown(&aws(&place, call)));
    }
}

#[test]
fn costs() {
    let place = place(CONFIG);
    let calls: [(&str, &[&str]); 5] = [
        ("cost", &["cost", "--region", "ap-northeast-1"]),
        (
            "cost-what-if",
            &["cost", "--jobs", "10000", "--every", "5m", "--region", "us-east-1", "--yen", "155.5"],
        ),
        ("cost-json", &["cost", "--jobs", "1", "--every", "1d", "--region", "ap-northeast-1", "--json"]),
        ("cost-no-region", &["cost", "--region", "eu-central-1"]),
        ("cost-too-often", &["cost", "--every", "10s"]),
    ];
    for (name, call) in calls {
        insta::assert_snapshot!(name, shown(&aws(&place, call)));
    }
}

/// The table of the page about costs says what the command says.
#[test]
fn the_page_about_costs_is_up_to_date() {
    let page = include_str!("../../../docs/cost.md");
    let place = place("");
    let intervals = [("once a day", "1d"), ("every 5 minutes", "5m"), ("every minute", "1m")];
    let mut rows = 0;
    for line in page.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let Some((_, every)) = intervals.iter().find(|(words, _)| cells.get(2) == Some(words)) else {
            continue;
        };
        let jobs = cells[1].replace(',', "");
        let seen =
            aws(&place, &["cost", "--jobs", &jobs, "--every", every, "--region", "ap-northeast-1", "--json"]);
        let bill = seen.json();
        let yen = |total: &str, part: &str| {
            let yen = bill[total][part].as_f64().unwrap();
            if yen < 100.0 { format!("{yen:.2}") } else { format!("{yen:.0}") }
        };
        let expected = [
            yen("total", "evidence_yen"),
            yen("total", "roll_call_yen"),
            yen("total_with_free_tier", "roll_call_yen"),
            yen("total", "alarms_yen"),
            yen("total_with_free_tier", "yen"),
        ];
        assert_eq!(cells[5..10], expected, "{line}");
        rows += 1;
    }
    assert_eq!(rows, 7);
}
