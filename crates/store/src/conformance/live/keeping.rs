//! What is promised of entries, names, addresses and keys.

use std::time::Duration;

use super::super::{Fresh, Suite};
use super::*;
use crate::ErrorKind;
use crate::live::Key;

/// Each as often as it is asked for.
pub async fn entries_come_in_the_order_in_which_they_are_asked_for(fresh: &Fresh, _: Suite) {
    let kept = ["a", "b", "c"].map(|job| waking(job, 1, None));
    keep(&fresh.store, By::Tool, kept.clone()).await;
    let wanted = ["c", "nobody", "a", "c"].map(slug);
    let entries = live(&fresh.other).entries(&wanted).await.expect("entries are read");
    let [a, _, c] = kept.map(|kept| kept.entry);
    assert_eq!(entries, [c.clone(), Entry::default(), a, c]);
    assert_eq!(live(&fresh.other).entries(&[]).await.expect("none are read"), []);
}

/// Sorted, and only of what something is kept.
pub async fn names_come_page_by_page(fresh: &Fresh, _: Suite) {
    let all: Vec<String> = (10..35).map(|number| format!("job-{number}")).collect();
    keep(&fresh.store, By::Tool, all.iter().rev().map(|job| waking(job, 1, None))).await;
    fresh.store.append(&[evidence("job-evidence", tenko_core::Kind::Log, now())]).await.expect("it is added");
    let noticed = Entry { items: vec![item("ops", "a-notice", now())], ..Entry::default() };
    let declared = Entry { declaration: Some(declaration("1f3a9c02")), ..Entry::default() };
    let others = [("a-notice", noticed), ("z-declared", declared)];
    keep(&fresh.store, By::Tool, others.map(|(job, entry)| Kept { job: slug(job), entry, wake_at: None }))
        .await;
    let (mut found, mut after): (Vec<Slug>, Option<Slug>) = (Vec::new(), None);
    loop {
        let page = live(&fresh.other).names(after.as_ref(), 10).await.expect("names are read");
        assert!(page.len() <= 10);
        found.extend(page.iter().cloned());
        match page.last() {
            Some(last) => after = Some(last.clone()),
            None => break,
        }
    }
    let wanted = ["a-notice"].into_iter().chain(all.iter().map(String::as_str)).chain(["z-declared"]);
    assert_eq!(found, wanted.map(slug).collect::<Vec<_>>());
}

/// Whoever asks.
pub async fn an_address_is_of_one_job_and_stays(fresh: &Fresh, _: Suite) {
    let [a, b, c] = ["a", "b", "c"].map(slug);
    let given = live(&fresh.store).addresses(&[a.clone(), b.clone(), a.clone()], None).await;
    let given = given.expect("addresses are given");
    assert_eq!(given[0], given[2]);
    assert_ne!(given[0], given[1]);
    assert_eq!(given[0].get_version_num(), 4);
    let again = live(&fresh.other).addresses(&[b.clone(), a.clone()], Some(Uuid::from_u128(9))).await;
    assert_eq!(again.expect("they are there"), [given[1], given[0]]);
    let mine = Uuid::from_u128(5);
    let proposed = live(&fresh.store).addresses(std::slice::from_ref(&c), Some(mine)).await;
    assert_eq!(proposed.expect("it is free"), [mine]);
    let taken = live(&fresh.other).addresses(&[slug("d")], Some(mine)).await.expect_err("it is taken");
    assert_eq!(taken.kind(), ErrorKind::Config, "{taken}");
    for (address, job) in [(given[0], Some(a)), (given[1], Some(b)), (mine, Some(c)), (Uuid::nil(), None)] {
        assert_eq!(live(&fresh.other).job_at(address).await.expect("it is looked for"), job);
    }
    let free = live(&fresh.other).addresses(&[slug("d")], None).await.expect("an address is given");
    assert_ne!(free, [mine]);
    let askers = (0..8).map(|asker| {
        let store = if asker % 2 == 0 { &fresh.store } else { &fresh.other };
        async move { live(store).addresses(&[slug("new")], None).await.expect("an address is given") }
    });
    let mut same = futures::future::join_all(askers).await;
    same.dedup();
    assert_eq!(same.len(), 1, "who asks at once is told the same");
}

/// One of each name.
pub async fn keys_are_kept_and_forgotten(fresh: &Fresh, _: Suite) {
    let key = |purpose: &str, name: &str, hash| Key {
        purpose: purpose.into(),
        name: name.into(),
        hash: [hash; 32],
        made_at: now(),
    };
    let sorted = async |store: &SharedStore| {
        let mut keys = live(store).keys().await.expect("keys are read");
        keys.sort_by_key(|key| (key.purpose.clone(), key.name.clone()));
        keys
    };
    assert_eq!(sorted(&fresh.store).await, []);
    let [one, two, three] = [key("api", "web", 1), key("ping", "cron 朝", 2), key("ping", "web", 3)];
    for key in [&three, &one, &two] {
        live(&fresh.store).keep_key(key).await.expect("the key is kept");
    }
    assert_eq!(sorted(&fresh.other).await, [one.clone(), two.clone(), three]);
    let new = key("ping", "web", 4);
    live(&fresh.other).keep_key(&new).await.expect("the key is replaced");
    assert_eq!(sorted(&fresh.store).await, [one, two.clone(), new.clone()]);
    assert!(live(&fresh.store).forget_key("api", "web").await.expect("the key is forgotten"));
    assert!(!live(&fresh.other).forget_key("api", "web").await.expect("there is none"));
    assert_eq!(sorted(&fresh.other).await, [two, new]);
}

/// Evidence, a decision.
pub async fn a_change_by_somebody_else_is_noticed(fresh: &Fresh, _: Suite) {
    let soon = Duration::from_secs(10);
    for number in 0..2 {
        let change = async {
            // It may be noticed only from when somebody waits for it.
            tokio::time::sleep(Duration::from_millis(600)).await;
            if number == 0 {
                let piece = evidence("job", tenko_core::Kind::Success, now());
                fresh.other.append(&[piece]).await.expect("evidence is appended");
            } else {
                keep(&fresh.other, By::Tool, [waking("job", 1, Some(now()))]).await;
            }
        };
        let noticed = tokio::time::timeout(soon, live(&fresh.store).changed());
        let (noticed, ()) = tokio::join!(noticed, change);
        noticed.expect("it is noticed");
    }
}
