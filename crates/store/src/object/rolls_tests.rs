use std::sync::Arc;

use super::*;
use crate::directory::Directory;

fn roll_of(second: i64) -> Roll {
    Roll { called_at: Some(Timestamp::from_second(second).unwrap()), ..Roll::default() }
}

struct Place {
    objects: Arc<dyn Objects>,
    fitness: Fitness,
    _keep: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let keep = tempfile::tempdir().unwrap();
        let objects: Arc<dyn Objects> = Arc::new(Directory::new(keep.path()));
        let fitness = Fitness::new(&objects.identity());
        Self { objects, fitness, _keep: keep }
    }

    async fn commit(&self, rolls: &Rolls, base: u64) -> Commit {
        let changes = Changes::default();
        rolls.commit(&*self.objects, &self.fitness, base, &roll_of(1), &changes).await.unwrap()
    }
}

#[tokio::test]
async fn a_writer_that_slept_does_not_create_a_number_again_that_was_removed() {
    let place = Place::new();
    let (sleeper, other) = (Rolls::default(), Rolls::default());
    assert_eq!(place.commit(&sleeper, 0).await, Commit::Won(1));
    for version in 1..4 {
        assert_eq!(place.commit(&other, version).await, Commit::Won(version + 1));
    }
    place.objects.delete(&layout::roll_key(2)).await.unwrap();
    let mut seen = Seen::now(1);
    seen.wall -= FRESH + Duration::from_secs(1);
    *lock(&sleeper.newest) = Some(seen);
    assert_eq!(place.commit(&sleeper, 1).await, Commit::Lost);
    assert!(place.objects.head(&layout::roll_key(2)).await.unwrap().is_none());
}

#[tokio::test]
async fn what_was_seen_over_an_hour_ago_is_looked_for_again() {
    let place = Place::new();
    let (sleeper, other) = (Rolls::default(), Rolls::default());
    assert_eq!(place.commit(&sleeper, 0).await, Commit::Won(1));
    assert_eq!(place.commit(&other, 1).await, Commit::Won(2));
    let at_hand = sleeper.load_to_commit(&*place.objects, &place.fitness).await.unwrap();
    assert_eq!(at_hand.version, 1);
    let mut seen = Seen::now(1);
    seen.wall -= FRESH + Duration::from_secs(1);
    *lock(&sleeper.newest) = Some(seen);
    let newest = sleeper.load_to_commit(&*place.objects, &place.fitness).await.unwrap();
    assert_eq!(newest.version, 2);
}

#[test]
fn what_was_seen_is_old_when_either_clock_says_so() {
    assert!(Seen::now(1).is_fresh());
    let hour = FRESH + Duration::from_secs(1);
    let slept = Seen { wall: SystemTime::now() - hour, ..Seen::now(1) };
    let set_back = Seen { wall: SystemTime::now() + hour, ..Seen::now(1) };
    let Some(before) = Instant::now().checked_sub(hour) else { return };
    let waited = Seen { at: before, ..Seen::now(1) };
    assert!(![slept, set_back, waited].iter().any(Seen::is_fresh));
}

#[tokio::test]
async fn rolls_that_are_young_or_among_the_newest_are_kept() {
    let place = Place::new();
    let rolls = Rolls::default();
    for version in 0..25 {
        place.commit(&rolls, version).await;
    }
    let now = Timestamp::now();
    assert_eq!(old_rolls(&*place.objects, now).await.unwrap(), Vec::<String>::new());
    let old = old_rolls(&*place.objects, now + SignedDuration::from_hours(25)).await.unwrap();
    assert_eq!(old, [5, 4, 3, 2, 1].map(layout::roll_key));
}

#[tokio::test]
async fn the_highest_number_is_no_way_to_stop_the_world_silently() {
    let place = Place::new();
    let object = packing::pack(
        &format::write_roll(&Roll::default()),
        &MissedLately::default(),
        place.fitness.place(),
        Uuid::from_u128(1),
    );
    place.objects.create(&layout::roll_key(u64::MAX), object.unwrap().into()).await.unwrap();
    let rolls = Rolls::default();
    let loaded = rolls.load(&*place.objects, &place.fitness).await.unwrap();
    assert_eq!(loaded.version, u64::MAX);
    let error = rolls
        .commit(&*place.objects, &place.fitness, u64::MAX, &roll_of(1), &Changes::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}
