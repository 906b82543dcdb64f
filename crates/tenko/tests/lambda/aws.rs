//! Other services of AWS, as far as the function asks them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::server::{self, Reply, Request};

/// Answers for the Parameter Store, the Secrets Manager and EventBridge Scheduler, and remembers what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Aws(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    url: String,
    parameters: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
    schedule: Option<Value>,
    asked: Vec<Request>,
    /// Answers that come first, whatever is asked: status and body.
    script: Vec<(u16, String)>,
}

impl Aws {
    pub(crate) fn new() -> Self {
        let aws = Self::default();
        let shared = aws.clone();
        let address = server::serve(move |request| shared.answer(&request));
        aws.0.lock().unwrap().url = format!("http://{address}");
        aws
    }

    pub(crate) fn url(&self) -> String {
        self.0.lock().unwrap().url.clone()
    }

    pub(crate) fn parameter(&self, name: &str, value: &str) {
        self.0.lock().unwrap().parameters.insert(name.into(), value.into());
    }

    pub(crate) fn secret(&self, name: &str, value: &str) {
        self.0.lock().unwrap().secrets.insert(name.into(), value.into());
    }

    /// What is answered first, to whatever is asked.
    pub(crate) fn script(&self, answers: &[(u16, &str)]) {
        self.0.lock().unwrap().script =
            answers.iter().rev().map(|(status, body)| (*status, (*body).into())).collect();
    }

    /// The schedule, if there is one.
    pub(crate) fn schedule(&self) -> Option<Value> {
        self.0.lock().unwrap().schedule.clone()
    }

    pub(crate) fn asked(&self) -> Vec<Request> {
        self.0.lock().unwrap().asked.clone()
    }

    fn answer(&self, request: &Request) -> Option<Reply> {
        let mut inside = self.0.lock().unwrap();
        inside.asked.push(request.clone());
        if let Some((status, body)) = inside.script.pop() {
            return Reply::new(status, body);
        }
        if !request.header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=ADMIN/") {
            return Reply::new(403, r#"{"__type":"MissingAuthenticationTokenException"}"#);
        }
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        match (request.method.as_str(), request.header("x-amz-target")) {
            ("POST", "AmazonSSM.GetParameter") => {
                assert_eq!(body["WithDecryption"], true);
                let found = inside.parameters.get(&text("Name"));
                found_or(found.map(|value| json!({ "Parameter": { "Value": value } })), "ParameterNotFound")
            }
            ("POST", "secretsmanager.GetSecretValue") => {
                let found = inside.secrets.get(&text("SecretId"));
                found_or(found.map(|value| json!({ "SecretString": value })), "ResourceNotFoundException")
            }
            ("PUT", "") if inside.schedule.is_none() => found_or(None, "ResourceNotFoundException"),
            ("POST" | "PUT", "") if request.path.starts_with("/schedules/") => {
                inside.schedule = Some(body);
                Reply::new(200, r#"{"ScheduleArn":"arn:aws:scheduler:x"}"#)
            }
            _ => panic!("{request:?}"),
        }
    }
}

fn found_or(found: Option<Value>, error: &str) -> Option<Reply> {
    match found {
        Some(found) => Reply::new(200, found.to_string()),
        None => Reply::new(400, json!({ "__type": error }).to_string()),
    }
}
