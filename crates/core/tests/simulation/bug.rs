//! Bugs planted on purpose, to see that the simulation catches them: in what a checker does, in what it hands to the
//! core, and in what the core says.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use tenko_core::call::Called;
use tenko_core::{Evidence, Job, Kind, RunId, Slug, Verdict};
use uuid::Uuid;

use crate::stamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    // What a checker does.
    LostCommitTakenForWon,
    NoticesOutsideTheCommit,
    CursorTooFar,
    RecordedBeforeSent,
    ClaimIgnored,
    SentLongAfterTheClaim,
    RecordsNothing,
    RefusalTakenForSuccess,
    RecoveryBeforeAlarm,
    LocalClockBelieved,
    GapNotNoted,
    NowTakenAfterReading,
    BlindNotTold,
    // What it hands to the core.
    ArrivalTakenForTime,
    RepeatTakenForNewRun,
    LogTakenForSuccess,
    FailTakenForSuccess,
    StartsLost,
    GraceForgotten,
    EarlyForgotten,
    EarlyUnlimited,
    StartLimitForgotten,
    MaxRuntimeForgotten,
    FailuresForgotten,
    // What the core says.
    FlipAtNow,
    FlipLost,
    NoticeLost,
    StormOfThePast,
    ReminderEachTime,
}

impl Bug {
    pub(crate) const ALL: &[Self] = &[
        Self::LostCommitTakenForWon,
        Self::NoticesOutsideTheCommit,
        Self::CursorTooFar,
        Self::RecordedBeforeSent,
        Self::ClaimIgnored,
        Self::SentLongAfterTheClaim,
        Self::RecordsNothing,
        Self::RefusalTakenForSuccess,
        Self::RecoveryBeforeAlarm,
        Self::LocalClockBelieved,
        Self::GapNotNoted,
        Self::NowTakenAfterReading,
        Self::BlindNotTold,
        Self::ArrivalTakenForTime,
        Self::RepeatTakenForNewRun,
        Self::LogTakenForSuccess,
        Self::FailTakenForSuccess,
        Self::StartsLost,
        Self::GraceForgotten,
        Self::EarlyForgotten,
        Self::EarlyUnlimited,
        Self::StartLimitForgotten,
        Self::MaxRuntimeForgotten,
        Self::FailuresForgotten,
        Self::FlipAtNow,
        Self::FlipLost,
        Self::NoticeLost,
        Self::StormOfThePast,
        Self::ReminderEachTime,
    ];

    /// The jobs as a checker with this bug knows them.
    pub(crate) fn bend_jobs(self, roster: &mut BTreeMap<Slug, Job>) {
        for job in roster.values_mut() {
            let limits = &mut job.limits;
            match self {
                Self::GraceForgotten => limits.grace = SignedDuration::from_secs(1),
                Self::EarlyForgotten => limits.early = SignedDuration::ZERO,
                Self::EarlyUnlimited => limits.early = SignedDuration::from_hours(24 * 365),
                Self::StartLimitForgotten => limits.start_within = None,
                Self::MaxRuntimeForgotten => limits.max_runtime = None,
                Self::FailuresForgotten => limits.failures = 1,
                Self::ReminderEachTime => job.remind = job.remind.map(|_| SignedDuration::from_secs(1)),
                _ => {}
            }
        }
    }

    /// Evidence as a checker with this bug reads it.
    pub(crate) fn bend_news(self, news: &mut [Evidence]) {
        for (index, piece) in news.iter_mut().enumerate() {
            match self {
                Self::ArrivalTakenForTime => piece.at = piece.received_at.unwrap_or(piece.at),
                Self::RepeatTakenForNewRun => {
                    let salt = u128::try_from(index + 1).expect("small");
                    piece.run = RunId(Uuid::from_u128(piece.run.0.as_u128() ^ salt));
                }
                Self::LogTakenForSuccess if piece.kind == Kind::Log => piece.kind = Kind::Success,
                Self::FailTakenForSuccess if matches!(piece.kind, Kind::Fail(None)) => {
                    piece.kind = Kind::Success;
                }
                Self::StartsLost if piece.kind == Kind::Start => piece.kind = Kind::Log,
                _ => {}
            }
        }
    }

    /// What the core said, as a core with this bug would say it.
    pub(crate) fn bend_called(self, called: &mut Called, now: i64) {
        let flips = &mut called.changes.flips;
        match self {
            Self::FlipAtNow => flips.iter_mut().for_each(|(_, flip)| flip.at = stamp(now)),
            Self::FlipLost => flips.truncate(2),
            Self::NoticeLost if called.notices.len() > 1 => drop(called.notices.pop()),
            Self::StormOfThePast => {
                let downs = flips.iter().filter(|(_, flip)| flip.new == Verdict::Down).count();
                let again: Vec<_> = called
                    .notices
                    .iter()
                    .cycle()
                    .take(called.notices.len() * downs.max(1))
                    .cloned()
                    .collect();
                called.notices = again;
            }
            _ => {}
        }
    }
}
