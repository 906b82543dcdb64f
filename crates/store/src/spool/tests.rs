use std::os::unix::fs::{MetadataExt as _, symlink};

use tenko_core::{Kind, Output, RunId, Slug};
use uuid::Uuid;

use super::*;

fn piece(number: u128) -> Evidence {
    let at = Timestamp::now() - SignedDuration::from_secs(1000) + SignedDuration::from_secs(number as i64);
    Evidence::new(Slug::new("job").unwrap(), RunId(Uuid::from_u128(number)), Kind::Success, at)
}

fn spool(root: &tempfile::TempDir) -> Spool {
    Spool::for_store(root.path(), "s3://a").unwrap()
}

fn runs_of(spool: &Spool) -> Vec<u128> {
    let mut runs = Vec::new();
    let note = |evidence: &Evidence| {
        runs.push(evidence.run.0.as_u128());
        true
    };
    spool.drain(usize::MAX, note).unwrap();
    runs
}

#[test]
fn what_was_kept_comes_out_once_oldest_first() {
    let root = tempfile::tempdir().unwrap();
    let spool = spool(&root);
    let pieces = [1, 2, 3].map(piece);
    for number in [2, 0, 1, 1] {
        assert_eq!(spool.put(&pieces[number]).unwrap(), 0);
    }
    let mut sent = Vec::new();
    let take = |evidence: &Evidence| {
        sent.push(evidence.clone());
        sent.len() < 3
    };
    let drained = spool.drain(100, take).unwrap();
    assert_eq!(drained, Drained { sent: 2, left: 1, ..Drained::default() });
    assert_eq!(sent, pieces);
    assert_eq!(spool.drain(100, |_| true).unwrap().sent, 1);
    assert_eq!(spool.drain(100, |_| true).unwrap(), Drained::default());
}

#[test]
fn no_more_than_asked_for_is_sent() {
    let root = tempfile::tempdir().unwrap();
    let spool = spool(&root);
    (1..=5).for_each(|number| assert_eq!(spool.put(&piece(number)).unwrap(), 0));
    assert_eq!(spool.drain(2, |_| true).unwrap(), Drained { sent: 2, left: 3, ..Drained::default() });
}

#[test]
fn each_destination_has_its_own() {
    let root = tempfile::tempdir().unwrap();
    Spool::for_store(root.path(), "s3://a").unwrap().put(&piece(1)).unwrap();
    Spool::for_store(root.path(), "https://b/../../etc").unwrap().put(&piece(2)).unwrap();
    let all = Spool::all(root.path()).unwrap();
    let urls: Vec<&str> = all.iter().map(|(url, _)| url.as_str()).collect();
    assert_eq!(urls, ["https://b/../../etc", "s3://a"]);
    assert!(Spool::existing(root.path(), "s3://c").unwrap().is_none());
    assert!(Spool::all(&root.path().join("nowhere")).unwrap().is_empty());
}

#[test]
fn only_its_owner_can_read_it() {
    let root = tempfile::tempdir().unwrap();
    let spool = Spool::for_store(&root.path().join("spool"), "https://ping/secret").unwrap();
    spool.put(&piece(1)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&spool.directory), 0o700);
    assert_eq!(mode(&spool.directory.join("url")), 0o600);
    assert_eq!(mode(&spool.pending().unwrap()[0]), 0o600);
}

#[test]
fn fault_92_what_is_no_evidence_is_moved_aside_and_said() {
    let root = tempfile::tempdir().unwrap();
    let spool = spool(&root);
    spool.put(&piece(1)).unwrap();
    let bad = |name: &str, body: &[u8]| fs::write(spool.directory.join(name), body).unwrap();
    bad("0000-bad.json", b"{\"v\":1");
    bad("9999-long.json", &vec![b' '; (1 << 20) + 1]);
    bad("9999-zeros.json", &[0; 100]);
    bad("0001-half.99.tmp", b"{");
    fs::create_dir(spool.directory.join("0003-directory.json")).unwrap();
    symlink("/etc/passwd", spool.directory.join("0004-link.json")).unwrap();
    let drained = spool.drain(100, |_| true).unwrap();
    assert_eq!((drained.sent, drained.left, drained.bad.len()), (1, 0, 3));
    assert!(drained.bad[0].ends_with("bad/0000-bad.json") && drained.bad[0].exists());
    assert!(fs::metadata(spool.directory.join("0001-half.99.tmp")).is_ok(), "somebody may be writing it");
}

#[test]
fn what_a_newer_version_wrote_is_left_to_it_and_holds_nobody_up() {
    let root = tempfile::tempdir().unwrap();
    let spool = spool(&root);
    fs::write(spool.directory.join("0000-newer.json"), "{\"v\":99}").unwrap();
    fs::write(spool.directory.join("9999-newer.json"), "{\"v\":99}").unwrap();
    let body = format::write_evidence(&piece(7));
    fs::write(spool.directory.join("5000-good.json"), body).unwrap();
    let drained = spool.drain(100, |_| true).unwrap();
    assert_eq!((drained.sent, drained.left, drained.unread.len(), drained.bad.len()), (1, 2, 2, 0));
}

#[test]
fn while_one_sends_the_others_leave_it_to_it() {
    let root = tempfile::tempdir().unwrap();
    let spool = spool(&root);
    spool.put(&piece(1)).unwrap();
    let first = spool.drain(100, |_| {
        let second = Spool::for_store(root.path(), "s3://a").unwrap().drain(100, |_| true).unwrap();
        assert_eq!((second.busy, second.left), (true, 1));
        true
    });
    assert_eq!(first.unwrap().sent, 1);
}

#[test]
fn many_who_keep_and_send_at_once_lose_nothing() {
    let root = tempfile::tempdir().unwrap();
    let sent = std::sync::Mutex::new(std::collections::BTreeSet::new());
    let send = |evidence: &Evidence| {
        sent.lock().unwrap().insert(evidence.run.0.as_u128());
        true
    };
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let root = &root;
            scope.spawn(move || {
                (0..25).for_each(|n| assert_eq!(spool(root).put(&piece(writer * 25 + n)).unwrap(), 0));
            });
        }
        for _ in 0..2 {
            scope.spawn(|| (0..50).for_each(|_| drop(spool(&root).drain(100, send).unwrap())));
        }
    });
    spool(&root).drain(1000, send).unwrap();
    assert_eq!(sent.into_inner().unwrap(), (0..100).collect());
}

#[test]
fn the_oldest_give_way_by_number_and_that_is_said() {
    let root = tempfile::tempdir().unwrap();
    let spool = spool(&root);
    let begin = piece(0).at.as_millisecond();
    for number in 0..MAX_PIECES as i64 {
        fs::write(spool.directory.join(format!("{:016}-x.json", begin - 20_000 + number)), "{}").unwrap();
    }
    assert_eq!(spool.put(&piece(1)).unwrap(), 1);
    assert_eq!(spool.put(&piece(2)).unwrap(), 1);
    let pending = spool.pending().unwrap();
    assert_eq!(pending.len(), MAX_PIECES);
    assert!(pending[0].to_string_lossy().contains(&format!("{}-x", begin - 19_998)));
}

#[test]
fn the_oldest_give_way_by_size_and_that_is_said() {
    let root = tempfile::tempdir().unwrap();
    let spool = spool(&root);
    let begin = piece(0).at.as_millisecond();
    for number in 0..3 {
        let file =
            fs::File::create(spool.directory.join(format!("{:016}-x.json", begin - 10 + number))).unwrap();
        file.set_len(MAX_BYTES / 3).unwrap();
    }
    assert_eq!(spool.put(&piece(1)).unwrap(), 1);
}

#[test]
fn the_oldest_give_way_by_age_and_that_is_said() {
    let root = tempfile::tempdir().unwrap();
    let spool = spool(&root);
    let old = Evidence { at: Timestamp::now() - MAX_AGE - SignedDuration::from_hours(1), ..piece(1) };
    spool.put(&old).unwrap();
    assert_eq!(spool.pending().unwrap().len(), 1, "it is not thrown away without being tried once");
    assert_eq!(spool.put(&piece(2)).unwrap(), 1);
    assert_eq!(runs_of(&spool), [2]);
}

#[test]
fn drafts_of_the_dead_are_removed_in_the_end() {
    let root = tempfile::tempdir().unwrap();
    let spool = spool(&root);
    let draft = spool.directory.join("0001-half.99.tmp");
    let file = fs::File::create(&draft).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 3600)).unwrap();
    spool.drain(1, |_| true).unwrap();
    assert!(!draft.exists());
}

#[test]
fn a_clock_before_1970_does_not_matter() {
    let root = tempfile::tempdir().unwrap();
    let spool = spool(&root);
    spool.put(&Evidence { at: Timestamp::MIN, ..piece(1) }).unwrap();
    assert_eq!(runs_of(&spool), [1]);
}

#[test]
fn without_output_the_rest_stays() {
    let output = Some(Output { head: "x".repeat(9_000), ..Output::default() });
    let report = Report { output, timed_out: true, ..Report::default() };
    let short = without_output(&Evidence { report, ..piece(1) });
    assert!(short.report.timed_out && short.report.output.is_none());
    insta::assert_snapshot!(short.report.message.unwrap(), @"the output was left out: the disk was full");
}
