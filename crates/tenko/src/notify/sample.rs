//! Notices for the tests of all channels.

use jiff::{SignedDuration, Timestamp};
use tenko_core::evidence::{Exit, Output};
use tenko_core::notice::{Facts, Notice, NoticeKind};
use tenko_core::outbox::Batch;
use tenko_core::{ChannelName, Reason, Slug};
use uuid::Uuid;

/// A job of the founding case failed.
pub(super) fn failed() -> Notice {
    let at: Timestamp = "2026-11-23T20:10:07Z".parse().unwrap();
    let facts = Facts {
        time_zone: "Asia/Tokyo".into(),
        schedule: Some("0 5 * * * (Asia/Tokyo)".into()),
        runbook: Some("https://wiki.example/daily-report?a=1&b=<2>".into()),
        reason: Some(Reason::Failed),
        down_since: Some(at),
        last_success: Some("2026-11-22T20:04:12Z".parse().unwrap()),
        exit: Some(Exit::Signal(9)),
        duration: Some(SignedDuration::from_secs(607)),
        host: Some("batch-1 <!channel>".into()),
        output: Some(Output {
            head: "loading\n<script>alert(1)</script> & <@U1>\n".into(),
            ..Output::default()
        }),
        ..Facts::default()
    };
    Notice {
        id: Uuid::from_u128(0x3f2a_9c01_0000_5000_8000_0000_0000_0001),
        channel: ChannelName::new("ops").unwrap(),
        job: Slug::new("daily-report").unwrap(),
        kind: NoticeKind::Down,
        at,
        created_at: at,
        facts,
    }
}

/// The same, after it was up again.
pub(super) fn recovered() -> Notice {
    let mut notice = failed();
    let up: Timestamp = "2026-11-23T22:14:07Z".parse().unwrap();
    notice.id = Uuid::from_u128(0x77aa_0b0c_0000_5000_8000_0000_0000_0002);
    (notice.kind, notice.at, notice.created_at) = (NoticeKind::Up, up, up);
    notice.facts = Facts { up_since: Some(up), output: None, exit: None, ..notice.facts };
    notice
}

/// What is sent for some notices.
pub(super) fn batch(notices: Vec<Notice>) -> Batch {
    Batch { channel: ChannelName::new("ops").unwrap(), notices }
}

/// Six jobs that failed at once, and one that was missed by a thousand characters of host.
pub(super) fn several() -> Batch {
    let notice = |number| Notice { job: Slug::new(&format!("job-{number}")).unwrap(), ..failed() };
    batch((1..=6).map(notice).collect())
}
