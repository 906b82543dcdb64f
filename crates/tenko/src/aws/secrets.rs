//! Secrets that lie in AWS: `ssm:NAME` in the Parameter Store, `secretsmanager:NAME` or `secretsmanager:NAME#KEY` in the
//! Secrets Manager.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join_all;
use serde_json::{Value, json};
use tenko_store::aws::{Aws, AwsError, Call, Service};
use tenko_store::open::OpenOptions;

use super::partition;
use crate::config::Config;
use crate::error::CommandError;
use crate::secret::Secret;

const SSM: Service = Service { name: "ssm", variable: "SSM" };
const SECRETS_MANAGER: Service = Service { name: "secretsmanager", variable: "SECRETS_MANAGER" };
const JSON: &str = "application/x-amz-json-1.1";

/// What became of references, by their text.
pub type Answers = BTreeMap<String, Result<Secret, Refusal>>;

/// Why a secret is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, in a sentence that names the thing.
    pub problem: String,
    /// What helps.
    pub hint: String,
    /// Whether it may be known later.
    pub transient: bool,
}

/// Where in AWS a secret lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Parameter(String),
    Secret(String),
}

/// A reference, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Reference {
    place: Place,
    key: Option<String>,
}

impl Reference {
    /// Reads `ssm:NAME` or `secretsmanager:NAME#KEY`, of which `#KEY` may be missing. `None` if it is neither.
    ///
    /// # Errors
    /// What is wrong with it, and what helps.
    pub fn parse(text: &str) -> Option<Result<Self, (String, String)>> {
        if let Some(name) = text.strip_prefix("ssm:") {
            return Some(parameter(name));
        }
        text.strip_prefix("secretsmanager:").map(secret)
    }
}

fn parameter(name: &str) -> Result<Reference, (String, String)> {
    let is_name =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_.-:".contains(&b));
    if !is_name {
        return Err(("ssm: names no parameter".into(), "write it as ssm:/tenko/slack".into()));
    }
    Ok(Reference { place: Place::Parameter(name.to_owned()), key: None })
}

fn secret(said: &str) -> Result<Reference, (String, String)> {
    let (name, key) = said.split_once('#').map_or((said, None), |(name, key)| (name, Some(key)));
    let is_name =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+=.@-:!".contains(&b));
    if !is_name || key.is_some_and(str::is_empty) {
        let hint =
            "write it as secretsmanager:NAME, or secretsmanager:NAME#KEY for one value of a JSON object";
        return Err(("secretsmanager: names no secret".into(), hint.into()));
    }
    Ok(Reference { place: Place::Secret(name.to_owned()), key: key.map(str::to_owned) })
}

/// The configuration with all its secrets. AWS is asked only if it has to be, for all of them at once.
///
/// # Errors
/// What is wrong with secrets, each with its place in the configuration.
pub async fn fetched(config: &Arc<Config>) -> Result<Arc<Config>, CommandError> {
    let Some(pending) = &config.pending else { return Ok(Arc::clone(config)) };
    let answers = fetch(pending.references()).await?;
    let transient = answers.values().any(|answer| answer.as_ref().is_err_and(|refusal| refusal.transient));
    let complete = pending.complete(&answers).map_err(|errors| match transient {
        true => CommandError::could_not_tell(errors),
        false => CommandError::usage(errors),
    })?;
    let checker =
        crate::config::CheckerOptions { objects: config.checker.objects.clone(), ..complete.checker };
    Ok(Arc::new(Config { checker, ..complete }))
}

async fn fetch(references: &BTreeSet<String>) -> Result<Answers, CommandError> {
    let parsed: Vec<(&String, Reference)> =
        references.iter().filter_map(|text| Some((text, Reference::parse(text)?.ok()?))).collect();
    let places: BTreeSet<&Place> = parsed.iter().map(|(_, reference)| &reference.place).collect();
    let aws = Aws::new(&OpenOptions::default())?;
    let asked = places.into_iter().map(async |place| (place, place.ask(&aws).await));
    let said: BTreeMap<_, _> = join_all(asked).await.into_iter().collect();
    let answer = |(text, reference): &(&String, Reference)| {
        let said = said.get(&reference.place)?;
        let secret = said.clone().and_then(|secret| reference.part_of(secret));
        Some(((*text).clone(), secret))
    };
    Ok(parsed.iter().filter_map(answer).collect())
}

impl Place {
    async fn ask(&self, aws: &Aws) -> Result<Secret, Refusal> {
        let region = self.region();
        let body = match self {
            Self::Parameter(name) => json!({ "Name": name, "WithDecryption": true }),
            Self::Secret(name) => json!({ "SecretId": name }),
        };
        let (service, target) = match self {
            Self::Parameter(_) => (SSM, "AmazonSSM.GetParameter"),
            Self::Secret(_) => (SECRETS_MANAGER, "secretsmanager.GetSecretValue"),
        };
        let call = Call {
            service,
            region,
            method: "POST",
            path: "/".into(),
            content_type: JSON,
            target: Some(target),
            body: &body,
        };
        let answer =
            aws.call(&call).await.map_err(|error| self.refusal(&error, region.unwrap_or(aws.region())))?;
        let text = match self {
            Self::Parameter(_) => &answer["Parameter"]["Value"],
            Self::Secret(_) => &answer["SecretString"],
        };
        match text.as_str() {
            Some(text) if !text.trim().is_empty() => Ok(Secret::new(text)),
            _ => Err(self.without_text()),
        }
    }

    /// The full name of a resource names its region.
    fn region(&self) -> Option<&str> {
        let (Self::Parameter(name) | Self::Secret(name)) = self;
        name.strip_prefix("arn:")?.split(':').nth(2).filter(|region| !region.is_empty())
    }

    fn shown(&self) -> String {
        match self {
            Self::Parameter(name) => format!("the parameter {name}"),
            Self::Secret(name) => format!("the secret {name} of the Secrets Manager"),
        }
    }

    fn without_text(&self) -> Refusal {
        let problem = format!("{} holds no text", self.shown());
        Refusal { problem, hint: "store the secret as text in it".into(), transient: false }
    }

    fn refusal(&self, error: &AwsError, region: &str) -> Refusal {
        let shown = self.shown();
        if error.is_missing() {
            let problem = format!("{shown} does not exist in {region}");
            let hint = "create it, or correct its name or AWS_REGION".to_owned();
            return Refusal { problem, hint, transient: false };
        }
        let hint = match (error.is_denied(), error.transient) {
            (true, _) if error.message.contains("kms:Decrypt") => {
                "allow kms:Decrypt on the key that it is encrypted with".to_owned()
            }
            (true, _) => format!("allow {} on {}", self.action(), self.resource(region)),
            (false, true) => "it may be known later; nothing was decided".to_owned(),
            (false, false) => "check the credentials, the region and the name".to_owned(),
        };
        Refusal { problem: format!("{shown} cannot be read: {error}"), hint, transient: error.transient }
    }

    fn action(&self) -> &'static str {
        match self {
            Self::Parameter(_) => "ssm:GetParameter",
            Self::Secret(_) => "secretsmanager:GetSecretValue",
        }
    }

    fn resource(&self, region: &str) -> String {
        let partition = partition(region);
        match self {
            Self::Parameter(name) | Self::Secret(name) if name.starts_with("arn:") => name.clone(),
            Self::Parameter(name) => {
                let name = name.split(':').next().unwrap_or_default().trim_start_matches('/');
                format!("arn:{partition}:ssm:{region}:*:parameter/{name}")
            }
            Self::Secret(name) => format!("arn:{partition}:secretsmanager:{region}:*:secret:{name}-??????"),
        }
    }
}

impl Reference {
    /// The value of the key, if the reference names one.
    fn part_of(&self, secret: Secret) -> Result<Secret, Refusal> {
        let Some(key) = &self.key else { return Ok(secret) };
        let object: Option<Value> = serde_json::from_str(secret.reveal()).ok().filter(Value::is_object);
        let what = self.place.shown();
        let refuse =
            |problem: String, hint: &str| Refusal { problem, hint: hint.to_owned(), transient: false };
        let Some(object) = object else {
            return Err(refuse(format!("{what} is no JSON object"), "leave out what follows #"));
        };
        match object.get(key) {
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(Secret::new(text)),
            Some(_) => Err(refuse(format!("{what} holds no text under {key:?}"), "store it as a string")),
            None => Err(refuse(format!("{what} has no key {key:?}"), "correct what follows #")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(reference: &str, code: &str, message: &str) -> String {
        let reference = Reference::parse(reference).unwrap().unwrap();
        let error =
            AwsError { code: code.into(), message: message.into(), transient: code.starts_with("Thr") };
        let region = reference.place.region().unwrap_or("ap-northeast-1");
        let Refusal { problem, hint, .. } = reference.place.refusal(&error, region);
        format!("{problem}; {hint}")
    }

    #[test]
    fn a_refusal_names_the_right_and_the_resource() {
        let denied = "AccessDeniedException";
        let all = [
            refusal("ssm:/tenko/slack", denied, "User: x is not authorized to perform: ssm:GetParameter"),
            refusal("ssm:slack:3", denied, ""),
            refusal("ssm:/tenko/slack", denied, "not authorized to perform: kms:Decrypt on it"),
            refusal("ssm:/tenko/slack", "ParameterNotFound", ""),
            refusal("secretsmanager:tenko/slack#url", denied, "no"),
            refusal("secretsmanager:arn:aws-cn:secretsmanager:cn-north-1:1:secret:x-AbCdEf", denied, "no"),
            refusal("secretsmanager:tenko", "ResourceNotFoundException", "Secrets Manager can't find it"),
            refusal("secretsmanager:tenko", "ThrottlingException", "Rate exceeded"),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn a_key_takes_one_value_out_of_a_secret() {
        let part = |key: &str, text: &str| {
            let reference = Reference::parse(&format!("secretsmanager:x#{key}")).unwrap().unwrap();
            reference
                .part_of(Secret::new(text))
                .map(|secret| secret.reveal().to_owned())
                .map_err(|no| no.problem)
        };
        assert_eq!(part("url", r#"{"url":"https://a","n":1}"#), Ok("https://a".into()));
        for (key, text) in [("n", r#"{"n":1}"#), ("m", r#"{"n":1}"#), ("n", "hunter2")] {
            assert!(part(key, text).is_err_and(|problem| !problem.contains("hunter2")));
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in
            ["ssm:", "ssm:a b", "secretsmanager:", "secretsmanager:#k", "secretsmanager:x#", "ssm:x?y"]
        {
            assert!(Reference::parse(text).unwrap().is_err(), "{text}");
        }
        assert!(Reference::parse("https://hooks.slack.com/x").is_none());
    }
}
