//! What a node does in the background, and by what it knows whom a ping is about.

use jiff::SignedDuration;
use tenko::server::intake::{Addressee, Heard, Ping, Said};
use tenko_core::{Evidence, Kind, RunId, Verdict};
use tenko_store::live::Key;
use uuid::Uuid;

use crate::world::{World, moment, ping, slug, until};

#[tokio::test]
async fn a_job_is_found_by_its_address_and_an_unknown_address_is_nobodys() {
    let wanted = Uuid::new_v4();
    let mut world = World::at("05:00").expect("given", "0 5 * * *").expect("chosen", "0 5 * * *");
    if let Some(configured) = world.config.jobs.get_mut(&slug("chosen")) {
        configured.uuid = Some(wanted);
    }
    let served = world.serve().await;
    let given = served.live().addresses(&[slug("given")], None).await.unwrap()[0];
    for (address, job) in [(given, "given"), (wanted, "chosen")] {
        let to = Addressee::Address(address);
        assert_eq!(served.try_hear(Ping { to, ..ping(job, Said::Success) }).await.unwrap(), Heard::Recorded);
        assert_eq!(served.verdict(job).await, Verdict::Up);
    }
    let to = Addressee::Address(Uuid::new_v4());
    assert_eq!(served.try_hear(Ping { to, ..ping("given", Said::Success) }).await.unwrap(), Heard::Unknown);
    assert_eq!(served.engine.status().unknown.get(), 1);
    served.engine.stop().await;
}

#[tokio::test]
async fn the_address_in_the_configuration_holds_whatever_the_store_knows_of_it() {
    let mut world = World::at("05:00").expect("chosen", "0 5 * * *").expect("before", "0 5 * * *");
    let store = world.store();
    let given = store.live().unwrap().addresses(&[slug("before")], None).await.unwrap()[0];
    if let Some(configured) = world.config.jobs.get_mut(&slug("chosen")) {
        configured.uuid = Some(given);
    }
    let served = world.serve().await;
    let to = Addressee::Address(given);
    assert_eq!(served.try_hear(Ping { to, ..ping("chosen", Said::Success) }).await.unwrap(), Heard::Recorded);
    let verdicts = [served.verdict("chosen").await, served.verdict("before").await];
    assert_eq!(verdicts, [Verdict::Up, Verdict::New]);
    served.engine.stop().await;
}

#[tokio::test]
async fn keys_that_are_made_while_it_runs_are_known_soon() {
    let world = World::at("05:00");
    let served = world.serve().await;
    let hash = [7; 32];
    assert!(served.engine.keys().hashes("ping").is_empty());
    let key = Key { purpose: "ping".into(), name: "main".into(), hash, made_at: moment("05:00") };
    served.live().keep_key(&key).await.unwrap();
    world.clocks.pass(SignedDuration::from_secs(10));
    until("it is read", async || served.engine.keys().hashes("ping") == [hash]).await;
    assert!(served.engine.keys().hashes("api").is_empty());
    served.engine.stop().await;
}

#[tokio::test]
async fn jobs_are_counted_by_verdict() {
    let world = World::at("05:00").expect("well", "0 5 * * *").expect("fresh", "0 6 * * *");
    let store = world.store();
    let mut ended = Evidence::new(slug("well"), RunId(Uuid::now_v7()), Kind::Success, moment("05:00"));
    ended.received_at = Some(moment("05:00"));
    store.append(&[ended]).await.unwrap();
    world.serve().await.engine.stop().await;
    let served = world.serve().await;
    until("they are counted", async || !served.engine.status().census().jobs.is_empty()).await;
    let jobs: Vec<_> = served.engine.status().census().jobs.into_iter().collect();
    assert_eq!(jobs, [(Verdict::New, 1), (Verdict::Up, 1)]);
    served.engine.stop().await;
}

#[tokio::test]
async fn what_is_older_than_the_retention_is_let_go_of() {
    let world = World::at("05:00").expect("report", "0 5 * * *");
    let old = moment("05:00") - SignedDuration::from_hours(24 * 91);
    for hours in [0, 3, 50] {
        let at = old + SignedDuration::from_hours(hours);
        let piece = Evidence::new(slug("report"), RunId(Uuid::now_v7()), Kind::Log, at);
        world.store().append(&[piece]).await.unwrap();
    }
    let served = world.serve().await;
    until("it is gone", async || served.evidence("report").await.len() == 1).await;
    assert_eq!(served.evidence("report").await[0].at, old + SignedDuration::from_hours(50));
    served.engine.stop().await;
}

#[tokio::test]
async fn whom_it_does_not_know_is_said_before_anything_else() {
    let world = World::at("05:00").expect("report", "0 5 * * *");
    let served = world.serve().await;
    let hears = served.engine.hears();
    let knows = async |to: &Addressee| hears.knows(to).await.unwrap();
    assert!(knows(&Addressee::Job(slug("report"))).await);
    assert!(!knows(&Addressee::Job(slug("other"))).await);
    assert!(!knows(&Addressee::Address(Uuid::new_v4())).await);
    let given = served.live().addresses(&[slug("report"), slug("other")], None).await.unwrap();
    assert!(knows(&Addressee::Address(given[0])).await);
    assert!(!knows(&Addressee::Address(given[1])).await, "it has an address, and nothing is expected of it");
    served.try_hear(Ping { create: true, ..ping("other", Said::Success) }).await.unwrap();
    assert!(knows(&Addressee::Job(slug("other"))).await);
    assert!(knows(&Addressee::Address(given[1])).await);
    served.engine.stop().await;
    // Of a job that was taken out of the configuration, what is kept is about to be forgotten.
    let bare = World { config: World::at("05:00").config, ..world };
    let served = bare.serve().await;
    assert!(!served.engine.hears().knows(&Addressee::Job(slug("report"))).await.unwrap());
    served.engine.stop().await;
}
