//! Real repositories of restic and borg: their newest snapshot is found without their password, in a directory and in a bucket.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use tenko_store::testkit_s3::{Ask, Key, TestS3};
use tokio::process::Command;

/// A directory with something to back up, and a home for the programs.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("data")).unwrap();
        let desk = Self(place);
        desk.change("one");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn change(&self, to: &str) {
        fs::write(self.path("data/file.txt"), to.repeat(1000)).unwrap();
    }

    /// Runs a program with all that it needs to know, the password of the repository included.
    async fn run(&self, program: &str, arguments: &[&str], s3: Option<&TestS3>) {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.0.path());
        command.env("RESTIC_PASSWORD", "secret").env("BORG_PASSPHRASE", "secret");
        command.env("BORG_BASE_DIR", self.path("borg-home")).env("RESTIC_CACHE_DIR", self.path("cache"));
        command.envs(s3.map(|s3| s3.env(Key::Admin)).unwrap_or_default());
        let done = command.output().await.unwrap_or_else(|error| panic!("{program} is missing: {error}"));
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{program} {arguments:?}: {said}");
    }

    /// What `tenko check` says so many hours from now: of an object, without any password.
    async fn check(&self, object: &str, hours: i64, s3: Option<&TestS3>) -> String {
        let since = Timestamp::now() - SignedDuration::from_hours(40);
        let config = format!(
            "[jobs.backup]\nevery = \"24h\"\ngrace = \"2h\"\nsince = \"{since}\"\nobject = \"{object}\"\n"
        );
        fs::write(self.path("tenko.toml"), config).unwrap();
        let at = (Timestamp::now() + SignedDuration::from_hours(hours)).to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenko"));
        command.args(["check", "--dry-run", "--at", &at]).current_dir(self.0.path()).stdin(Stdio::null());
        command.env_clear().env("HOME", self.0.path()).env("TENKO_STATE_DIR", self.path("state"));
        if let Some(s3) = s3 {
            command.envs(s3.env(Key::Lister)).env("AWS_ENDPOINT_URL", s3.endpoint());
            command.env("AWS_ALLOW_HTTP", "true");
        }
        let said = String::from_utf8(command.output().await.unwrap().stdout).unwrap();
        let job = said.lines().find_map(|line| line.strip_prefix("backup")).unwrap();
        job.trim().split("  ").next().unwrap().to_owned()
    }

    /// Makes all files in a directory look as if they had been written so many hours ago.
    fn age(&self, directory: &Path, hours: u64) {
        let then = SystemTime::now() - Duration::from_secs(hours * 3600);
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::File::open(path).unwrap().set_modified(then).unwrap();
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs restic; run by ./test"]
async fn the_newest_snapshot_of_restic_in_a_directory() {
    let desk = Desk::new();
    let snapshots = format!("file://{}/snapshots/*", desk.path("repo").display());
    desk.run("restic", &["init", "-r", "repo"], None).await;
    assert_eq!(desk.check(&snapshots, 0, None).await, "down (missed)");
    desk.run("restic", &["backup", "-r", "repo", "data"], None).await;
    assert_eq!(desk.check(&snapshots, 0, None).await, "up");
    assert_eq!(desk.check(&snapshots, 25, None).await, "late");
    assert_eq!(desk.check(&snapshots, 27, None).await, "down (missed)");
    // Yesterday's snapshot, and traffic since then that is no snapshot.
    desk.age(&desk.path("repo/snapshots"), 30);
    desk.run("restic", &["check", "-r", "repo"], None).await;
    desk.run("restic", &["forget", "-r", "repo", "--keep-last", "1", "--prune"], None).await;
    assert_eq!(desk.check(&snapshots, 0, None).await, "down (missed)");
    desk.change("two");
    desk.run("restic", &["backup", "-r", "repo", "data"], None).await;
    assert_eq!(desk.check(&snapshots, 0, None).await, "up");
}

#[tokio::test]
#[ignore = "needs restic; run by ./test"]
async fn the_newest_snapshot_of_restic_in_a_bucket_by_one_who_may_only_list() {
    let desk = Desk::new();
    let s3 = TestS3::start().await;
    let repository = format!("s3:{}/tenko-test/restic", s3.endpoint());
    let restic = async |arguments: &[&str]| {
        let all = [&["-r", &repository, "-o", "s3.bucket-lookup=path"], arguments].concat();
        desk.run("restic", &all, Some(&s3)).await;
    };
    restic(&["init"]).await;
    restic(&["backup", "data"]).await;
    let snapshots = "s3://tenko-test/restic/snapshots/*";
    s3.reset_counts();
    assert_eq!(desk.check(snapshots, 0, Some(&s3)).await, "up");
    assert_eq!((s3.count(Ask::List), s3.count(Ask::Get), s3.count(Ask::Head)), (1, 0, 0));
    assert_eq!(desk.check(snapshots, 27, Some(&s3)).await, "down (missed)");
}

#[tokio::test]
#[ignore = "needs borg; run by ./test"]
async fn the_newest_commit_of_borg() {
    let desk = Desk::new();
    let index = format!("file://{}/index.*", desk.path("repo").display());
    desk.run("borg", &["init", "--encryption", "repokey", "repo"], None).await;
    desk.run("borg", &["create", "repo::one", "data"], None).await;
    assert_eq!(desk.check(&index, 0, None).await, "up");
    assert_eq!(desk.check(&index, 27, None).await, "down (missed)");
    desk.age(&desk.path("repo"), 30);
    // Whoever only reads commits nothing.
    desk.run("borg", &["list", "repo"], None).await;
    desk.run("borg", &["check", "repo"], None).await;
    assert_eq!(desk.check(&index, 0, None).await, "down (missed)");
    desk.change("two");
    desk.run("borg", &["create", "repo::two", "data"], None).await;
    assert_eq!(desk.check(&index, 0, None).await, "up");
}
