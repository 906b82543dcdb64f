//! The template, deployed whole in an emulator of AWS: hosts leave evidence with the printed policy, the schedule and a
//! failure call the function under its own role, and Slack hears of it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod aws_support;
mod cli_support;

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use aws_support::{Answer, Lab, Who, printed};
use cli_support::recorder::Recorder;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

const CODE: &str = "acme-code";
const BUCKET: &str = "acme-rollcall";
/// Until both jobs are missed.
const GRACE: Duration = Duration::from_secs(5);
/// The schedule fires once a minute.
const A_MINUTE: Duration = Duration::from_secs(75);
/// A failure is heard of at once.
const AT_ONCE: Duration = Duration::from_secs(20);
/// That the roll was called for another reason in this time is possible, but not each time.
const WAIT: Duration = Duration::from_millis(250);

/// The stack and the people around it.
struct Stack {
    lab: Lab,
    slack: Recorder,
    host: TempDir,
    writer: Who,
    function: String,
    role: String,
}

impl Stack {
    /// Deploys what `tenko aws template` prints for a configuration.
    fn deploy() -> Self {
        let mut lab = Lab::ministack();
        let slack = Recorder::new();
        let host = tempfile::tempdir().unwrap();
        std::fs::write(host.path().join("tenko.toml"), config()).unwrap();
        let code = json!({ "Bucket": CODE, "Key": "tenko.zip", "Body": format!("zip:{}", stripped(&host)) });
        lab.done("s3", "create_bucket", bucket(CODE));
        lab.done("s3", "put_object", code);
        let hook =
            json!({ "Name": "/tenko/slack", "Value": slack.url("/services/T/B/x"), "Type": "SecureString" });
        lab.done("ssm", "put_parameter", hook);
        let mut stack =
            Self { lab, slack, host, writer: Who::root(), function: String::new(), role: String::new() };
        stack.create();
        let toml = json!({ "Bucket": BUCKET, "Key": "config/tenko.toml", "Body": config() });
        stack.lab.done("s3", "put_object", toml);
        let policy = stack.tenko(&Who::root(), &["aws", "policy", "writer"]);
        stack.writer = stack.lab.user("host", &policy);
        stack
    }

    fn create(&mut self) {
        let template = [
            "aws",
            "template",
            "--schedule",
            "rate(1 minute)",
            "--arch",
            "x86_64",
            "--code-key",
            "tenko.zip",
        ];
        let template = self.tenko(&Who::root(), &template);
        // The emulator takes the condition on If-None-Match as always true, so that it is left out there.
        let parameters =
            [("CodeBucket", CODE), ("EnforceBucketPolicy", "false"), ("AlarmEmail", "ops@example.com")];
        let parameters =
            parameters.map(|(key, value)| json!({ "ParameterKey": key, "ParameterValue": value }));
        let stack = json!({ "StackName": "tenko", "TemplateBody": template, "Parameters": parameters,
            "Capabilities": ["CAPABILITY_IAM"] });
        self.lab.done("cloudformation", "create_stack", stack);
        let outputs = self.outputs();
        let output = |name: &str| {
            let found = outputs.as_array().unwrap().iter().find(|output| output["OutputKey"] == name);
            found.unwrap()["OutputValue"].as_str().unwrap().to_owned()
        };
        assert_eq!(output("StoreUrl"), format!("s3://{BUCKET}/prod/"));
        (self.function, self.role) = (output("FunctionName"), output("FunctionRoleName"));
        self.point_the_function_here();
        self.name_the_group_of_the_emulator();
    }

    fn outputs(&mut self) -> Value {
        let start = Instant::now();
        loop {
            let stacks = self.lab.done("cloudformation", "describe_stacks", json!({ "StackName": "tenko" }));
            let stack = &stacks["Stacks"][0];
            match stack["StackStatus"].as_str().unwrap() {
                "CREATE_COMPLETE" => return stack["Outputs"].clone(),
                "CREATE_IN_PROGRESS" if start.elapsed() < AT_ONCE => sleep(WAIT),
                other => panic!("{other}: {stack}"),
            }
        }
    }

    /// Only here AWS is not at its own address.
    fn point_the_function_here(&mut self) {
        let name = json!({ "FunctionName": self.function });
        let found = self.lab.done("lambda", "get_function_configuration", name);
        assert_eq!((&found["Runtime"], &found["MemorySize"]), (&json!("provided.al2023"), &json!(128)));
        let mut variables = found["Environment"]["Variables"].clone();
        variables["AWS_ENDPOINT_URL"] = self.lab.endpoint().into();
        variables["AWS_ALLOW_HTTP"] = "true".into();
        let change = json!({ "FunctionName": self.function, "Environment": { "Variables": variables } });
        self.lab.done("lambda", "update_function_configuration", change);
    }

    fn tenko(&self, who: &Who, arguments: &[&str]) -> String {
        printed(&self.lab.tenko(who, self.host.path(), arguments))
    }

    /// Runs a job on the host.
    fn run(&self, job: &str, line: &str) -> i32 {
        let store = self.lab.store(BUCKET, "prod");
        let arguments = ["run", "--store", &store, "--job", job, "--", "sh", "-c", line];
        let output = self.lab.tenko(&self.writer, self.host.path(), &arguments);
        assert!(output.stderr.is_empty(), "{output:?}");
        output.status.code().unwrap()
    }

    /// Calls the roll.
    fn invoke(&mut self) -> (Option<String>, Value) {
        let call = json!({ "FunctionName": self.function, "Payload": "{}" });
        let Answer { body, .. } = self.lab.call(&Who::root(), "lambda", "invoke", call);
        let payload = serde_json::from_str(body["ok"]["Payload"].as_str().unwrap_or("null")).unwrap();
        (body["ok"]["FunctionError"].as_str().map(str::to_owned), payload)
    }

    /// The verdict on each job, by calling the roll.
    fn verdicts(&mut self) -> Vec<String> {
        let (error, report) = self.invoke();
        assert_eq!((error, &report["warnings"]), (None, &json!([])), "{report}");
        let jobs = report["jobs"].as_array().unwrap().iter();
        jobs.map(|job| format!("{} {}", job["job"].as_str().unwrap(), job["verdict"].as_str().unwrap()))
            .collect()
    }

    /// What Slack was told.
    fn told(&self) -> Vec<String> {
        let bodies = self.slack.heard().into_iter().map(|heard| String::from_utf8(heard.body).unwrap());
        bodies
            .map(|body| serde_json::from_str::<Value>(&body).unwrap()["text"].as_str().unwrap().to_owned())
            .collect()
    }

    fn wait_until_told(&self, what: &str, patience: Duration) -> String {
        let start = Instant::now();
        loop {
            if let Some(found) = self.told().into_iter().find(|text| text.contains(what)) {
                return found;
            }
            assert!(start.elapsed() < patience, "nobody was told of {what:?}: {:?}", self.told());
            sleep(WAIT);
        }
    }

    /// The function has made it itself, with the rights of its role.
    fn the_next_wake_up_is_set(&mut self) {
        let wake_up = json!({ "GroupName": "tenko", "Name": "wake-up" });
        let wake_up = self.lab.done("scheduler", "get_schedule", wake_up);
        assert!(wake_up["ScheduleExpression"].as_str().unwrap().starts_with("at("), "{wake_up}");
        assert!(wake_up["Target"]["Arn"].as_str().unwrap().contains(&self.function), "{wake_up}");
    }

    fn the_bucket_is_private(&mut self) {
        let bucket = json!({ "Bucket": BUCKET });
        let block = self.lab.done("s3", "get_public_access_block", bucket.clone());
        let block = block["PublicAccessBlockConfiguration"].as_object().unwrap();
        assert!(block.len() == 4 && block.values().all(|value| *value == true), "{block:?}");
        let encryption = self.lab.done("s3", "get_bucket_encryption", bucket);
        assert!(encryption.to_string().contains("AES256"), "{encryption}");
    }

    /// The emulator asks IAM about a schedule of any group as if it were in the group `default`.
    fn name_the_group_of_the_emulator(&mut self) {
        let rights = self.rights("wake-up").to_string();
        let there = rights.replace(":schedule/tenko/wake-up", ":schedule/default/wake-up");
        assert_ne!(there, rights);
        self.grant("wake-up", &serde_json::from_str(&there).unwrap());
    }

    /// What the role of the function may do.
    fn rights(&mut self, policy: &str) -> Value {
        let policy = json!({ "RoleName": self.role, "PolicyName": policy });
        let policy = self.lab.done("iam", "get_role_policy", policy);
        match &policy["PolicyDocument"] {
            Value::String(text) => serde_json::from_str(text).unwrap(),
            document => document.clone(),
        }
    }

    fn grant(&mut self, policy: &str, rights: &Value) {
        let policy =
            json!({ "RoleName": self.role, "PolicyName": policy, "PolicyDocument": rights.to_string() });
        self.lab.done("iam", "put_role_policy", policy);
    }
}

fn bucket(name: &str) -> Value {
    json!({ "Bucket": name, "CreateBucketConfiguration": { "LocationConstraint": aws_support::REGION } })
}

/// Two jobs that were due in this minute and are missed in a few seconds, and one that is never due.
fn config() -> String {
    let due = Timestamp::now() - SignedDuration::from_secs(Timestamp::now().as_second().rem_euclid(60));
    let grace = Timestamp::now().duration_since(due).as_secs() + 4;
    let due = due.to_zoned_datetime(jiff::tz::TimeZone::UTC);
    let job = |name: &str| {
        let (minute, hour) = (due.minute(), due.hour());
        let since = due.timestamp() - SignedDuration::from_secs(1);
        format!(
            "[jobs.{name}]\ncron = \"{minute} {hour} * * *\"\ngrace = \"{grace}s\"\nsince = \"{since}\"\n"
        )
    };
    let head = format!(
        "store = \"s3://{BUCKET}/prod\"\nnotify = [\"ops\"]\n[checker]\nadaptive = true\n[channels.ops]\nslack = \"ssm:/tenko/slack\"\n"
    );
    [head, job("good"), job("gone"), "[jobs.import]\n".to_owned()].concat()
}

/// The program without what only debuggers need.
fn stripped(place: &TempDir) -> String {
    let path = place.path().join("bootstrap");
    let strip = Command::new("strip").arg("-o").arg(&path).arg(env!("CARGO_BIN_EXE_tenko")).status().unwrap();
    assert!(strip.success(), "strip comes with binutils");
    path.to_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs ministack and boto3; run by ./test"]
fn the_stack_watches_jobs_and_tells_slack() {
    let mut stack = Stack::deploy();
    stack.the_bucket_is_private();

    assert_eq!(stack.run("good", "true"), 0);
    sleep(GRACE);
    assert_eq!(stack.verdicts(), ["gone down", "good up", "import new"]);

    stack.wait_until_told("gone is down: missed", AT_ONCE);
    stack.the_next_wake_up_is_set();

    // What an application does that has nothing but boto3.
    let now = Timestamp::now();
    let evidence = tenko_core::Evidence::new(
        tenko_core::Slug::new("gone").unwrap(),
        "0193568b-3c1d-7a31-9b7f-3d3e2f6a1c55".parse().unwrap(),
        tenko_core::Kind::Success,
        now,
    );
    let key = tenko_store::layout::EvidenceKey::new(&evidence, now).to_string();
    let put = json!({ "Bucket": BUCKET, "Key": format!("prod/{key}"), "Body": "", "IfNoneMatch": "*" });
    assert_eq!(stack.lab.call(&stack.writer.clone(), "s3", "put_object", put.clone()).status, 200);
    assert_eq!(stack.lab.call(&stack.writer.clone(), "s3", "put_object", put).status, 412);
    let recovered = stack.wait_until_told("gone is up again", A_MINUTE);
    assert!(recovered.contains("gone was down for"), "{recovered}");

    assert_eq!(stack.run("import", "exit 3"), 3);
    stack.wait_until_told("import is down: failed", AT_ONCE);

    let rights = stack.rights("roll-call");
    let mut fewer = rights.clone();
    fewer["Statement"].as_array_mut().unwrap().retain(|statement| statement["Action"] != "s3:ListBucket");
    stack.grant("roll-call", &fewer);
    let told = stack.told();
    let (error, answer) = stack.invoke();
    assert!(error.is_some(), "{answer}");
    let message = answer["errorMessage"].as_str().unwrap();
    assert!(message.contains("s3:ListBucket"), "{message}");
    assert_eq!(stack.told(), told, "could not tell is not down");

    stack.grant("roll-call", &rights);
    assert_eq!(stack.verdicts(), ["gone up", "good up", "import down"]);
}
