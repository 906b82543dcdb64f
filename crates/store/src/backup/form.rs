//! Pieces as lines of JSON.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tenko_core::outbox::Item;
use tenko_core::state::{Flip, Missed};
use tenko_core::{Declaration, Evidence, JobState, Roll, Slug, format};
use uuid::Uuid;

use crate::live::Key;
use crate::portable::Piece;

/// A line, but the first and the last.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Roll(Box<RawValue>),
    Attended(Timestamp),
    Job(Box<JobForm>),
    Notice(Box<Item>),
    Address { job: Slug, address: Uuid },
    Key(KeyForm),
    Flip { job: Slug, flip: Flip },
    Missed { job: Slug, missed: Missed },
    Evidence(EvidenceForm),
}

#[derive(Serialize, Deserialize)]
pub(super) struct JobForm {
    job: Slug,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<JobState>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    declaration: Option<Declaration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wake_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct KeyForm {
    purpose: String,
    name: String,
    sha256: String,
    made_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub(super) struct EvidenceForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    received_at: Option<Timestamp>,
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    heard: bool,
    body: Box<RawValue>,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_true(heard: &bool) -> bool {
    *heard
}

/// How a kind of piece is called in the counts.
pub(super) fn kind(piece: &Piece) -> &'static str {
    match piece {
        Piece::Roll(_) => "roll",
        Piece::Attended(_) => "attended",
        Piece::Job { .. } => "job",
        Piece::Notice(_) => "notice",
        Piece::Address { .. } => "address",
        Piece::Key(_) => "key",
        Piece::Flip { .. } => "flip",
        Piece::Missed { .. } => "missed",
        Piece::Evidence { .. } => "evidence",
    }
}

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// The line of a piece.
pub(super) fn write(piece: Piece) -> Result<Line, Problem> {
    Ok(match piece {
        Piece::Roll(roll) => Line::Roll(raw(format::write_roll(&roll))?),
        Piece::Attended(at) => Line::Attended(at),
        Piece::Job { job, state, declaration, wake_at } => {
            Line::Job(Box::new(JobForm { job, state, declaration, wake_at }))
        }
        Piece::Notice(item) => Line::Notice(Box::new(item)),
        Piece::Address { job, address } => Line::Address { job, address },
        Piece::Key(Key { purpose, name, hash, made_at }) => {
            Line::Key(KeyForm { purpose, name, sha256: hex(&hash), made_at })
        }
        Piece::Flip { job, flip } => Line::Flip { job, flip },
        Piece::Missed { job, missed } => Line::Missed { job, missed },
        Piece::Evidence { evidence, heard } => Line::Evidence(EvidenceForm {
            received_at: evidence.received_at,
            heard,
            body: raw(format::write_evidence(&evidence))?,
        }),
    })
}

fn raw(json: Vec<u8>) -> Result<Box<RawValue>, Problem> {
    Ok(RawValue::from_string(String::from_utf8(json)?)?)
}

/// The piece of a line.
pub(super) fn read(line: Line) -> Result<Piece, Problem> {
    Ok(match line {
        Line::Roll(roll) => Piece::Roll(without_the_rest(format::read_roll(roll.get().as_bytes())?)),
        Line::Attended(at) => Piece::Attended(at),
        Line::Job(form) => {
            let JobForm { job, state, declaration, wake_at } = *form;
            Piece::Job { job, state, declaration, wake_at }
        }
        Line::Notice(item) => Piece::Notice(*item),
        Line::Address { job, address } => Piece::Address { job, address },
        Line::Key(KeyForm { purpose, name, sha256, made_at }) => {
            let hash = unhex(&sha256).ok_or("a hash has 64 hex digits")?;
            Piece::Key(Key { purpose, name, hash, made_at })
        }
        Line::Flip { job, flip } => Piece::Flip { job, flip },
        Line::Missed { job, missed } => Piece::Missed { job, missed },
        Line::Evidence(EvidenceForm { received_at, heard, body }) => {
            let evidence = Evidence { received_at, ..format::read_evidence(body.get().as_bytes())? };
            Piece::Evidence { evidence, heard }
        }
    })
}

fn without_the_rest(roll: Roll) -> Roll {
    Roll { called_at: roll.called_at, gaps: roll.gaps, ..Roll::default() }
}

/// Bytes as lower-case hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}
