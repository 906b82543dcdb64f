//! Moments and lengths of time as people read them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ZonedDateTime};
use tenko_core::Exit;
use tenko_core::message::two_units;

use crate::error::CommandError;

/// A moment in a zone: `2026-11-24 05:00:00 JST`.
pub fn moment(moment: Timestamp, zone: &TimeZone) -> String {
    moment.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// A length of time with its two largest units: `1h 12m`, `3d 4h`, `12s`, `80ms`.
pub fn length(length: SignedDuration) -> String {
    let units = two_units(length);
    if units.is_empty() {
        return format!("{}ms", length.as_millis().unsigned_abs());
    }
    let unit = |(number, unit)| format!("{number}{}", ["d", "h", "m", "s"][unit]);
    units.into_iter().map(unit).collect::<Vec<_>>().join(" ")
}

/// How a process ended: `exit 3`, `signal 9`.
pub fn ending(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit {code}"),
        Exit::Signal(number) => format!("signal {number}"),
    }
}

/// How far a moment is from now: `3m ago`, `in 5h 12m`, `just now`.
pub fn distance(moment: Timestamp, now: Timestamp) -> String {
    let away = moment.duration_since(now);
    if away.abs() < SignedDuration::from_secs(1) {
        return "just now".into();
    }
    if away.is_negative() { format!("{} ago", length(-away)) } else { format!("in {}", length(away)) }
}

/// A moment as people write it: RFC 3339 with an offset, RFC 9557 with a zone, or civil time in `zone`.
pub fn parse_moment(text: &str, zone: &TimeZone) -> Result<Timestamp, CommandError> {
    let zoned = || text.parse::<ZonedDateTime>().ok().map(|moment| moment.timestamp());
    let instant = || text.parse::<Timestamp>().ok();
    let civil = || Some(text.parse::<DateTime>().ok()?.to_zoned_datetime(zone.clone()).ok()?.timestamp());
    // Where a zone is named, the others would read on as if it were not.
    let read = if text.contains('[') { zoned() } else { instant().or_else(civil) };
    read.ok_or_else(|| {
        CommandError::usage(format!("{text:?} is not a moment"))
            .hint("write 2026-11-24T05:00:00+09:00, or 2026-11-24T05:00 for the configured time zone")
    })
}

/// A length of time as people write it, of an option.
pub fn parse_length(option: &str, text: &str) -> Result<SignedDuration, CommandError> {
    tenko_core::schedule::parse_duration(text).map_err(|error| {
        CommandError::usage(format!("{option} {text:?}: {error}")).hint("write 30m, 36h or 7d")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_with_an_offset_with_a_zone_or_in_the_configured_zone() {
        let tokyo = TimeZone::get("Asia/Tokyo").unwrap();
        let expected: Timestamp = "2026-11-23T20:00:00Z".parse().unwrap();
        for text in [
            "2026-11-23T20:00:00Z",
            "2026-11-24T05:00+09:00",
            "2026-11-24T05:00[Asia/Tokyo]",
            "2026-11-23T21:00[Europe/Berlin]",
            "2026-11-24T05:00",
            "2026-11-24 05:00",
        ] {
            assert_eq!(parse_moment(text, &tokyo).unwrap(), expected, "{text}");
        }
        for text in ["", "05:00", "tomorrow", "2026-02-30", "2026-11-24T05:00[Asia/Tokio]"] {
            assert!(parse_moment(text, &tokyo).is_err(), "{text}");
        }
    }

    #[test]
    fn a_length_has_its_two_largest_units() {
        let shown = |millis| length(SignedDuration::from_millis(millis));
        assert_eq!([0, 999, 1000, 61_000].map(shown), ["0ms", "999ms", "1s", "1m 1s"]);
        assert_eq!([3_600_000, 3_601_000, 90_000_000].map(shown), ["1h", "1h", "1d 1h"]);
        assert_eq!(length(SignedDuration::MIN), "106751991167300d 15h");
    }

    #[test]
    fn a_distance_has_a_direction() {
        let now: Timestamp = "2026-11-24T05:00:00Z".parse().unwrap();
        let away = |seconds| distance(now + SignedDuration::from_secs(seconds), now);
        assert_eq!([-90, 0, 7200].map(away), ["1m 30s ago", "just now", "in 2h"]);
    }
}
