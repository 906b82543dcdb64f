//! The founding case, for real: an application that may only write uploads with boto3, the bucket is SeaweedFS, and
//! `tenko check` looks before and after the deadline.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod desk;
mod seaweed;

use std::thread::sleep;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ZonedDateTime};

use desk::Desk;
use seaweed::{Seaweed, Who};

/// A batch that was due in this minute, in Tokyo, and is missed a few seconds from now.
struct Batch {
    due: ZonedDateTime,
    deadline: Timestamp,
}

impl Batch {
    fn missed_in(wait: SignedDuration) -> Self {
        let now = Timestamp::now();
        let tokyo = now.to_zoned_datetime(TimeZone::get("Asia/Tokyo").unwrap());
        let due = tokyo.with().second(0).subsec_nanosecond(0).build().unwrap();
        let grace = now.duration_since(due.timestamp()) + wait;
        let deadline = due.timestamp() + SignedDuration::from_secs(grace.as_secs());
        Self { due, deadline }
    }

    fn config(&self) -> String {
        let grace = self.deadline.duration_since(self.due.timestamp()).as_secs();
        let (minute, hour) = (self.due.minute(), self.due.hour());
        let since = self.due.timestamp() - SignedDuration::from_secs(1);
        format!(
            "[jobs.legacy-batch]\ncron = \"{minute} {hour} * * *\"\nsince = \"{since}\"\ngrace = \"{grace}s\"\nobject = \"s3://hoge-bucket/{{date}}/evidence.txt\"\n"
        )
    }

    fn key(&self) -> String {
        self.due.strftime("%Y-%m-%d/evidence.txt").to_string()
    }

    fn wait_until_it_is_missed(&self) {
        let left = self.deadline.duration_since(Timestamp::now()) + SignedDuration::from_millis(50);
        sleep(Duration::try_from(left).unwrap_or_default());
    }
}

#[test]
#[ignore = "needs SeaweedFS and boto3; run by ./test"]
fn the_batch_is_missed_then_cannot_be_told_then_recovers() {
    let server = Seaweed::start();
    let batch = Batch::missed_in(SignedDuration::from_secs(4));
    let desk = Desk::new(&server, &batch.config());

    let before = desk.tenko(Who::Checker, &["check"]);
    assert_eq!(before.code, 0, "{before:?}");
    assert!(before.out.contains("late") && before.err.is_empty(), "{before:?}");
    assert_eq!(desk.slack(), [""; 0]);

    batch.wait_until_it_is_missed();
    let missing = desk.tenko(Who::Checker, &["check"]);
    assert_eq!(missing.code, 1, "{missing:?}");
    let told = desk.slack();
    assert!(told.len() == 1 && told[0].contains("legacy-batch"), "{told:?}");

    let forbidden = desk.tenko(Who::Blind, &["check"]);
    assert_eq!(forbidden.code, 3, "{forbidden:?}");
    assert!(
        forbidden.out.contains("s3:GetObject") && forbidden.out.contains("s3:ListBucket"),
        "{forbidden:?}"
    );
    assert_eq!(desk.slack(), [""; 0]);

    assert!(server.upload(Who::App, &batch.key(), "finished").status.success());
    let present = desk.tenko(Who::Checker, &["check"]);
    assert_eq!(present.code, 0, "{present:?}");
    let told = desk.slack();
    assert!(told.len() == 1 && told[0].contains("legacy-batch"), "{told:?}");
    assert_eq!(desk.tenko(Who::Checker, &["check"]).code, 0);
    assert_eq!(desk.slack(), [""; 0]);
}

#[test]
#[ignore = "needs SeaweedFS and boto3; run by ./test"]
fn the_batch_is_in_time_and_nobody_is_told() {
    let server = Seaweed::start();
    let batch = Batch::missed_in(SignedDuration::from_secs(4));
    let desk = Desk::new(&server, &batch.config());
    assert_eq!(desk.tenko(Who::Checker, &["check"]).code, 0);
    // Whoever may not write can't answer for the batch.
    assert!(!server.upload(Who::Checker, &batch.key(), "forged").status.success());
    assert!(server.upload(Who::App, &batch.key(), "finished").status.success());
    let present = desk.tenko(Who::Checker, &["check"]);
    assert!(present.code == 0 && present.out.contains(" up "), "{present:?}");
    batch.wait_until_it_is_missed();
    let after = desk.tenko(Who::Checker, &["check"]);
    assert!(after.code == 0 && after.out.contains(" up "), "{after:?}");
    assert_eq!(desk.slack(), [""; 0]);
}

#[test]
#[ignore = "needs SeaweedFS and boto3; run by ./test"]
fn a_job_that_may_only_write_leaves_evidence_and_the_checker_reads_it() {
    let server = Seaweed::start();
    let desk = Desk::new(&server, "[jobs.report]\nevery = \"1h\"\n");
    let store = "s3://hoge-bucket/rollcall";
    assert_eq!(desk.tenko(Who::Keeper, &["--store", store, "check"]).code, 0);

    let run = ["--store", store, "run", "--job", "report", "--", "sh", "-c", "echo rows: 12; exit 3"];
    let failed = desk.tenko(Who::App, &run);
    assert_eq!((failed.code, failed.out.as_str(), failed.err.as_str()), (3, "rows: 12\n", ""), "{failed:?}");
    let down = desk.tenko(Who::Keeper, &["--store", store, "check"]);
    assert!(down.code == 1 && down.out.contains("down"), "{down:?}");
    let told = desk.slack();
    assert!(told.len() == 1 && told[0].contains("report"), "{told:?} {down:?}");
    let log = desk.tenko(Who::Keeper, &["--store", store, "log", "report", "--output"]);
    assert!(log.code == 0 && log.out.contains("rows: 12"), "{log:?}");

    let run = ["--store", store, "run", "--job", "report", "--", "true"];
    assert_eq!(desk.tenko(Who::App, &run).code, 0);
    let up = desk.tenko(Who::Keeper, &["--store", store, "check"]);
    assert!(up.code == 0 && up.out.contains(" up "), "{up:?}");
    assert_eq!(desk.slack().len(), 1);

    // The job itself may not even look, and says which right is missing.
    let looked = desk.tenko(Who::App, &["--store", store, "check"]);
    assert!(looked.code == 3 && looked.err.contains("grant s3:"), "{looked:?}");
}
