//! How evidence becomes what PostgreSQL keeps, and back.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};
use tenko_core::{Exit, Kind, Report};
use uuid::Uuid;

use super::error::damaged;

/// Shorter reports are not compressed.
const WORTH_COMPRESSING: usize = 300;
/// What a compressed report begins with: RFC 8878 section 3.1.1. No JSON does.
const COMPRESSED: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The longest report that is read, in bytes.
const MAX_REPORT: usize = 64 << 20;

/// The first number that says fail; all kinds from there on do.
pub(super) const FAIL: i16 = 3;
const CODES: i16 = 256;
const SIGNALS: i16 = 512;

/// A kind with its exit as one number.
pub(super) fn number_of(kind: Kind) -> i16 {
    match kind {
        Kind::Start => 0,
        Kind::Success => 1,
        Kind::Log => 2,
        Kind::Fail(None) => FAIL,
        Kind::Fail(Some(Exit::Code(code))) => CODES + i16::from(code),
        Kind::Fail(Some(Exit::Signal(number))) => SIGNALS + i16::from(number),
    }
}

/// The inverse of [`number_of`].
pub(super) fn kind_of(number: i16) -> sqlx::Result<Kind> {
    let exit = |from: i16| u8::try_from(number - from).ok();
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

/// A moment in milliseconds.
pub(super) fn moment(millis: i64) -> sqlx::Result<Timestamp> {
    Timestamp::from_millisecond(millis).map_err(damaged)
}

/// Times are kept in whole milliseconds: of those the first that is not before `moment`.
pub(super) fn rounded_up(moment: Timestamp) -> i64 {
    let millis = moment.as_millisecond();
    let is_later = Timestamp::from_millisecond(millis).is_ok_and(|whole| whole < moment);
    millis + i64::from(is_later)
}

/// A report as it is stored; nothing if it says nothing.
pub(super) fn pack(report: &Report) -> sqlx::Result<Option<Vec<u8>>> {
    if *report == Report::default() {
        return Ok(None);
    }
    let json = serde_json::to_vec(report).map_err(damaged)?;
    if json.len() < WORTH_COMPRESSING {
        return Ok(Some(json));
    }
    zstd::bulk::compress(&json, 3).map(Some).map_err(damaged)
}

/// The inverse of [`pack`].
pub(super) fn unpack(stored: Option<&[u8]>) -> sqlx::Result<Report> {
    let Some(bytes) = stored else { return Ok(Report::default()) };
    if !bytes.starts_with(&COMPRESSED) {
        return serde_json::from_slice(bytes).map_err(damaged);
    }
    let size = zstd::bulk::Decompressor::upper_bound(bytes).unwrap_or(MAX_REPORT);
    let json = zstd::bulk::decompress(bytes, size.min(MAX_REPORT)).map_err(damaged)?;
    serde_json::from_slice(&json).map_err(damaged)
}

/// What a text is known by.
pub(super) fn hash_of(text: &str) -> Uuid {
    let digest = Sha256::digest(text.as_bytes());
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    Uuid::from_bytes(half)
}

/// A JSON text.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> sqlx::Result<T> {
    serde_json::from_str(text).map_err(damaged)
}

/// A UUID as a parameter and as a column. (The feature of `sqlx` for it can't be chosen beside `rusqlite`.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(pub(super) Uuid);

/// Number of the type `uuid` in every PostgreSQL.
const UUID: Oid = Oid(2950);
const UUIDS: Oid = Oid(2951);

impl Type<Postgres> for Id {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(UUID)
    }

    fn compatible(of: &PgTypeInfo) -> bool {
        of.oid() == Some(UUID)
    }
}

impl PgHasArrayType for Id {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(UUIDS)
    }
}

impl Encode<'_, Postgres> for Id {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for Id {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => Ok(Self(Uuid::from_slice(value.as_bytes()?)?)),
            PgValueFormat::Text => Ok(Self(value.as_str()?.parse()?)),
        }
    }
}
