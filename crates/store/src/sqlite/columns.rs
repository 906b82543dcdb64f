//! How evidence becomes numbers, and numbers evidence.

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use serde::de::DeserializeOwned;
use tenko_core::{Kind, Report, RunId};
use uuid::Uuid;

use super::error::damaged;
use crate::stored;

pub(super) use crate::stored::{FAIL, number_of, rounded_up};

/// The inverse of [`number_of`].
pub(super) fn kind_of(number: i64) -> rusqlite::Result<Kind> {
    stored::kind_of(number).map_err(damaged)
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

/// A report as it is stored; see [`stored::pack`].
pub(super) fn pack(report: &Report) -> rusqlite::Result<Option<Vec<u8>>> {
    stored::pack(report).map_err(damaged)
}

/// The inverse of [`pack`].
pub(super) fn unpack(stored: ValueRef<'_>) -> rusqlite::Result<Report> {
    stored::unpack(stored.as_blob_or_null().map_err(damaged)?).map_err(damaged)
}

/// A JSON text.
pub(super) fn parse<T: DeserializeOwned>(stored: ValueRef<'_>) -> rusqlite::Result<T> {
    serde_json::from_str(stored.as_str().map_err(damaged)?).map_err(damaged)
}
