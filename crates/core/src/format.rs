//! The stored form of evidence and of the roll: JSON with a version.
//!
//! Everything ever written can be read; the newest version is written. What a newer Tenko wrote is refused with an
//! error of its own, and never overwritten.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::evidence::{Declaration, Evidence, Exit, Kind, Report, RunId};
use crate::name::Slug;
use crate::roll::Roll;

/// The version that is written.
pub const VERSION: u32 = 1;
/// The longest body of evidence that is read, in bytes.
pub const MAX_EVIDENCE: usize = 1 << 20;

/// Something stored could not be understood.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// A newer Tenko wrote it.
    #[error("it was written by a newer version of Tenko (form {found}, this one reads up to {VERSION})")]
    Newer {
        /// The version that was found.
        found: u64,
    },
    /// It is longer than anything Tenko writes.
    #[error("it has {found} bytes, {MAX_EVIDENCE} are allowed")]
    TooLong {
        /// How long it is.
        found: usize,
    },
    /// It is not what Tenko writes.
    #[error("it is not in Tenko's form")]
    Malformed(#[source] serde_json::Error),
}

#[derive(Deserialize)]
struct Versioned {
    v: u64,
}

#[derive(Serialize)]
struct RollRef<'a> {
    v: u32,
    #[serde(flatten)]
    roll: &'a Roll,
}

#[derive(Serialize, Deserialize)]
struct EvidenceForm {
    v: u32,
    job: Slug,
    run: RunId,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exit: Option<Exit>,
    at: Timestamp,
    #[serde(flatten)]
    report: Report,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    declaration: Option<Declaration>,
}

/// The body of a piece of evidence.
pub fn write_evidence(evidence: &Evidence) -> Vec<u8> {
    let exit = match evidence.kind {
        Kind::Fail(exit) => exit,
        _ => None,
    };
    let form = EvidenceForm {
        v: VERSION,
        job: evidence.job.clone(),
        run: evidence.run,
        kind: evidence.kind.word().to_owned(),
        exit,
        at: evidence.at,
        report: evidence.report.clone(),
        declaration: evidence.declaration.clone(),
    };
    serde_json::to_vec(&form).expect("all keys are strings and no value can fail to be written")
}

/// Reads the body of a piece of evidence, which anybody may have written.
pub fn read_evidence(body: &[u8]) -> Result<Evidence, FormatError> {
    if body.len() > MAX_EVIDENCE {
        return Err(FormatError::TooLong { found: body.len() });
    }
    check_version(body)?;
    let form: EvidenceForm = serde_json::from_slice(body).map_err(FormatError::Malformed)?;
    let kind = match form.kind.as_str() {
        "start" => Kind::Start,
        "success" => Kind::Success,
        "fail" => Kind::Fail(form.exit),
        "log" => Kind::Log,
        _ => return Err(malformed("a kind is start, success, fail or log")),
    };
    let has_digest = |declaration: &Declaration| {
        declaration.digest.len() == 8
            && declaration.digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    if !form.declaration.as_ref().is_none_or(has_digest) {
        return Err(malformed("a digest has 8 lower-case hex digits"));
    }
    let evidence = Evidence::new(form.job, form.run, kind, form.at);
    Ok(Evidence { report: form.report, declaration: form.declaration, ..evidence })
}

/// The stored form of a roll.
pub fn write_roll(roll: &Roll) -> Vec<u8> {
    serde_json::to_vec(&RollRef { v: VERSION, roll })
        .expect("all keys are strings and no value can fail to be written")
}

/// Reads the stored form of a roll.
pub fn read_roll(body: &[u8]) -> Result<Roll, FormatError> {
    check_version(body)?;
    serde_json::from_slice(body).map_err(FormatError::Malformed)
}

fn check_version(body: &[u8]) -> Result<(), FormatError> {
    let Versioned { v } = serde_json::from_slice(body).map_err(FormatError::Malformed)?;
    match v {
        0 => Err(malformed("there is no form 0")),
        v if v > u64::from(VERSION) => Err(FormatError::Newer { found: v }),
        _ => Ok(()),
    }
}

fn malformed(problem: &str) -> FormatError {
    FormatError::Malformed(serde::de::Error::custom(problem))
}
