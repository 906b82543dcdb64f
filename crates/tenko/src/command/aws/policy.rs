//! `tenko aws policy`: least privilege, as JSON for IAM.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};
use tenko_core::Slug;
use tenko_store::layout;
use tenko_store::open::{self, S3Place};

use super::place::{self, Watched};
use crate::cli::Common;
use crate::command::Setup;
use crate::config::Config;
use crate::error::CommandError;
use crate::{aws, printer, publish};

/// Print least-privilege policies for IAM, as JSON
#[derive(Debug, Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// For hosts that run jobs: create evidence, and nothing else
    ///
    /// With --job, evidence of these jobs alone; of a job that is judged by a plain object, that object.
    Writer {
        /// A job of the configuration, or any name; may be given several times
        #[arg(long = "job", env = "TENKO_JOB", value_name = "NAME")]
        jobs: Vec<String>,
        #[command(flatten)]
        account: Account,
    },
    /// For whoever calls the roll: read evidence, keep the roll, and nothing else
    ///
    /// Plain objects of the configured jobs and secrets (ssm:...) are covered too. Nothing may be deleted: old evidence
    /// and old rolls go by lifecycle rules.
    Checker {
        /// A configured job whose plain objects are to be read; all, if none is named
        #[arg(long = "job", env = "TENKO_JOB", value_name = "NAME")]
        jobs: Vec<String>,
        /// Leave out s3:ListBucket on the buckets of plain objects. A missing object is then answered with 403, and its
        /// job becomes unknown in place of down
        #[arg(long, env = "TENKO_NO_LIST", value_parser = BoolishValueParser::new())]
        no_list: bool,
        #[command(flatten)]
        account: Account,
    },
    /// For the bucket itself: refuse requests without TLS, and writes that could overwrite evidence or the roll
    ///
    /// The template has it. Without it whoever may create evidence may overwrite it too: the policy of a writer can't
    /// tell these apart.
    Bucket {
        #[command(flatten)]
        account: Account,
    },
}

/// What names of resources consist of.
#[derive(Clone, Debug, Default, Args)]
struct Account {
    /// The region, for the names of SSM parameters and for the partition [default: that of the store, or any]
    #[arg(long, env = "TENKO_REGION", value_name = "REGION")]
    region: Option<String>,
    /// The number of the account, for the names of SSM parameters [default: any]
    #[arg(long, env = "TENKO_ACCOUNT", value_name = "NUMBER")]
    account: Option<String>,
    /// The ARN of the key in KMS with which the bucket is encrypted, if it is not encrypted by S3 itself
    #[arg(long, env = "TENKO_KMS_KEY", value_name = "ARN")]
    kms_key: Option<String>,
}

/// A policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    version: &'static str,
    statement: Vec<Statement>,
}

/// A right, or several that belong together.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Statement {
    sid: &'static str,
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<&'static str>,
    action: Value,
    resource: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Value>,
}

impl Policy {
    /// Prints it.
    pub(super) fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let setup = Setup::load(common)?;
        if place::kept_in(&setup)?.is_none() {
            printer::print_json(&document(self.where_nothing_is_kept(&setup.config)?))?;
            return Ok(ExitCode::SUCCESS);
        }
        let store = place::store(&setup)?;
        let statement = match self.role {
            Role::Writer { jobs, account } => writer(&setup.config, &names(account, &store), &store, &jobs)?,
            Role::Checker { jobs, no_list, account } => {
                checker(&setup, &names(account, &store), &store, &jobs, !no_list)?
            }
            Role::Bucket { account } => bucket(&names(account, &store), &store),
        };
        printer::print_json(&document(statement))?;
        Ok(ExitCode::SUCCESS)
    }

    /// Jobs write their objects, and the checker looks at them.
    fn where_nothing_is_kept(self, config: &Config) -> Result<Vec<Statement>, CommandError> {
        place::only_objects(config)?;
        let chosen = |jobs: &[String]| -> Result<Vec<Watched>, CommandError> {
            known(config, jobs)?;
            Ok(watched(config, jobs))
        };
        match self.role {
            Role::Writer { jobs, account } => {
                let objects = chosen(&jobs)?.into_iter().map(|one| account.object(&one.bucket, &one.keys));
                let mut statements = vec![allow("WriteObjects", &["s3:PutObject"], objects)];
                statements.extend(account.kms("EncryptThem", &["kms:GenerateDataKey"]));
                Ok(statements)
            }
            Role::Checker { jobs, no_list, account } => {
                let mut statements = account.look_at(&chosen(&jobs)?, !no_list);
                statements.extend(account.publish(config));
                statements.extend(account.read_parameters(config));
                statements.extend(account.read_secrets(config));
                Ok(statements)
            }
            Role::Bucket { .. } => Err(CommandError::usage("memory: has no bucket that could have a policy")
                .hint("name one: --store s3://BUCKET/PREFIX")),
        }
    }
}

fn document(statement: Vec<Statement>) -> Document {
    Document { version: "2012-10-17", statement }
}

/// Refuses names that no configured job has.
fn known(config: &Config, jobs: &[String]) -> Result<(), CommandError> {
    match jobs.iter().find(|name| !config.jobs.contains_key(name.as_str())) {
        Some(name) => Err(place::not_configured(name, config)),
        None => Ok(()),
    }
}

/// The plain objects of some jobs, or of all if none is named.
fn watched(config: &Config, jobs: &[String]) -> Vec<Watched> {
    let chosen = |slug: &&Slug| jobs.is_empty() || jobs.iter().any(|name| name == slug.as_str());
    config.jobs.keys().filter(chosen).filter_map(|job| place::watched(config, job)).collect()
}

fn names(account: Account, store: &S3Place) -> Account {
    Account { region: account.region.or_else(|| store.region.clone()), ..account }
}

fn writer(
    config: &Config,
    account: &Account,
    store: &S3Place,
    jobs: &[String],
) -> Result<Vec<Statement>, CommandError> {
    let evidence = |pattern: &str| account.object(&store.bucket, &format!("{}{pattern}", store.prefix));
    let mut resources = BTreeSet::new();
    for name in jobs {
        let job = Slug::new(name).map_err(CommandError::usage)?;
        match place::watched(config, &job) {
            Some(Watched { bucket, keys, .. }) => resources.insert(account.object(&bucket, &keys)),
            None => resources.insert(evidence(&layout::evidence_of(&job))),
        };
    }
    if jobs.is_empty() {
        resources.insert(evidence(&format!("{}*", layout::EVIDENCE)));
    }
    let mut statements = vec![allow("LeaveEvidence", &["s3:PutObject"], resources)];
    statements.extend(account.kms("EncryptIt", &["kms:GenerateDataKey"]));
    printer::remark(
        "note: this lets evidence be overwritten too, unless the bucket has the policy that tenko aws policy bucket prints",
    );
    Ok(statements)
}

fn checker(
    setup: &Setup,
    account: &Account,
    store: &S3Place,
    jobs: &[String],
    list: bool,
) -> Result<Vec<Statement>, CommandError> {
    let config = &setup.config;
    known(config, jobs)?;
    let mut statements = keep_the_roll(account, store);
    if let Some(name) = &config.checker.name {
        let own = account.object(&store.bucket, &format!("{}{}", store.prefix, layout::evidence_of(name)));
        statements.push(allow("LeaveEvidenceOfItself", &["s3:PutObject"], [own]));
    }
    let watched = watched(config, jobs);
    statements.extend(account.look_at(&watched, list));
    statements.extend(account.publish(config));
    statements.extend(account.read_parameters(config));
    statements.extend(account.read_secrets(config));
    statements.extend(account.kms("UseTheKey", &["kms:Decrypt", "kms:GenerateDataKey"]));
    remark_on_buckets(store, &watched, list);
    Ok(statements)
}

/// What is refused to everybody. A PUT without `If-None-Match` could overwrite; so could a copy and the end of an upload in
/// parts, which are refused with it.
fn bucket(account: &Account, store: &S3Place) -> Vec<Statement> {
    let whole = account.bucket(&store.bucket);
    let objects = |part: &str| account.object(&store.bucket, &format!("{}{part}*", store.prefix));
    let tls = ["s3:*"];
    let put = ["s3:PutObject"];
    let without_tls = [whole, account.object(&store.bucket, "*")];
    let kept = [objects(layout::EVIDENCE), objects(layout::ROLL)];
    vec![
        deny("OnlyWithTls", &tls, without_tls, json!({ "Bool": { "aws:SecureTransport": "false" } })),
        deny("CreateOnly", &put, kept, json!({ "Null": { "s3:if-none-match": "true" } })),
    ]
}

fn keep_the_roll(account: &Account, store: &S3Place) -> Vec<Statement> {
    let [evidence, roll] = [layout::EVIDENCE, layout::ROLL].map(|all| format!("{}{all}*", store.prefix));
    let object = |keys: &String| account.object(&store.bucket, keys);
    let prefixes = json!({ "StringLike": { "s3:prefix": [evidence, roll] } });
    let list = allow("ListEvidenceAndRolls", &["s3:ListBucket"], [account.bucket(&store.bucket)]);
    vec![
        Statement { condition: Some(prefixes), ..list },
        allow("ReadEvidenceAndRolls", &["s3:GetObject"], [object(&evidence), object(&roll)]),
        allow("KeepTheRoll", &["s3:PutObject"], [object(&roll)]),
    ]
}

/// What else is needed is said where the policy can't say it.
fn remark_on_buckets(store: &S3Place, watched: &[Watched], list: bool) {
    let others: BTreeSet<&str> = watched.iter().map(|one| one.bucket.as_str()).collect();
    for bucket in others.iter().filter(|bucket| **bucket != store.bucket) {
        printer::remark(&format!(
            "note: if the bucket {bucket} belongs to another account, its bucket policy has to allow the same"
        ));
    }
    if !others.is_empty() && !list {
        printer::remark(
            "note: without s3:ListBucket a missing object is answered with 403: its job becomes unknown, never down",
        );
    }
}

impl Account {
    fn partition(&self) -> &'static str {
        aws::partition(self.region.as_deref().unwrap_or_default())
    }

    fn bucket(&self, name: &str) -> String {
        format!("arn:{}:s3:::{name}", self.partition())
    }

    fn object(&self, bucket: &str, keys: &str) -> String {
        format!("{}/{keys}", self.bucket(bucket))
    }

    fn named(&self, service: &str, resource: &str) -> String {
        let region = self.region.as_deref().unwrap_or("*");
        let account = self.account.as_deref().unwrap_or("*");
        format!("arn:{}:{service}:{region}:{account}:{resource}", self.partition())
    }

    /// The rights to see plain objects, and to be told 404 of one that is missing.
    fn look_at(&self, watched: &[Watched], list: bool) -> Vec<Statement> {
        if watched.is_empty() {
            return Vec::new();
        }
        let objects = watched.iter().map(|one| self.object(&one.bucket, &one.keys));
        let mut statements = vec![allow("LookAtPlainObjects", &["s3:GetObject"], objects)];
        // A condition on s3:prefix would not do: HEAD has no prefix, and so a missing object would be 403 again.
        let listed = watched.iter().filter(|one| list || one.listed);
        let buckets: BTreeSet<String> = listed.map(|one| self.bucket(&one.bucket)).collect();
        if !buckets.is_empty() {
            statements.push(allow("TellMissingFromForbidden", &["s3:ListBucket"], buckets));
        }
        statements
    }

    /// The rights to write the status page, and to read what it said before.
    fn publish(&self, config: &Config) -> Option<Statement> {
        let place = open::s3_place(&config.publish.as_ref()?.url).ok().flatten()?;
        let pages = [publish::PAGE, publish::STATUS];
        let pages = pages.map(|page| self.object(&place.bucket, &format!("{}{page}", place.prefix)));
        Some(allow("PublishTheStatus", &["s3:GetObject", "s3:PutObject"], pages))
    }

    fn read_parameters(&self, config: &Config) -> Option<Statement> {
        let name = |name: String| match name.starts_with("arn:") {
            true => name,
            false => self.named("ssm", &format!("parameter/{}", name.trim_start_matches('/'))),
        };
        let names = place::secrets(config, "ssm:");
        (!names.is_empty())
            .then(|| allow("ReadParameters", &["ssm:GetParameter"], names.into_iter().map(name)))
    }

    fn read_secrets(&self, config: &Config) -> Option<Statement> {
        // The Secrets Manager adds a hyphen and six characters to each name.
        let name = |name: String| match name.starts_with("arn:") {
            true => name,
            false => self.named("secretsmanager", &format!("secret:{name}-??????")),
        };
        let names = place::secrets(config, "secretsmanager:");
        let action = ["secretsmanager:GetSecretValue"];
        (!names.is_empty()).then(|| allow("ReadSecrets", &action, names.into_iter().map(name)))
    }

    fn kms(&self, sid: &'static str, actions: &[&str]) -> Option<Statement> {
        self.kms_key.as_ref().map(|key| allow(sid, actions, [key.clone()]))
    }
}

/// The statements that the template's own role does not have: plain objects and secrets of the configuration.
pub(super) fn beyond_the_template(config: &Config, region: Option<&str>) -> Vec<Statement> {
    let account = Account { region: region.map(str::to_owned), ..Account::default() };
    let watched: Vec<Watched> = config.jobs.keys().filter_map(|job| place::watched(config, job)).collect();
    let mut statements = account.look_at(&watched, true);
    statements.extend(account.publish(config));
    if place::parameters(config).is_none() {
        statements.extend(account.read_parameters(config));
    }
    statements.extend(account.read_secrets(config));
    statements
}

fn allow(sid: &'static str, actions: &[&str], resources: impl IntoIterator<Item = String>) -> Statement {
    let resources: BTreeSet<String> = resources.into_iter().collect();
    Statement {
        sid,
        effect: "Allow",
        principal: None,
        action: one_or_many(actions.iter().map(ToString::to_string).collect()),
        resource: one_or_many(resources.into_iter().collect()),
        condition: None,
    }
}

fn deny(
    sid: &'static str,
    actions: &[&str],
    resources: impl IntoIterator<Item = String>,
    condition: Value,
) -> Statement {
    let statement = allow(sid, actions, resources);
    Statement { effect: "Deny", principal: Some("*"), condition: Some(condition), ..statement }
}

fn one_or_many(mut texts: Vec<String>) -> Value {
    if texts.len() == 1 { texts.pop().into() } else { texts.into() }
}
