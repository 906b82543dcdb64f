//! What databases keep of evidence, whichever they are: numbers, moments, reports.

use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::thread::LocalKey;

use jiff::Timestamp;
use tenko_core::{Exit, Kind, Report};
use zstd::bulk::Compressor;

/// What is stored is not what was written there.
pub(crate) type Damage = Box<dyn Error + Send + Sync>;

/// Shorter reports are not compressed.
const WORTH_COMPRESSING: usize = 300;
/// The usual level of Zstandard.
const LEVEL: i32 = 3;
/// The quickest that still compresses well.
#[cfg(feature = "sqlite")]
const QUICK: i32 = 1;
/// What a compressed report begins with: RFC 8878 section 3.1.1. No JSON does.
const COMPRESSED: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The longest report that is read, in bytes.
const MAX_REPORT: usize = 64 << 20;

/// The first number that says fail; all kinds from there on do.
pub(crate) const FAIL: i16 = 3;
const CODES: i16 = 256;
const SIGNALS: i16 = 512;

/// A kind with its exit as one number.
pub(crate) fn number_of(kind: Kind) -> i16 {
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
pub(crate) fn kind_of(number: i64) -> Result<Kind, Damage> {
    let exit = |from: i16| u8::try_from(number - i64::from(from)).ok();
    match number {
        0 => Some(Kind::Start),
        1 => Some(Kind::Success),
        2 => Some(Kind::Log),
        fail if fail == i64::from(FAIL) => Some(Kind::Fail(None)),
        _ => exit(CODES)
            .map(Exit::Code)
            .or_else(|| exit(SIGNALS).map(Exit::Signal))
            .map(|exit| Kind::Fail(Some(exit))),
    }
    .ok_or_else(|| format!("{number} is no kind of evidence").into())
}

/// Times are kept in whole milliseconds: of those the first that is not before `moment`.
pub(crate) fn rounded_up(moment: Timestamp) -> i64 {
    let millis = moment.as_millisecond();
    let is_later = Timestamp::from_millisecond(millis).is_ok_and(|whole| whole < moment);
    millis + i64::from(is_later)
}

/// When a job is really woken that was to be woken at `before`, and is to be at `wanted`, in milliseconds. With each ping of
/// a job that is pinged often the moment moves a little: writing that each time costs more than to look a few times for
/// nothing.
pub(crate) fn woken_at(before: Option<i64>, wanted: Option<i64>, now: i64) -> Option<i64> {
    match (before, wanted) {
        (Some(before), Some(wanted))
            if before > now && before <= wanted && wanted - now <= 2 * (before - now) =>
        {
            Some(before)
        }
        _ => wanted,
    }
}

/// A report as it is stored, without how it came; nothing if it says nothing else.
pub(crate) fn pack(report: &Report) -> Result<Option<Vec<u8>>, Damage> {
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

fn pack_json(report: &Report) -> Result<Vec<u8>, Damage> {
    let json = serde_json::to_vec(report)?;
    if json.len() < WORTH_COMPRESSING {
        return Ok(json);
    }
    Ok(compress(&COMPRESSOR, LEVEL, &json)?)
}

type Kept = RefCell<Option<Compressor<'static>>>;

thread_local! {
    /// To make one takes longer than to compress a report.
    static COMPRESSOR: Kept = const { RefCell::new(None) };
    #[cfg(feature = "sqlite")]
    static QUICK_COMPRESSOR: Kept = const { RefCell::new(None) };
}

fn compress(kept: &'static LocalKey<Kept>, level: i32, bytes: &[u8]) -> io::Result<Vec<u8>> {
    kept.with_borrow_mut(|kept| {
        let mut compressor = kept.take().map_or_else(|| Compressor::new(level), Ok)?;
        let compressed = compressor.compress(bytes)?;
        *kept = Some(compressor);
        Ok(compressed)
    })
}

/// Compresses what is written often and soon written over.
#[cfg(feature = "sqlite")]
pub(crate) fn compress_quickly(bytes: &[u8]) -> io::Result<Vec<u8>> {
    compress(&QUICK_COMPRESSOR, QUICK, bytes)
}

/// What was compressed, unless it was longer than any report is.
pub(crate) fn decompress(compressed: &[u8]) -> io::Result<Vec<u8>> {
    let size = zstd::bulk::Decompressor::upper_bound(compressed).unwrap_or(MAX_REPORT);
    zstd::bulk::decompress(compressed, size.min(MAX_REPORT))
}

/// The inverse of [`pack`]; how it came is not in it.
pub(crate) fn unpack(stored: Option<&[u8]>) -> Result<Report, Damage> {
    let Some(bytes) = stored else { return Ok(Report::default()) };
    if !bytes.starts_with(&COMPRESSED) {
        return Ok(serde_json::from_slice(bytes)?);
    }
    Ok(serde_json::from_slice(&decompress(bytes)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_woken_as_wanted_or_a_little_earlier() {
        // It moves by a second of ten.
        assert_eq!(woken_at(Some(110), Some(120), 10), Some(110));
        assert_eq!(woken_at(Some(110), Some(110), 10), Some(110));
        // More than half of it would be slept in vain.
        assert_eq!(woken_at(Some(110), Some(211), 10), Some(211));
        // Earlier, due already, or not at all: as it is wanted.
        assert_eq!(woken_at(Some(110), Some(109), 10), Some(109));
        assert_eq!(woken_at(Some(10), Some(20), 10), Some(20));
        assert_eq!(woken_at(Some(110), None, 10), None);
        assert_eq!(woken_at(None, Some(110), 10), Some(110));
    }
}
