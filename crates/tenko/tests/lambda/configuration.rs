//! Where the configuration and its secrets come from.

use serde_json::{Value, json};

use crate::aws::Aws;
use crate::events::{CONFIG, verdicts};
use crate::world::World;

/// The world, and services of AWS beside it.
pub(crate) fn with_aws(config: &str) -> (World, Aws) {
    let mut world = World::with(config);
    let aws = Aws::new();
    world.set("AWS_ENDPOINT_URL", &aws.url());
    (world, aws)
}

fn by_reference(reference: &str) -> String {
    CONFIG.replace("SLACK", reference)
}

fn message(error: &Value) -> String {
    error["errorMessage"].as_str().unwrap().to_owned()
}

#[test]
fn the_configuration_may_lie_in_the_bucket() {
    let mut world = World::with("");
    world.set("TENKO_CONFIG", "s3://tenko-test/conf/tenko.toml");
    let function = world.function();
    let missing = message(&function.invoke(&json!({})).unwrap_err());
    assert!(missing.contains("s3://tenko-test/conf/tenko.toml does not exist"), "{missing}");
    // The same process finds it as soon as it is there.
    world.s3.put("conf/tenko.toml", CONFIG.replace("SLACK", &world.slack.url));
    assert_eq!(verdicts(&function.invoke(&json!({})).unwrap()), ["nightly new", "report new"]);
    let (code, said) = world.tenko(&["config", "check"]);
    assert_eq!((code, said.as_str()), (0, "s3://tenko-test/conf/tenko.toml: 2 jobs, 1 channel\n"));
}

#[test]
fn the_configuration_may_lie_in_the_package() {
    let mut world = World::with("");
    std::fs::write(world.path().join("tenko.toml"), CONFIG.replace("SLACK", &world.slack.url)).unwrap();
    assert_eq!(verdicts(&world.function().invoke(&json!({})).unwrap()).len(), 2);
    std::fs::rename(world.path().join("tenko.toml"), world.path().join("other.toml")).unwrap();
    world.set("TENKO_CONFIG", "other.toml");
    assert_eq!(verdicts(&world.function().invoke(&json!({})).unwrap()).len(), 2);
}

#[test]
fn what_is_wrong_with_the_configuration_is_the_answer() {
    let mut world = World::with("[jobs.nightly]\ncron = \"0 25 * * *\"\n");
    let wrong = world.function().invoke(&json!({})).unwrap_err();
    insta::assert_snapshot!(format!("{}\n{}", wrong["errorType"].as_str().unwrap(), message(&wrong)));
    world.configure("");
    world.set("TENKO_STORE", "");
    insta::assert_snapshot!(message(&world.function().invoke(&json!({})).unwrap_err()));
}

#[test]
fn secrets_are_fetched_once_and_people_are_told() {
    let (world, aws) = with_aws(&by_reference("ssm:/tenko/slack"));
    aws.parameter("/tenko/slack", &world.slack.url);
    let function = world.function();
    function.invoke(&json!({})).unwrap();
    world.fail("nightly");
    assert_eq!(function.invoke(&json!({})).unwrap()["delivered"], 1);
    assert_eq!((world.slack.told().len(), aws.asked().len()), (1, 1));
    let request = &aws.asked()[0];
    let signed = request.header("authorization");
    assert!(signed.contains("/ap-northeast-1/ssm/aws4_request"), "{signed}");
    let log = function.kill();
    assert!(!log.contains("plantedSecret"), "{log}");
}

#[test]
fn the_parts_of_one_secret_are_fetched_together() {
    let config = format!(
        "{}channels.two.webhook.url = \"secretsmanager:tenko#hook\"\nchannels.two.webhook.signing_key = \"secretsmanager:tenko#key\"\n",
        CONFIG.split("[jobs").next().unwrap().replace("SLACK", "secretsmanager:tenko#slack")
    );
    let (world, aws) = with_aws(&config);
    let value = json!({ "slack": world.slack.url, "hook": world.slack.url, "key": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" });
    aws.secret("tenko", &value.to_string());
    for channel in ["ops", "two"] {
        let (code, said) = world.tenko(&["notify", "test", channel]);
        assert_eq!(code, 0, "{said}");
    }
    assert_eq!((world.slack.told().len(), aws.asked().len()), (2, 2), "each process asks once");
}

#[test]
fn who_tells_nobody_asks_for_no_secret() {
    let (world, aws) = with_aws(&by_reference("ssm:/tenko/slack"));
    for arguments in [
        &["jobs"][..],
        &["config", "check"],
        &["check", "--dry-run"],
        &["config", "show"],
        &["notify", "list"],
    ] {
        let (code, said) = world.tenko(arguments);
        assert_eq!(code, 0, "{said}");
    }
    world.fail("nightly");
    assert_eq!(aws.asked().len(), 0);
}

#[test]
fn a_secret_that_can_not_be_had_is_an_error_at_its_place() {
    let (world, aws) = with_aws(&by_reference("ssm:/tenko/slack"));
    let function = world.function();
    let mut all = vec![message(&function.invoke(&json!({})).unwrap_err())];
    let denied = r#"{"__type":"AccessDeniedException","Message":"User: arn:aws:sts::1:assumed-role/x is not authorized to perform: ssm:GetParameter on resource: arn:aws:ssm:us-east-1:1:parameter/tenko/slack"}"#;
    aws.script(&[(400, denied)]);
    all.push(message(&function.invoke(&json!({})).unwrap_err()));
    aws.parameter("/tenko/slack", "hunter2");
    all.push(message(&function.invoke(&json!({})).unwrap_err()));
    insta::assert_snapshot!(all.join("\n\n"));
    aws.parameter("/tenko/slack", &world.slack.url);
    aws.script(&[(400, r#"{"__type":"ThrottlingException"}"#), (503, "")]);
    function.invoke(&json!({})).unwrap();
}

#[test]
fn the_wrapper_reads_its_configuration_from_the_bucket_too() {
    let mut world = World::with("");
    world.set("TENKO_CONFIG", "s3://tenko-test/conf/tenko.toml");
    world.set("TENKO_STORE", "");
    let run = ["run", "--job", "nightly", "--", "true"];
    let (code, said) = world.tenko(&run);
    assert!(code == 0 && said.contains("s3://tenko-test/conf/tenko.toml does not exist"), "{said}");
    let evidence = |world: &World| world.s3.keys().iter().filter(|key| key.contains(".success")).count();
    assert_eq!(evidence(&world), 0);
    // What waited for a configuration goes along as soon as there is one.
    world.s3.put(
        "conf/tenko.toml",
        format!("store = \"s3://tenko-test/prod\"\n{}", CONFIG.replace("SLACK", &world.slack.url)),
    );
    assert_eq!(world.tenko(&run), (0, String::new()));
    assert_eq!(evidence(&world), 2);
}

#[test]
fn a_wrapper_that_can_not_store_tells_by_a_secret_of_aws() {
    let (world, aws) = with_aws(&by_reference("ssm:/tenko/slack"));
    aws.parameter("/tenko/slack", &world.slack.url);
    let (code, said) =
        world.tenko(&["run", "--job", "nightly", "--store", "s3://no-such-bucket", "--", "true"]);
    assert!(code == 0 && said.contains("tenko: ops was told"), "{said}");
    assert_eq!((world.slack.told().len(), aws.asked().len()), (1, 1));
}

#[test]
fn what_nobody_may_show_is_not_shown() {
    let (world, aws) = with_aws(&by_reference("ssm:/tenko/slack"));
    aws.parameter("/tenko/slack", "ftp://host/plantedSecret");
    for arguments in [&["check"][..], &["notify", "test", "ops"], &["config", "show"]] {
        let (_, said) = world.tenko(arguments);
        assert!(said.contains("ssm:/tenko/slack") && !said.contains("plantedSecret"), "{said}");
    }
    let function = world.function();
    function.invoke(&json!({})).unwrap_err();
    assert!(!function.kill().contains("plantedSecret"));
}
