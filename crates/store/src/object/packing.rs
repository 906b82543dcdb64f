//! How a roll lies in its object: compressed, sealed, and saying who wrote it.
//!
//! The object is a zstd stream that any `zstd -d` unpacks to two lines of JSON: the roll, and the dues that were missed
//! lately, of each job. Before the data stands a skippable frame with the seal:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `50 2a 4d 18`, a skippable frame |
//! | 4 | its length, little-endian |
//! | 8 | `tenkoroll` without its last letter |
//! | 16 | the start of the SHA-256 of everything that follows |
//! | 1 | the version of this form |
//! | 8 | the start of the SHA-256 of the place for which it is proven that it honours conditions |
//! | 16 | a number of this attempt alone, so that equal rolls of two writers differ |
//!
//! Whatever byte is lost or changed, the seal does not fit.

use std::io::{Read, Write};

use sha2::{Digest, Sha256};
use tenko_core::format::{self, FormatError};
use tenko_core::roll::Roll;
use uuid::Uuid;

use super::missed::MissedLately;

const MAGIC: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];
const WORD: [u8; 8] = *b"tenkorol";
const VERSION: u8 = 1;
const HEAD: usize = 4 + 4 + 8 + 16;
const SEALED: usize = 1 + 8 + 16;
/// The longest roll that is unpacked, in bytes: some hundred thousand jobs.
pub(crate) const MAX_ROLL: usize = 256 << 20;

/// The place for which a roll proves that it honours conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proven([u8; 8]);

impl Proven {
    pub(crate) fn of(identity: &str) -> Self {
        Self(start_of(&[identity.as_bytes()]))
    }
}

/// An object was not a roll.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackingError {
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    #[error("it was written by a newer version of Tenko (packing {found}, this one reads {VERSION})")]
    Newer { found: u8 },
    #[error("it can't be unpacked")]
    Zstd(#[source] std::io::Error),
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// Packs the JSON of a roll and of what was missed.
pub(crate) fn pack(
    roll: &[u8],
    missed: &MissedLately,
    proven: Proven,
    attempt: Uuid,
) -> std::io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3)?;
    encoder.include_checksum(true)?;
    encoder.write_all(roll)?;
    encoder.write_all(b"\n")?;
    serde_json::to_writer(&mut encoder, missed)?;
    encoder.write_all(b"\n")?;
    let data = encoder.finish()?;
    let sealed = [&[VERSION][..], &proven.0, attempt.as_bytes()].concat();
    let seal: [u8; 16] = start_of(&[&sealed, &data]);
    let length = u32::try_from(WORD.len() + seal.len() + SEALED).expect("the seal is a few bytes");
    Ok([&MAGIC[..], &length.to_le_bytes(), &WORD, &seal, &sealed, &data].concat())
}

/// What an object holds.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) roll: Roll,
    pub(crate) missed: MissedLately,
    pub(crate) proven: Proven,
}

/// Unpacks a roll.
pub(crate) fn unpack(object: &[u8]) -> Result<Unpacked, PackingError> {
    let (head, rest) = object.split_at_checked(HEAD).ok_or(PackingError::Damaged("it is too short"))?;
    if head[..4] != MAGIC || head[8..16] != WORD {
        return Err(PackingError::Damaged("it does not begin as rolls do"));
    }
    if head[16..] != start_of::<16>(&[rest]) {
        return Err(PackingError::Damaged("its seal does not fit"));
    }
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
    let version = *rest.first().ok_or(PackingError::Damaged("it is too short"))?;
    if version > VERSION {
        return Err(PackingError::Newer { found: version });
    }
    if length != HEAD - 8 + SEALED || rest.len() < SEALED {
        return Err(PackingError::Damaged("its seal has the wrong length"));
    }
    let (sealed, data) = rest.split_at(SEALED);
    let mut proven = [0; 8];
    proven.copy_from_slice(&sealed[1..9]);
    let json = inflate(data)?;
    let end = json.iter().position(|byte| *byte == b'\n').unwrap_or(json.len());
    let (roll, missed) = json.split_at(end);
    let roll = format::read_roll(roll)?;
    let missed = serde_json::from_slice(missed).map_err(FormatError::Malformed)?;
    Ok(Unpacked { roll, missed, proven: Proven(proven) })
}

/// The number of the attempt that wrote an object, if it is a roll at all.
pub(crate) fn attempt_of(object: &[u8]) -> Option<Uuid> {
    let sealed = object.get(HEAD..HEAD + SEALED)?;
    Uuid::from_slice(&sealed[9..]).ok()
}

fn inflate(data: &[u8]) -> Result<Vec<u8>, PackingError> {
    let decoder = zstd::Decoder::with_buffer(data).map_err(PackingError::Zstd)?;
    let mut json = Vec::new();
    let limit = MAX_ROLL as u64 + 1;
    decoder.take(limit).read_to_end(&mut json).map_err(PackingError::Zstd)?;
    if json.len() > MAX_ROLL {
        Err(PackingError::Damaged("it unpacks to far more than a roll"))
    } else {
        Ok(json)
    }
}

fn start_of<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let mut start = [0; N];
    start.copy_from_slice(&hash.finalize()[..N]);
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed_of(roll: &Roll, attempt: u128) -> Vec<u8> {
        let json = format::write_roll(roll);
        pack(&json, &MissedLately::default(), Proven::of("here"), Uuid::from_u128(attempt)).unwrap()
    }

    fn packed() -> Vec<u8> {
        let roll = Roll { called_at: Some("2026-11-23T05:10:07Z".parse().unwrap()), ..Roll::default() };
        packed_of(&roll, 7)
    }

    #[test]
    fn a_roll_is_unpacked_as_it_was() {
        let Unpacked { roll, proven, .. } = unpack(&packed()).unwrap();
        assert_eq!(roll.called_at.unwrap().to_string(), "2026-11-23T05:10:07Z");
        assert_eq!(proven, Proven::of("here"));
        assert_ne!(proven, Proven::of("there"));
    }

    #[test]
    fn any_zstd_unpacks_it() {
        let json = zstd::decode_all(packed().as_slice()).unwrap();
        assert!(json.starts_with(b"{\"v\":1,"));
    }

    #[test]
    fn equal_rolls_of_two_attempts_differ() {
        let one = |attempt| packed_of(&Roll::default(), attempt);
        assert_ne!(one(1), one(2));
        assert_eq!(one(1), one(1));
    }

    #[test]
    fn every_lost_byte_and_every_changed_bit_is_noticed() {
        let good = packed();
        for length in 0..good.len() {
            assert!(matches!(unpack(&good[..length]), Err(PackingError::Damaged(_))), "cut to {length}");
        }
        for index in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[index / 8] ^= 1 << (index % 8);
            assert!(matches!(unpack(&bad), Err(PackingError::Damaged(_))), "bit {index} changed");
        }
    }

    #[test]
    fn fault_32_a_small_object_that_unpacks_to_a_huge_one_is_refused() {
        let zeros = zstd::encode_all(std::io::repeat(b'[').take(MAX_ROLL as u64 + 9), 3).unwrap();
        assert!(matches!(inflate(&zeros), Err(PackingError::Damaged(_))));
    }

    #[test]
    fn a_newer_packing_is_not_taken_for_damage() {
        let mut newer = packed();
        newer[HEAD] = 2;
        let seal: [u8; 16] = start_of(&[&newer[HEAD..]]);
        newer[16..HEAD].copy_from_slice(&seal);
        assert!(matches!(unpack(&newer), Err(PackingError::Newer { found: 2 })));
    }
}
