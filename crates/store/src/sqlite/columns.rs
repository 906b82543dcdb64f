//! How evidence becomes numbers, and numbers evidence.

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use serde::de::DeserializeOwned;
use tenko_core::{Exit, Kind, Report, RunId};
use uuid::Uuid;

use super::error::damaged;

/// Shorter reports are not compressed.
const WORTH_COMPRESSING: usize = 300;
/// What a compressed report begins with: RFC 8878 section 3.1.1. No JSON does.
const COMPRESSED: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The longest report that is read, in bytes.
const MAX_REPORT: usize = 64 << 20;

/// The first number that says fail; all kinds from there on do.
pub(super) const FAIL: i64 = 3;
const CODES: i64 = 256;
const SIGNALS: i64 = 512;

/// A kind with its exit as one number.
pub(super) fn number_of(kind: Kind) -> i64 {
    match kind {
        Kind::Start => 0,
        Kind::Success => 1,
        Kind::Log => 2,
        Kind::Fail(None) => FAIL,
        Kind::Fail(Some(Exit::Code(code))) => CODES + i64::from(code),
        Kind::Fail(Some(Exit::Signal(number))) => SIGNALS + i64::from(number),
    }
}

/// The inverse of [`number_of`].
pub(super) fn kind_of(number: i64) -> rusqlite::Result<Kind> {
    let exit = |from: i64| u8::try_from(number - from).ok();
    match number {
        0 => Some(Kind::Start),
        1 => Some(Kind::Success),
        2 => Some(Kind::Log),
        FAIL => Some(Kind::Fail(None)),
        _ => exit(CODES)
            .map(Exit::Code)
            .or_else(|| exit(SIGNALS).map(Exit::Signal))
            .map(|exit| Kind::Fail(Some(exit))),
    }
    .ok_or_else(|| damaged(format!("{number} is no kind of evidence")))
}

/// A run as two numbers.
pub(super) fn halves_of(run: RunId) -> (i64, i64) {
    let (high, low) = run.0.as_u64_pair();
    (high.cast_signed(), low.cast_signed())
}

/// The inverse of [`halves_of`].
pub(super) fn run_of(high: i64, low: i64) -> RunId {
    RunId(Uuid::from_u64_pair(high.cast_unsigned(), low.cast_unsigned()))
}

/// Where the evidence of a run is found in the index `evidence_of_run`.
pub(super) fn mark_of(high: i64, low: i64, job: i64) -> i64 {
    (high & -65536) | (((low & 65535) + job) & 65535)
}

/// A moment in milliseconds.
pub(super) fn moment(millis: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(millis).map_err(damaged)
}

/// A moment in milliseconds, not before it.
pub(super) fn rounded_up(moment: Timestamp) -> i64 {
    let millis = moment.as_millisecond();
    let is_later = Timestamp::from_millisecond(millis).is_ok_and(|whole| whole < moment);
    millis + i64::from(is_later)
}

/// A report as it is stored, without how it came; nothing if it says nothing else.
pub(super) fn pack(report: &Report) -> rusqlite::Result<Option<Vec<u8>>> {
    match report {
        Report {
            host: None,
            duration: None,
            output: None,
            message: None,
            flaw: None,
            timed_out: false,
            max_rss: None,
            rid: None,
            via: _,
        } => Ok(None),
        Report { via: None, .. } => pack_json(report).map(Some),
        report => pack_json(&Report { via: None, ..report.clone() }).map(Some),
    }
}

fn pack_json(report: &Report) -> rusqlite::Result<Vec<u8>> {
    let json = serde_json::to_vec(report).map_err(damaged)?;
    if json.len() < WORTH_COMPRESSING {
        return Ok(json);
    }
    zstd::bulk::compress(&json, 3).map_err(damaged)
}

/// The inverse of [`pack`]; how it came is not in it.
pub(super) fn unpack(stored: ValueRef<'_>) -> rusqlite::Result<Report> {
    let bytes = match stored {
        ValueRef::Null => return Ok(Report::default()),
        stored => stored.as_blob().map_err(damaged)?,
    };
    if !bytes.starts_with(&COMPRESSED) {
        return serde_json::from_slice(bytes).map_err(damaged);
    }
    let size = zstd::bulk::Decompressor::upper_bound(bytes).unwrap_or(MAX_REPORT);
    let json = zstd::bulk::decompress(bytes, size.min(MAX_REPORT)).map_err(damaged)?;
    serde_json::from_slice(&json).map_err(damaged)
}

/// A JSON text.
pub(super) fn parse<T: DeserializeOwned>(stored: ValueRef<'_>) -> rusqlite::Result<T> {
    serde_json::from_str(stored.as_str().map_err(damaged)?).map_err(damaged)
}
