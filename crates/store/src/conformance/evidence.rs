//! What is promised of evidence.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tenko_core::roll::Cursor;
use tenko_core::{Evidence, Exit, Kind, Output, Report, RunId};
use uuid::Uuid;

use super::samples::*;
use super::{Fresh, Suite};
use crate::{Appended, ErrorKind, SharedStore};

async fn append(store: &SharedStore, evidence: &[Evidence]) -> Vec<Appended> {
    store.append(evidence).await.expect("evidence is appended")
}

async fn everything(store: &SharedStore) -> Vec<Evidence> {
    store.between(None, Timestamp::MIN, Timestamp::MAX).await.expect("all evidence is found")
}

async fn news(store: &SharedStore, since: &Cursor) -> (Vec<Evidence>, Cursor) {
    let news = store.news(since, now()).await.expect("news are read");
    assert_eq!(news.unreadable, [], "nothing unreadable was put there");
    (news.evidence, news.cursor)
}

/// No evidence, no roll, no facts, and nothing to prune.
pub async fn an_empty_store_is_empty(fresh: &Fresh, _: Suite) {
    let store = &fresh.store;
    assert_eq!(everything(store).await, []);
    assert_eq!(news(store, &Cursor::default()).await.0, []);
    let snapshot = store.load().await.expect("the empty roll is loaded");
    assert_eq!((snapshot.version, snapshot.roll), (0, tenko_core::Roll::default()));
    let facts = store.facts(&slug("job"), 10).await.expect("no facts are found");
    assert_eq!((facts.flips, facts.missed), (vec![], vec![]));
    assert_eq!(store.prune(now()).await.expect("nothing is pruned"), 0);
}

/// The URL names a scheme and is the same for both handles.
pub async fn its_url_can_be_shown(fresh: &Fresh, _: Suite) {
    assert!(fresh.store.url().contains(':'), "{}", fresh.store.url());
    assert_eq!(fresh.store.url(), fresh.other.url());
}

/// Evidence is found as it was, with a time of receipt that is about now.
pub async fn what_was_appended_is_there_with_the_time_of_receipt(fresh: &Fresh, suite: Suite) {
    let piece = evidence("job", Kind::Success, after(now(), -2));
    let answer = append(&fresh.store, std::slice::from_ref(&piece)).await;
    assert!(!suite.tells_known || answer == [Appended::Added], "{answer:?}");
    let found = everything(&fresh.store).await;
    assert_eq!(names_of(&found), names_of([&piece]));
    let received = found[0].received_at.expect("what is stored was received");
    let off = Timestamp::now().duration_since(received).abs();
    assert!(off < SignedDuration::from_mins(5), "{received} is not about now");
}

/// Adding again changes nothing, in particular not the time of receipt, and is no error.
pub async fn appended_again_it_is_there_once(fresh: &Fresh, suite: Suite) {
    let pieces =
        [Kind::Start, Kind::Success, Kind::Fail(None), Kind::Log].map(|kind| evidence("job", kind, now()));
    append(&fresh.store, &pieces).await;
    let before = everything(&fresh.store).await;
    let answer = append(&fresh.store, &pieces).await;
    assert!(!suite.tells_known || answer == [Appended::Known; 4], "{answer:?}");
    let answer = append(&fresh.other, &pieces[1..2]).await;
    assert!(!suite.tells_known || answer == [Appended::Known], "{answer:?}");
    assert_eq!(everything(&fresh.store).await, before);
}

/// The same within one batch.
pub async fn appended_twice_in_one_batch_it_is_there_once(fresh: &Fresh, suite: Suite) {
    let piece = evidence("job", Kind::Success, now());
    let other = evidence("job", Kind::Success, now());
    let batch = [piece.clone(), other.clone(), piece.clone()];
    let answer = append(&fresh.store, &batch).await;
    if suite.tells_known {
        let added = answer.iter().filter(|answer| **answer == Appended::Added).count();
        assert_eq!((answer.len(), added), (3, 2), "{answer:?}");
    }
    assert_eq!(names_of(&everything(&fresh.store).await), names_of([&piece, &other]));
}

/// A sender that tries again may look at its clock again; still it is the same evidence.
pub async fn appended_again_with_another_time_it_is_there_once(fresh: &Fresh, _: Suite) {
    let piece = evidence("job", Kind::Fail(Some(Exit::Code(3))), after(now(), -60));
    let again = Evidence { at: after(piece.at, 7), ..piece.clone() };
    append(&fresh.store, std::slice::from_ref(&piece)).await;
    append(&fresh.store, std::slice::from_ref(&again)).await;
    let found = everything(&fresh.store).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].at == piece.at || found[0].at == again.at);
    let news: BTreeSet<_> = news(&fresh.store, &Cursor::default())
        .await
        .0
        .iter()
        .map(|piece| (piece.run, piece.kind.word()))
        .collect();
    assert_eq!(news.len(), 1, "{news:?}");
}

/// The same at the same time.
pub async fn two_appenders_of_the_same_evidence_leave_it_there_once(fresh: &Fresh, suite: Suite) {
    let pieces: Vec<_> = (0..20).map(|_| evidence("job", Kind::Success, now())).collect();
    let both = join_all([append(&fresh.store, &pieces), append(&fresh.other, &pieces)]).await;
    if suite.tells_known {
        let added = both.iter().flatten().filter(|answer| **answer == Appended::Added).count();
        assert_eq!(added, pieces.len());
    }
    assert_eq!(names_of(&everything(&fresh.other).await), names_of(&pieces));
}

/// Evidence differs by job, by run and by kind. Runs need not be `UUIDv7`.
pub async fn runs_kinds_and_jobs_tell_evidence_apart(fresh: &Fresh, suite: Suite) {
    let at = now();
    let exits = [Some(Exit::Code(0)), Some(Exit::Code(255)), Some(Exit::Signal(9)), None].into_iter();
    let runs = [Uuid::nil(), Uuid::max(), Uuid::from_u128(1), Uuid::from_u128(2)];
    let mut pieces = Vec::new();
    for job in ["a", "b", "a-b_c"] {
        for (run, exit) in runs.into_iter().zip(exits.clone()) {
            let kinds = [Kind::Start, Kind::Success, Kind::Log, Kind::Fail(exit)];
            pieces.extend(kinds.map(|kind| Evidence::new(slug(job), RunId(run), kind, at)));
        }
    }
    let answer = append(&fresh.store, &pieces).await;
    assert_eq!(answer.len(), pieces.len());
    assert!(!suite.tells_known || answer.iter().all(|answer| *answer == Appended::Added));
    assert_eq!(names_of(&everything(&fresh.store).await), names_of(&pieces));
}

/// Every exit code and every signal comes back.
pub async fn exits_are_told_apart(fresh: &Fresh, _: Suite) {
    let codes = [0, 1, 2, 9, 127, 128, 255].map(|code| Some(Exit::Code(code)));
    let signals = [0, 1, 9, 15, 64, 255].map(|number| Some(Exit::Signal(number)));
    let exits = codes.into_iter().chain(signals).chain([None]);
    let pieces: Vec<_> = exits.map(|exit| evidence("job", Kind::Fail(exit), now())).collect();
    append(&fresh.store, &pieces).await;
    assert_eq!(names_of(&everything(&fresh.other).await), names_of(&pieces));
}

/// A run ends badly but once, whatever its exit is said to be.
pub async fn a_second_exit_of_the_same_run_is_known(fresh: &Fresh, _: Suite) {
    let first = evidence("job", Kind::Fail(None), now());
    let second = Evidence { kind: Kind::Fail(Some(Exit::Code(3))), ..first.clone() };
    append(&fresh.store, std::slice::from_ref(&first)).await;
    append(&fresh.store, std::slice::from_ref(&second)).await;
    let found = everything(&fresh.store).await;
    assert_eq!(found.len(), 1, "{found:?}");
}

/// Nothing is a batch too.
pub async fn nothing_appended_is_nothing_added(fresh: &Fresh, _: Suite) {
    assert_eq!(append(&fresh.store, &[]).await, []);
    assert_eq!(everything(&fresh.store).await, []);
}

/// A batch larger than any page, queue or group of a store.
pub async fn a_large_batch_is_appended_whole(fresh: &Fresh, suite: Suite) {
    let at = now();
    let count = i64::try_from(suite.pieces * 10).expect("a number of pieces is small");
    let piece = |n: i64| evidence(&format!("job-{}", n % 7), Kind::Success, after(at, -n % 1000));
    let pieces: Vec<_> = (0..count).map(piece).collect();
    append(&fresh.store, &pieces).await;
    assert_eq!(names_of(&everything(&fresh.store).await), names_of(&pieces));
    let (news, _) = news(&fresh.store, &Cursor::default()).await;
    assert_eq!(names_of(&news), names_of(&pieces));
}

/// All of it with the default cursor; with a later one all that was added since.
pub async fn news_begin_after_the_cursor(fresh: &Fresh, _: Suite) {
    let first = evidence("job", Kind::Start, after(now(), -5));
    append(&fresh.store, std::slice::from_ref(&first)).await;
    let (all, cursor) = news(&fresh.store, &Cursor::default()).await;
    assert_eq!(names_of(&all), names_of([&first]));

    let second = evidence("job", Kind::Success, after(now(), -4));
    append(&fresh.store, std::slice::from_ref(&second)).await;
    let (new, later) = news(&fresh.store, &cursor).await;
    assert!(names_of(&new).contains(&name_of(&second)), "{new:?}");
    let (same, _) = news(&fresh.other, &cursor).await;
    assert!(names_of(&same).contains(&name_of(&second)), "a cursor is good for every handle");

    let third = evidence("other", Kind::Success, now());
    append(&fresh.store, std::slice::from_ref(&third)).await;
    let (new, _) = news(&fresh.store, &later).await;
    assert!(names_of(&new).contains(&name_of(&third)), "{new:?}");
}

/// Whatever was acknowledged before `news` was called is in it or in an earlier one.
pub async fn news_miss_nothing_while_others_append(fresh: &Fresh, suite: Suite) {
    let pieces: Vec<_> =
        (0..suite.pieces).map(|n| evidence(&format!("job-{}", n % 5), Kind::Success, now())).collect();
    let pieces = Arc::new(pieces);
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = if writer % 2 == 0 { &fresh.store } else { &fresh.other };
            let (store, pieces) = (Arc::clone(store), Arc::clone(&pieces));
            tokio::spawn(async move {
                for piece in pieces.iter().skip(writer).step_by(4) {
                    append(&store, std::slice::from_ref(piece)).await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut seen = BTreeSet::new();
    let mut cursor = Cursor::default();
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        let (new, next) = news(&fresh.other, &cursor).await;
        seen.extend(names_of(&new));
        cursor = next;
        tokio::task::yield_now().await;
    }
    seen.extend(names_of(&news(&fresh.other, &cursor).await.0));
    let wanted: BTreeSet<_> = names_of(pieces.iter()).into_iter().collect();
    assert_eq!(seen, wanted);
}

/// Evidence counts by its own time and arrives when it does.
pub async fn news_contain_late_and_early_evidence(fresh: &Fresh, suite: Suite) {
    append(&fresh.store, &[evidence("job", Kind::Success, now())]).await;
    let (_, cursor) = news(&fresh.store, &Cursor::default()).await;
    let late = evidence("job", Kind::Success, now() - suite.late);
    let early = evidence("job", Kind::Success, after(now(), 3600));
    append(&fresh.store, &[late.clone(), early.clone()]).await;
    let names = names_of(&news(&fresh.store, &cursor).await.0);
    assert!(names.contains(&name_of(&late)), "late evidence is news");
    assert!(names.contains(&name_of(&early)), "evidence from a clock that runs ahead is news");
}

/// A cursor that another store made, as after the URL was changed, never hides evidence.
pub async fn an_unknown_cursor_loses_nothing(fresh: &Fresh, _: Suite) {
    let piece = evidence("job", Kind::Success, now());
    append(&fresh.store, std::slice::from_ref(&piece)).await;
    for odd in ["no cursor of yours", "-1", "\u{0}", "{}", "99999999999999999999999"] {
        let (new, _) = news(&fresh.store, &Cursor(odd.into())).await;
        assert_eq!(names_of(&new), names_of([&piece]), "after the cursor {odd:?}");
    }
}

/// Even where bodies are left out, the digest tells whether the declaration is a new one.
pub async fn news_tell_the_digest_of_a_declaration(fresh: &Fresh, _: Suite) {
    let plain = evidence("plain", Kind::Success, now());
    let declared =
        Evidence { declaration: Some(declaration("1f3a9c02")), ..evidence("job", Kind::Success, now()) };
    append(&fresh.store, &[plain, declared]).await;
    let digest = |piece: &Evidence| {
        piece.declaration.as_ref().map(|said| (piece.job.to_string(), said.digest.clone()))
    };
    let (new, _) = news(&fresh.store, &Cursor::default()).await;
    let digests: Vec<_> = new.iter().filter_map(digest).collect();
    assert_eq!(digests, [("job".to_owned(), "1f3a9c02".to_owned())]);
    let digests: Vec<_> = everything(&fresh.store).await.iter().filter_map(digest).collect();
    assert_eq!(digests, [("job".to_owned(), "1f3a9c02".to_owned())]);
}

/// `from` is in, `to` is not, and the order is that of the evidence's own time.
pub async fn between_is_half_open_and_sorted(fresh: &Fresh, _: Suite) {
    let from = moment("2026-11-22T23:59:59.999Z");
    let to = moment("2026-11-24T00:00:00Z");
    let ms = SignedDuration::from_millis(1);
    let moments = [to - ms, from, to, from - ms, after(from, 3600), after(from, 1), to + ms];
    let pieces = moments.map(|at| evidence("job", Kind::Success, at));
    append(&fresh.store, &pieces).await;
    let found = fresh.store.between(None, from, to).await.expect("evidence is found");
    let found: Vec<_> = found.iter().map(|piece| piece.at).collect();
    assert_eq!(found, [from, after(from, 1), after(from, 3600), to - ms]);
    for (from, to) in [(from, from), (to, from), (Timestamp::MAX, Timestamp::MIN)] {
        assert_eq!(fresh.store.between(None, from, to).await.expect("an empty span is none"), []);
    }
}

/// Of one job, and not of one whose name begins the same.
pub async fn between_keeps_to_one_job(fresh: &Fresh, _: Suite) {
    let pieces: Vec<_> = ["job", "job-2", "jo", "job"].map(|job| evidence(job, Kind::Success, now())).into();
    append(&fresh.store, &pieces).await;
    let of = async |job: &str| {
        let found = fresh.store.between(Some(&slug(job)), Timestamp::MIN, Timestamp::MAX).await;
        names_of(&found.expect("evidence is found"))
    };
    assert_eq!(of("job").await, names_of([&pieces[0], &pieces[3]]));
    assert_eq!(of("jo").await, names_of([&pieces[2]]));
    assert_eq!(of("nobody").await, []);
}

/// Of all jobs, and whatever was added first.
pub async fn the_oldest_evidence_shows_from_when_on_it_is_kept(fresh: &Fresh, _: Suite) {
    let oldest = async || fresh.store.oldest().await.expect("the oldest evidence is found");
    assert_eq!(oldest().await, None);
    let now = now();
    append(&fresh.store, &[evidence("job", Kind::Success, now)]).await;
    assert_eq!(oldest().await, Some(now));
    let earlier =
        [evidence("b", Kind::Start, after(now, -20)), evidence("a", Kind::Success, after(now, -10))];
    append(&fresh.store, &earlier).await;
    assert_eq!(oldest().await, Some(after(now, -20)));
}

/// Clocks can be wrong by decades.
pub async fn between_finds_evidence_of_any_age(fresh: &Fresh, _: Suite) {
    let moments =
        ["1970-01-01T00:00:00Z", "1999-12-31T23:59:59.999Z", "2026-02-28T12:00:00Z", "2199-01-01T00:00:00Z"];
    let pieces = moments.map(|at| evidence("job", Kind::Success, moment(at)));
    append(&fresh.store, &pieces).await;
    for piece in &pieces {
        let found = fresh.store.between(None, after(piece.at, -1), after(piece.at, 1)).await;
        assert_eq!(names_of(&found.expect("evidence is found")), names_of([piece]));
    }
    assert_eq!(names_of(&everything(&fresh.store).await), names_of(&pieces));
}

async fn given_back(fresh: &Fresh, piece: &Evidence) -> Evidence {
    append(&fresh.store, std::slice::from_ref(piece)).await;
    let (new, _) = news(&fresh.store, &Cursor::default()).await;
    let found = new.iter().find(|found| name_of(found) == name_of(piece)).expect("it is news");
    as_appended(&fresh.other.read(found).await.expect("the body is read"))
}

/// Every field of the report and of the declaration, and the absence of each.
pub async fn read_gives_back_what_was_appended(fresh: &Fresh, _: Suite) {
    let kind = Kind::Fail(Some(Exit::Signal(9)));
    let full = Evidence {
        report: full_report(),
        declaration: Some(declaration("1f3a9c02")),
        ..evidence("job", kind, moment("2026-11-23T05:03:12.120Z"))
    };
    let only_report = Evidence { declaration: None, ..evidence("job", Kind::Success, now()) };
    let only_report = Evidence { report: full_report(), ..only_report };
    let only_declared =
        Evidence { declaration: full.declaration.clone(), ..evidence("job", Kind::Start, now()) };
    let other_declared =
        Evidence { declaration: Some(declaration("abcdef01")), ..evidence("b", Kind::Log, now()) };
    let plain = evidence("job", Kind::Log, now());
    for piece in [full, only_report, only_declared, other_declared, plain] {
        assert_eq!(given_back(fresh, &piece).await, piece);
    }
}

/// Texts from outside can be anything.
pub async fn read_gives_back_odd_texts(fresh: &Fresh, _: Suite) {
    for odd in [
        "",
        "\u{0}",
        "a\u{0}b\r\n\u{1b}[31m",
        "点呼 🦀 e\u{301} \u{202e}",
        "\u{fffd}\u{10ffff}",
        "'; drop table x--",
        "\"\\",
    ] {
        let output = Some(Output { head: odd.into(), tail: odd.into(), omitted: u64::MAX, exact: None });
        let report =
            Report { host: Some(odd.into()), message: Some(odd.into()), output, ..Report::default() };
        let piece = Evidence { report, ..evidence("job", Kind::Log, now()) };
        assert_eq!(given_back(fresh, &piece).await, piece);
    }
}

/// 200 kB, of a kind that does not compress, and of one that does.
pub async fn read_gives_back_large_bodies(fresh: &Fresh, _: Suite) {
    let noise: String = (0..200_000_u64)
        .map(|n| char::from(b' ' + (n.wrapping_mul(n).wrapping_mul(2_654_435_761) % 8_191 % 94) as u8))
        .collect();
    for text in [noise, "x".repeat(200_000)] {
        let report = Report { message: Some(text), ..Report::default() };
        let piece = Evidence { report, ..evidence("job", Kind::Success, now()) };
        assert_eq!(given_back(fresh, &piece).await, piece);
    }
}

/// What `between` returns can be read as well.
pub async fn read_finds_what_between_found(fresh: &Fresh, _: Suite) {
    let piece = Evidence { report: full_report(), ..evidence("job", Kind::Success, now()) };
    append(&fresh.store, std::slice::from_ref(&piece)).await;
    let found = everything(&fresh.other).await;
    assert_eq!(as_appended(&fresh.other.read(&found[0]).await.expect("it is read")), piece);
}

/// Evidence that was removed meanwhile, or never was.
pub async fn reading_what_is_not_there_is_an_error(fresh: &Fresh, _: Suite) {
    append(&fresh.store, &[evidence("job", Kind::Success, now())]).await;
    let problem =
        fresh.store.read(&evidence("job", Kind::Success, now())).await.expect_err("it is not there");
    assert_eq!(problem.kind(), ErrorKind::Missing);
}
