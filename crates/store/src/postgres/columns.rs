//! How evidence becomes what PostgreSQL keeps, and back.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};
use tenko_core::{Kind, Report};
use uuid::Uuid;

use super::error::damaged;
use crate::stored;

pub(super) use crate::stored::{number_of, rounded_up};

/// The inverse of [`number_of`].
pub(super) fn kind_of(number: i16) -> sqlx::Result<Kind> {
    stored::kind_of(number.into()).map_err(damaged)
}

/// A moment in milliseconds.
pub(super) fn moment(millis: i64) -> sqlx::Result<Timestamp> {
    Timestamp::from_millisecond(millis).map_err(damaged)
}

/// A report as it is stored; see [`stored::pack`].
pub(super) fn pack(report: &Report) -> sqlx::Result<Option<Vec<u8>>> {
    stored::pack(report).map_err(damaged)
}

/// The inverse of [`pack`].
pub(super) fn unpack(stored: Option<&[u8]>) -> sqlx::Result<Report> {
    stored::unpack(stored).map_err(damaged)
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
