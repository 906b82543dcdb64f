//! The same with files, as of a backup on a disk that is mounted here.

use std::fs;
use std::time::Duration;

use super::bucket::{Morning, moment};

/// A directory, and the job that expects a file in it every morning.
async fn backups() -> (tempfile::TempDir, Morning) {
    backups_as("{%Y%m%d}.tar", "min_size = 3").await
}

async fn backups_as(name: &str, checks: &str) -> (tempfile::TempDir, Morning) {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("backups")).unwrap();
    let object = format!("file://{}/backups/{name}", place.path().display());
    let job = format!("cron = \"0 5 * * *\"\ngrace = \"1h\"\nobject = \"{object}\"\n{checks}");
    let morning = Morning::with(&job).await;
    assert_eq!(morning.at("24 04:00").await, "new");
    (place, morning)
}

fn write(place: &tempfile::TempDir, time: &str, name: &str, body: &str) {
    let path = place.path().join("backups").join(name);
    fs::write(&path, body).unwrap();
    let since = Duration::from_secs(moment(time).as_second().unsigned_abs());
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + since).unwrap();
}

#[tokio::test]
async fn a_file_in_time_is_up_and_one_that_is_missing_is_down() {
    let (place, morning) = backups().await;
    write(&place, "24 05:20", "20261124.tar", "backup");
    assert_eq!(morning.at("24 05:30").await, "up since 24 05:20");
    assert_eq!(morning.at("25 05:30").await, "late");
    assert_eq!(morning.at("25 06:30").await, "down missed since 25 06:00");
    write(&place, "25 07:00", "20261125.tar", "backup");
    assert_eq!(morning.at("25 07:10").await, "up since 25 07:00");
    assert_eq!(morning.told(), ["down", "up"]);
    assert_eq!(morning.asked(), (0, 0));
}

#[tokio::test]
async fn an_empty_file_is_bad_evidence() {
    let (place, morning) = backups().await;
    write(&place, "24 05:20", "20261124.tar", "");
    assert_eq!(morning.at("24 05:30").await, "down bad_evidence since 24 05:20");
    let said = morning.said("down");
    assert!(said.ends_with("/backups/20261124.tar is empty; 3 bytes or more are expected"), "{said}");
}

#[tokio::test]
async fn a_disk_that_is_not_mounted_is_unknown_and_not_down() {
    let (place, morning) = backups().await;
    fs::remove_dir(place.path().join("backups")).unwrap();
    for time in ["24 06:30", "24 06:40", "24 06:50"] {
        assert_eq!(morning.at(time).await, "unknown");
    }
    let said = morning.said("unknown");
    assert!(said.contains("/backups"), "{said}");
}

#[tokio::test]
async fn a_directory_of_the_name_of_the_file_is_no_answer() {
    let (place, morning) = backups().await;
    fs::create_dir(place.path().join("backups/20261124.tar")).unwrap();
    assert_eq!(morning.at("24 05:30").await, "late");
}

#[tokio::test]
async fn wildcards_match_files_and_no_directories() {
    let (place, morning) = backups_as("*-{%Y%m%d}.tar.??", "min_count = 2").await;
    fs::create_dir(place.path().join("backups/c-20261124.tar.gz")).unwrap();
    write(&place, "24 05:10", "a-20261124.tar.gz", "backup");
    write(&place, "24 05:15", "b-20261124.tar.gz.tmp", "half");
    assert_eq!(morning.at("24 05:20").await, "late");
    write(&place, "24 05:20", "b-20261124.tar.xz", "backup");
    assert_eq!(morning.at("24 05:30").await, "up since 24 05:20");
    write(&place, "25 05:20", "b-20261125.tar.xz", "backup");
    assert_eq!(morning.at("25 06:30").await, "down bad_evidence since 25 06:00");
    let said = morning.said("down");
    assert!(said.starts_with("only 1 object matches file:///"), "{said}");
}

#[tokio::test]
async fn files_are_compared_by_their_content() {
    let (place, morning) = backups_as("{%Y%m%d}.tar", "changed = true\nshrink_at_most = 1").await;
    write(&place, "23 05:20", "20261123.tar", "backup 1");
    write(&place, "24 05:20", "20261124.tar", "backup 1");
    assert_eq!(morning.at("24 05:30").await, "down bad_evidence since 24 05:20");
    let said = morning.said("down");
    assert!(said.ends_with("/backups/20261123.tar; a change is expected"), "{said}");
    write(&place, "24 05:40", "20261124.tar", "backup 2");
    assert_eq!(morning.at("24 05:50").await, "up since 24 05:40");
    write(&place, "25 05:20", "20261125.tar", "backup");
    assert_eq!(morning.at("25 05:30").await, "down bad_evidence since 25 05:20");
}
