//! Disks that are full or can't be written to. Needs root, to mount them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use tenko_core::{Evidence, Kind, Output, Report};
use tenko_store::conformance::{evidence, names_of, now, roll};
use tenko_store::spool::Spool;
use tenko_store::sqlite::append_now;
use tenko_store::{ErrorKind, SqliteStore, Store};

/// A file system of its own.
struct Disk {
    directory: tempfile::TempDir,
}

impl Disk {
    fn of(size: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "none"], directory.path());
        Self { directory }
    }

    fn remount(&self, options: &str) {
        run("mount", &["-o", &format!("remount,{options}")], self.path());
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn fill(&self) {
        let filler = self.path().join("filler");
        for bytes in [1 << 16, 1 << 12, 1] {
            for number in 0.. {
                let name = format!("{}-{bytes}-{number}", filler.display());
                if fs::write(&name, vec![0_u8; bytes]).is_err() {
                    drop(fs::remove_file(&name));
                    break;
                }
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.directory.path()).status());
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) {
    let status = Command::new(program).args(arguments).arg(path).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}: this test must be run by root");
}

fn large() -> Evidence {
    let output = Some(Output { head: "0123456789abcdef".repeat(500), ..Output::default() });
    Evidence { report: Report { output, ..Report::default() }, ..evidence("job", Kind::Success, now()) }
}

#[tokio::test]
#[ignore = "needs root; run by ./test"]
async fn fault_3_a_full_disk_is_said_and_heals() {
    let disk = Disk::of("600k");
    let path = disk.path().join("tenko.db");
    let store = SqliteStore::open(&path).unwrap();
    let mut acknowledged = Vec::new();
    let error = loop {
        let batch: Vec<_> = (0..20).map(|_| evidence("job", Kind::Success, now())).collect();
        match store.append(&batch).await {
            Ok(_) => acknowledged.extend(batch),
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind(), error.help().is_some()), (ErrorKind::Full, true), "{error}");
    let (roll, changes) = roll(50);
    assert_eq!(store.commit(0, &roll, &changes).await.unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(store.load().await.unwrap().version, 0);
    let found = store.between(None, Timestamp::MIN, Timestamp::MAX).await.unwrap();
    assert_eq!(names_of(&found), names_of(&acknowledged));

    disk.remount("size=8m");
    let piece = evidence("job", Kind::Success, now());
    store.append(std::slice::from_ref(&piece)).await.unwrap();
    acknowledged.push(piece);
    store.commit(0, &roll, &changes).await.unwrap();
    let found = store.between(None, Timestamp::MIN, Timestamp::MAX).await.unwrap();
    assert_eq!(names_of(&found), names_of(&acknowledged));
}

/// Appends until the disk is full; says how many batches were acknowledged.
async fn append_until_full(store: &SqliteStore, acknowledged: &mut Vec<Evidence>) -> usize {
    for batches in 0.. {
        let batch: Vec<_> = (0..20).map(|_| evidence("job", Kind::Success, now())).collect();
        match store.append(&batch).await {
            Ok(_) => acknowledged.extend(batch),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Full, "{error}");
                return batches;
            }
        }
    }
    unreachable!("a disk has an end")
}

/// The log fills such a disk before it is long enough to be put into the file by itself.
#[tokio::test]
#[ignore = "needs root; run by ./test"]
async fn fault_3_a_log_that_filled_a_small_disk_is_put_into_the_file_as_soon_as_there_is_room() {
    let disk = Disk::of("4m");
    let path = disk.path().join("tenko.db");
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![0_u8; 1 << 20]).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let mut acknowledged = Vec::new();
    let before = append_until_full(&store, &mut acknowledged).await;
    assert!(append_until_full(&store, &mut acknowledged).await < before, "there is no room yet");
    let log = disk.path().join("tenko.db-wal");
    assert!(fs::metadata(&log).unwrap().len() < 4 << 20);

    fs::remove_file(&ballast).unwrap();
    let healed = append_until_full(&store, &mut acknowledged).await;
    assert!(healed * 2 > before, "only {healed} after {before}: the log still takes the room");
    let found = store.between(None, Timestamp::MIN, Timestamp::MAX).await.unwrap();
    assert_eq!(names_of(&found), names_of(&acknowledged));
}

#[test]
#[ignore = "needs root; run by ./test"]
fn fault_3_where_there_is_no_room_at_all_nothing_is_made() {
    let disk = Disk::of("64k");
    disk.fill();
    let error =
        append_now(&disk.path().join("tenko.db"), &[evidence("job", Kind::Success, now())]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    disk.remount("size=8m");
    append_now(&disk.path().join("tenko.db"), &[evidence("job", Kind::Success, now())]).unwrap();
}

#[tokio::test]
#[ignore = "needs root; run by ./test"]
async fn fault_5_a_disk_that_can_only_be_read_is_read() {
    let disk = Disk::of("8m");
    let path = disk.path().join("tenko.db");
    let piece = evidence("job", Kind::Success, now());
    let store = SqliteStore::open(&path).unwrap();
    store.append(std::slice::from_ref(&piece)).await.unwrap();
    drop(store);
    disk.remount("ro");
    let store = SqliteStore::open(&path).unwrap();
    let found = store.between(None, Timestamp::MIN, Timestamp::MAX).await.unwrap();
    assert_eq!(names_of(&found), names_of([&piece]));
    let error = store.append(&[evidence("job", Kind::Success, now())]).await.unwrap_err();
    assert_eq!((error.kind(), error.help().is_some()), (ErrorKind::Denied, true), "{error}");
    assert_eq!(append_now(&path, &[]).unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(append_now(&disk.path().join("new/tenko.db"), &[]).unwrap_err().kind(), ErrorKind::Denied);

    disk.remount("rw");
    store.append(&[evidence("job", Kind::Success, now())]).await.unwrap();
    assert_eq!(store.between(None, Timestamp::MIN, Timestamp::MAX).await.unwrap().len(), 2);
}

#[test]
#[ignore = "needs root; run by ./test"]
fn fault_4_on_a_full_disk_the_spool_keeps_what_matters() {
    let disk = Disk::of("128k");
    let spool = Spool::for_store(disk.path(), "s3://bucket").unwrap();
    (0..4).for_each(|_| assert_eq!(spool.put(&large()).unwrap(), 0));
    disk.fill();
    let newest = large();
    let dropped = spool.put(&newest).unwrap();
    assert!((1..=2).contains(&dropped), "{dropped} gave way");
    let mut kept = Vec::new();
    let note = |piece: &Evidence| {
        kept.push(piece.clone());
        true
    };
    assert_eq!(spool.drain(100, note).unwrap().bad, Vec::<PathBuf>::new());
    let last = kept.last().unwrap();
    assert_eq!((last.run, last.report.output.is_none()), (newest.run, true));
    assert!(last.report.message.as_ref().unwrap().contains("full"));
}
