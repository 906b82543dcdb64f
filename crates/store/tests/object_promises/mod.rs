//! What every place that keeps objects has to keep, whoever made it.

use std::sync::Arc;

use jiff::Timestamp;
use tenko_core::evidence::{Kind, RunId};
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_core::{Evidence, Slug};
use tenko_store::{Appended, Commit, SharedStore};
use uuid::Uuid;

pub(crate) fn evidence(job: &str, number: u128, at: Timestamp) -> Evidence {
    Evidence::new(Slug::new(job).unwrap(), RunId(Uuid::from_u128(number)), Kind::Success, at)
}

pub(crate) fn some_evidence(count: u128) -> Vec<Evidence> {
    let now = Timestamp::now();
    (0..count).map(|number| evidence("job", number, now)).collect()
}

pub(crate) fn roll_of(second: i64) -> Roll {
    Roll { called_at: Some(Timestamp::from_second(second).unwrap()), ..Roll::default() }
}

pub(crate) async fn goes_round(store: SharedStore) {
    let now = Timestamp::now();
    let mut sent = evidence("daily-report", 7, now);
    sent.report.message = Some("all 12 rows".into());
    assert_eq!(store.append(std::slice::from_ref(&sent)).await.unwrap(), [Appended::Added]);
    assert_eq!(store.append(std::slice::from_ref(&sent)).await.unwrap(), [Appended::Known]);
    let news = store.news(&Cursor::default(), now).await.unwrap();
    assert_eq!(news.evidence.len(), 1);
    let told = &news.evidence[0];
    assert_eq!((&told.job, told.run, told.kind, told.at), (&sent.job, sent.run, sent.kind, sent.at));
    assert_eq!(told.effective_at(), sent.at);
    let read = store.read(told).await.unwrap();
    assert_eq!((read.report, read.received_at), (sent.report, told.received_at));
}

pub(crate) async fn eight_writers_have_one_winner(stores: Vec<SharedStore>, rounds: u64) {
    let stores = Arc::new(stores);
    for round in 0..rounds {
        let base = stores[0].load().await.unwrap().version;
        let tasks = (0..8).map(|writer| {
            let stores = Arc::clone(&stores);
            // Every other round all of them write the same.
            let roll = roll_of(i64::try_from(round * 10 + if round % 2 == 0 { writer } else { 0 }).unwrap());
            let writer = usize::try_from(writer).unwrap();
            tokio::spawn(async move {
                let store = &stores[writer % stores.len()];
                store.commit(base, &roll, &Changes::default()).await.unwrap()
            })
        });
        let commits: Vec<Commit> = futures::future::try_join_all(tasks).await.unwrap();
        let winners = commits.iter().filter(|commit| **commit != Commit::Lost).count();
        assert_eq!(winners, 1, "round {round}: {commits:?}");
    }
}

/// 2500 pieces are more than two pages of any list.
pub(crate) async fn many_pieces_are_all_found(store: &SharedStore) {
    store.append(&some_evidence(2500)).await.unwrap();
    let news = store.news(&Cursor::default(), Timestamp::now()).await.unwrap();
    assert_eq!((news.evidence.len(), news.unreadable.len()), (2500, 0));
}
