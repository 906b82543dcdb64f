use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tenko_core::Kind;

use super::RetryingStore;
use crate::conformance::{Fresh, Suite, evidence, now, roll, slug};
use crate::faulty::{Fault, FaultyStore, Rates};
use crate::{Appended, Commit, ErrorKind, MemoryStore, SharedStore, Store};

const TIME: Duration = Duration::from_secs(60);

fn scripted(script: impl IntoIterator<Item = Fault>) -> (Arc<MemoryStore>, RetryingStore) {
    let memory = Arc::new(MemoryStore::new());
    let faulty = FaultyStore::scripted(Arc::clone(&memory) as SharedStore, script);
    (memory, RetryingStore::new(Arc::new(faulty), TIME))
}

const GONE: Fault = Fault::Refuse(ErrorKind::Unavailable);

mod over_a_faulty_store {
    use super::*;

    static SEED: AtomicU64 = AtomicU64::new(1);

    async fn fresh() -> Fresh {
        tokio::time::pause();
        let memory: SharedStore = Arc::new(MemoryStore::new());
        let retrying = || {
            let seed = SEED.fetch_add(1, Ordering::Relaxed);
            let rates = Rates { refused: 100, lost: 100, delayed: 50 };
            Arc::new(RetryingStore::new(
                Arc::new(FaultyStore::seeded(Arc::clone(&memory), seed, rates)),
                TIME,
            ))
        };
        Fresh::new(retrying(), retrying(), ())
    }

    crate::conformance_tests!(fresh, Suite { tells_known: false, ..Suite::default() });
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_repeated() {
    let (memory, store) = scripted([GONE, GONE, GONE]);
    let piece = [evidence("job", Kind::Success, now())];
    assert_eq!(store.append(&piece).await.unwrap(), [Appended::Added]);
    assert_eq!(memory.append(&piece).await.unwrap(), [Appended::Known]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_is_not_repeated() {
    for kind in [ErrorKind::Denied, ErrorKind::Full, ErrorKind::Newer, ErrorKind::Corrupt, ErrorKind::Config]
    {
        let (_, store) = scripted([Fault::Refuse(kind)]);
        assert_eq!(store.load().await.unwrap_err().kind(), kind);
        assert!(store.load().await.is_ok(), "one attempt was made");
    }
}

#[tokio::test(start_paused = true)]
async fn it_ends_in_time() {
    let (_, store) = scripted(std::iter::repeat_n(GONE, 10_000));
    let begun = tokio::time::Instant::now();
    assert_eq!(store.load().await.unwrap_err().kind(), ErrorKind::Unavailable);
    let took = begun.elapsed();
    assert!(TIME - Duration::from_secs(5) <= took && took <= TIME, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_not_waited_for_longer_than_asked() {
    let (_, store) = scripted([Fault::Delay(TIME * 10)]);
    let begun = tokio::time::Instant::now();
    let error = store.load().await.unwrap_err();
    assert_eq!((error.kind(), begun.elapsed().as_secs()), (ErrorKind::Unavailable, TIME.as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_was_lost_is_won_once() {
    let (memory, store) = scripted([Fault::Lose, GONE]);
    let (roll, mut changes) = roll(2);
    changes.flips.push((slug("job-1"), crate::conformance::flip(now())));
    assert_eq!(store.commit(0, &roll, &changes).await.unwrap(), Commit::Won(1));
    assert_eq!(memory.load().await.unwrap().version, 1);
    assert_eq!(memory.facts(&slug("job-1"), 9).await.unwrap().flips.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_was_refused_while_another_won_is_lost() {
    let (memory, store) = scripted([GONE]);
    let (ours, changes) = roll(2);
    let (theirs, _) = roll(3);
    assert_eq!(memory.commit(0, &theirs, &changes).await.unwrap(), Commit::Won(1));
    assert_eq!(store.commit(0, &ours, &changes).await.unwrap(), Commit::Lost);
    assert_eq!(memory.load().await.unwrap().roll, theirs);
}

#[tokio::test(start_paused = true)]
async fn wherever_one_call_fails_a_commit_is_won_once() {
    for place in 0..4 {
        for fault in [GONE, Fault::Lose] {
            let script = std::iter::repeat_n(Fault::Lose, place.min(1))
                .chain(std::iter::repeat_n(GONE, place))
                .chain([fault]);
            let (memory, store) = scripted(script);
            let (roll, changes) = roll(1);
            let answer = store.commit(0, &roll, &changes).await.unwrap();
            assert_eq!(
                (answer, memory.load().await.unwrap().version),
                (Commit::Won(1), 1),
                "{place} {fault:?}"
            );
        }
    }
}
