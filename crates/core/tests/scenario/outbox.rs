//! What becomes of a notice until a channel has it.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tenko_core::notice::{self, Facts};
use tenko_core::outbox::{Batch, Delivery, LEASE, MAX_DEAD, Outbox, RETRY_FOR, SINGLY, Status};
use tenko_core::{ChannelName, Notice, NoticeKind, Slug};
use uuid::Uuid;

const ME: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_996_800 + second).unwrap()
}

/// A notice of an incident that was opened at a second, written at another.
fn told(job: &str, kind: NoticeKind, opened: i64, written: i64) -> Notice {
    let (job, channel) = (Slug::new(job).unwrap(), ChannelName::new("ops").unwrap());
    let facts = Facts { down_since: Some(second(opened)), ..Facts::default() };
    let id = notice::id(&job, second(opened), kind, &channel);
    Notice { id, channel, job, kind, at: second(written), created_at: second(written), facts }
}

fn later(retry_after: Option<i64>) -> Delivery {
    Delivery::Later { problem: "503".into(), retry_after: retry_after.map(SignedDuration::from_secs) }
}

fn never() -> Delivery {
    Delivery::Never { problem: "404 no_service".into() }
}

fn kinds(batches: &[Batch]) -> Vec<NoticeKind> {
    batches.iter().flat_map(|batch| &batch.notices).map(|notice| notice.kind).collect()
}

fn outbox(notices: impl IntoIterator<Item = Notice>) -> Outbox {
    let mut outbox = Outbox::default();
    outbox.add(notices);
    outbox
}

#[test]
fn what_was_accepted_is_gone() {
    let down = told("a", NoticeKind::Down, 0, 0);
    let mut outbox = outbox([down.clone(), down.clone()]);
    let batches = outbox.claim(ME, second(0));
    assert_eq!(batches, [Batch { channel: down.channel.clone(), notices: vec![down.clone()] }]);
    assert_eq!(batches[0].id(), down.id);
    assert!(outbox.record(down.id, ME, &Delivery::Accepted, second(1)));
    assert_eq!(outbox, Outbox::default());
}

#[test]
fn fault_46_what_a_dead_checker_had_claimed_is_sent_by_another_after_the_lease() {
    let down = told("a", NoticeKind::Down, 0, 0);
    let mut outbox = outbox([down.clone()]);
    outbox.claim(ME, second(0));
    assert_eq!(outbox.ready_at(), Some(second(0) + LEASE));
    assert_eq!(outbox.claim(OTHER, second(119)), []);
    assert_eq!(outbox.claim(OTHER, second(120))[0].id(), down.id);
    assert_eq!(outbox.items[0].attempts, 2);
    assert!(!outbox.record(down.id, ME, &later(None), second(121)), "the claim was lost");
    assert!(matches!(outbox.items[0].status, Status::Claimed { holder: OTHER, .. }));
    assert!(!outbox.record(down.id, ME, &Delivery::Accepted, second(122)), "it may have been sent twice");
    assert!(outbox.items.is_empty(), "but it was sent");
}

#[test]
fn what_was_claimed_and_not_tried_is_given_back_as_if_untouched() {
    let down = told("a", NoticeKind::Down, 0, 0);
    let mut outbox = outbox([down.clone()]);
    outbox.claim(ME, second(0));
    outbox.give_back(down.id, OTHER, second(1));
    assert_eq!(outbox.claim(OTHER, second(1)), []);
    outbox.give_back(down.id, ME, second(1));
    assert_eq!((outbox.items[0].attempts, outbox.ready_at()), (0, Some(second(1))));
}

#[test]
fn fault_48_a_recovery_never_overtakes_its_alarm() {
    let (down, up) = (told("a", NoticeKind::Down, 0, 0), told("a", NoticeKind::Up, 0, 60));
    let mut outbox = outbox([down.clone()]);
    outbox.claim(ME, second(0));
    outbox.add([up]);
    assert_eq!(outbox.claim(OTHER, second(60)), []);
    outbox.record(down.id, ME, &later(None), second(61));
    let again = outbox.ready_at().unwrap();
    assert!(again > second(61), "the recovery that waits is no reason to wake up");
    assert_eq!(kinds(&outbox.claim(ME, again)), [NoticeKind::Down]);
    outbox.record(down.id, ME, &Delivery::Accepted, again);
    let batches = outbox.claim(ME, again);
    assert_eq!(kinds(&batches), [NoticeKind::Up]);
    assert!(!batches[0].notices[0].facts.brief);
}

#[test]
fn fault_48_an_alarm_that_nobody_got_and_its_recovery_become_one() {
    let mut outbox = outbox([told("a", NoticeKind::Down, 0, 0), told("b", NoticeKind::Down, 0, 0)]);
    outbox.add([told("a", NoticeKind::Reminder(1), 0, 50), told("a", NoticeKind::Up, 0, 60)]);
    assert_eq!(kinds(&outbox.claim(ME, second(60))), [NoticeKind::Down, NoticeKind::Up]);
    let up = outbox.items.iter().find(|item| item.notice.kind == NoticeKind::Up).unwrap();
    assert!(up.notice.facts.brief);
}

#[test]
fn fault_48_the_alarm_of_another_incident_is_not_taken_back() {
    let mut outbox = outbox([told("a", NoticeKind::Down, 0, 0)]);
    outbox.add([told("a", NoticeKind::Up, 30, 60)]);
    assert_eq!(outbox.items.len(), 2);
}

#[test]
fn a_recovery_whose_alarm_could_not_be_delivered_is_brief() {
    let down = told("a", NoticeKind::Down, 0, 0);
    let mut outbox = outbox([down.clone()]);
    outbox.claim(ME, second(0));
    outbox.record(down.id, ME, &never(), second(1));
    outbox.add([told("a", NoticeKind::Up, 0, 60)]);
    let batches = outbox.claim(ME, second(60));
    assert!(batches[0].notices[0].facts.brief);
    assert_eq!(outbox.dead().count(), 1);
}

#[test]
fn not_being_able_to_tell_is_not_told_once_it_is_over() {
    let mut outbox = outbox([told("a", NoticeKind::Unknown, 0, 0)]);
    outbox.add([told("a", NoticeKind::Known, 0, 60)]);
    assert_eq!(outbox, Outbox::default());
}

#[test]
fn fault_53_what_is_refused_for_good_stays_visible_and_stops_nothing() {
    let (first, second_one) = (told("a", NoticeKind::Down, 0, 0), told("b", NoticeKind::Down, 0, 0));
    let mut outbox = outbox([first.clone(), second_one.clone()]);
    outbox.claim(ME, second(0));
    outbox.record(first.id, ME, &never(), second(1));
    outbox.record(second_one.id, ME, &Delivery::Accepted, second(1));
    let dead: Vec<_> = outbox.dead().map(|item| (item.notice.id, item.last_error.as_deref())).collect();
    assert_eq!(dead, [(first.id, Some("404 no_service"))]);
    assert_eq!(outbox.ready_at(), None);
    assert_eq!(outbox.claim(ME, second(1_000_000)), []);
    assert!(outbox.seen(first.id) && !outbox.seen(first.id));
    assert_eq!(outbox, Outbox::default());
}

#[test]
fn the_dead_do_not_pile_up_for_ever() {
    let mut outbox = Outbox::default();
    for number in 0..MAX_DEAD + 50 {
        let down = told(&format!("j{number}"), NoticeKind::Down, 0, 0);
        outbox.add([down.clone()]);
        outbox.claim(ME, second(0));
        outbox.record(down.id, ME, &never(), second(0));
    }
    assert_eq!(outbox.dead().count(), MAX_DEAD);
    assert_eq!(outbox.items[0].notice.job.as_str(), "j50");
}

#[test]
fn fault_51_it_is_tried_for_a_day_with_longer_and_longer_waits_and_then_it_is_dead() {
    let down = told("a", NoticeKind::Down, 0, 0);
    let mut outbox = outbox([down.clone()]);
    let mut waits = Vec::new();
    let mut now = second(0);
    while !outbox.claim(ME, now).is_empty() {
        outbox.record(down.id, ME, &later(None), now);
        let Some(next) = outbox.ready_at() else { break };
        waits.push(next.duration_since(now).as_secs());
        now = next;
    }
    assert_eq!(outbox.dead().count(), 1);
    assert!(now.duration_since(second(0)) > RETRY_FOR - SignedDuration::from_hours(1));
    assert!(waits[0] >= 7 && waits[0] <= 10, "{waits:?}");
    assert!(waits.windows(2).take(8).all(|pair| pair[0] < pair[1]), "{waits:?}");
    assert!(waits.iter().all(|wait| *wait <= 3600), "{waits:?}");
}

#[test]
fn fault_50_retry_after_is_obeyed() {
    let wait = |asked: i64| {
        let down = told("a", NoticeKind::Down, 0, 0);
        let mut outbox = outbox([down.clone()]);
        outbox.claim(ME, second(0));
        outbox.record(down.id, ME, &later(Some(asked)), second(1));
        outbox.ready_at().map(|ready| ready.duration_since(second(1)).as_secs())
    };
    assert_eq!(wait(3600), Some(3600));
    assert_eq!(wait(0), Some(5), "whoever asks for no wait at all is not asked all the time");
    assert_eq!(wait(-5), Some(5));
    assert_eq!(wait(i64::MAX), None, "that is longer than it is tried, so it is dead at once and seen");
}

#[test]
fn fault_56_five_thousand_notices_are_five_digests() {
    let mut outbox = outbox((0..5000).map(|number| told(&format!("j{number}"), NoticeKind::Down, 0, 0)));
    let mut sizes = Vec::new();
    loop {
        let batches = outbox.claim(ME, second(1));
        if batches.is_empty() {
            break;
        }
        sizes.extend(batches.iter().map(|batch| batch.notices.len()));
        for notice in batches.iter().flat_map(|batch| &batch.notices) {
            outbox.record(notice.id, ME, &Delivery::Accepted, second(1));
        }
    }
    assert_eq!(sizes, [1000; 5]);
}

#[test]
fn a_digest_that_was_put_off_comes_back_as_one_digest() {
    let notices: Vec<Notice> = (0..40).map(|n| told(&format!("j{n}"), NoticeKind::Down, 0, 0)).collect();
    let mut outbox = outbox(notices.clone());
    let first = outbox.claim(ME, second(0));
    for notice in &notices {
        outbox.record(notice.id, ME, &later(None), second(3));
    }
    let again = outbox.claim(ME, outbox.ready_at().unwrap());
    assert_eq!((first.len(), again.len()), (1, 1));
    assert_eq!(first[0].id(), again[0].id());
}

#[test]
fn up_to_five_come_singly() {
    let mut few = outbox((0..SINGLY).map(|n| told(&format!("j{n}"), NoticeKind::Down, 0, 0)));
    assert_eq!(few.claim(ME, second(0)).len(), SINGLY);
    let mut many = outbox((0..=SINGLY).map(|n| told(&format!("j{n}"), NoticeKind::Down, 0, 0)));
    assert_eq!(many.claim(ME, second(0)).len(), 1);
}

#[test]
fn a_hundred_thousand_at_once_are_no_burden() {
    let job = |number: usize| format!("j{number}");
    let began = std::time::Instant::now();
    let mut outbox = outbox((0..100_000).map(|n| told(&job(n), NoticeKind::Down, 0, 0)));
    outbox.add((0..100_000).map(|n| told(&job(n), NoticeKind::Up, 0, 1)));
    assert_eq!(outbox.items.len(), 100_000);
    assert!(began.elapsed().as_secs() < 20, "it grows with the square");
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Incident(u8),
    Recovery(u8),
    Claim(bool),
    Settle(bool, u8),
    Wait(i64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..4_u8).prop_map(Act::Incident),
        (0..4_u8).prop_map(Act::Recovery),
        any::<bool>().prop_map(Act::Claim),
        (any::<bool>(), any::<u8>()).prop_map(|(who, fate)| Act::Settle(who, fate)),
        (1..4000_i64).prop_map(Act::Wait),
    ]
}

proptest! {
    /// Whatever two checkers and a channel do: nothing is lost, alarms come before recoveries, nobody holds what another
    /// holds, and the announced moment is the one at which there is something to claim.
    #[test]
    fn nothing_is_lost_and_order_is_kept(acts in prop::collection::vec(act(), 1..80)) {
        let (mut outbox, mut now) = (Outbox::default(), 0);
        let mut open: BTreeMap<u8, i64> = BTreeMap::new();
        let mut owed: HashSet<Uuid> = HashSet::new();
        let mut accepted: Vec<Notice> = Vec::new();
        let mut holding: HashMap<bool, Vec<Notice>> = HashMap::new();
        // What a checker sent although its claim had ended, as one that was frozen does.
        let mut overdue: HashSet<Uuid> = HashSet::new();
        for act in acts {
            match act {
                Act::Incident(job) if !open.contains_key(&job) => {
                    open.insert(job, now);
                    let down = told(&format!("j{job}"), NoticeKind::Down, now, now);
                    owed.insert(down.id);
                    outbox.add([down]);
                }
                Act::Recovery(job) => if let Some(opened) = open.remove(&job) {
                    let up = told(&format!("j{job}"), NoticeKind::Up, opened, now);
                    owed.insert(up.id);
                    let down = told(&format!("j{job}"), NoticeKind::Down, opened, opened);
                    outbox.add([up]);
                    let there = outbox.items.iter().any(|item| item.notice.id == down.id);
                    if !there && !accepted.iter().any(|told| told.id == down.id) {
                        owed.remove(&down.id);
                    }
                },
                Act::Claim(who) => {
                    let ready = outbox.ready_at();
                    let batches = outbox.claim(if who { ME } else { OTHER }, second(now));
                    prop_assert_eq!(!batches.is_empty(), ready.is_some_and(|at| at <= second(now)));
                    holding.entry(who).or_default().extend(batches.into_iter().flat_map(|batch| batch.notices));
                }
                Act::Settle(who, fate) => for notice in holding.remove(&who).unwrap_or_default() {
                    let delivery = match fate % 4 { 0 => later(None), 1 => never(), _ => Delivery::Accepted };
                    if !outbox.record(notice.id, if who { ME } else { OTHER }, &delivery, second(now)) {
                        overdue.insert(notice.id);
                    }
                    if delivery == Delivery::Accepted { accepted.push(notice) }
                },
                Act::Wait(seconds) => now += seconds,
                Act::Incident(_) => now += 1,
            }
            let there: HashSet<Uuid> = outbox.items.iter().map(|item| item.notice.id).collect();
            let sent: HashSet<Uuid> = accepted.iter().map(|notice| notice.id).collect();
            prop_assert!(owed.iter().all(|id| there.contains(id) || sent.contains(id)), "something was lost");
            now += 1;
        }
        for (index, notice) in accepted.iter().enumerate() {
            if notice.kind == NoticeKind::Up && !notice.facts.brief {
                let down = notice::id(&notice.job, notice.facts.down_since.unwrap(), NoticeKind::Down, &notice.channel);
                let before = accepted[..index].iter().any(|told| told.id == down);
                let dead = outbox.dead().any(|item| item.notice.id == down);
                prop_assert!(before || dead || overdue.contains(&down), "a recovery without its alarm");
            }
        }
    }

    #[test]
    fn ids_depend_on_what_is_told_alone(a in 0..100_i64, b in 0..100_i64, later in 0..1000_i64) {
        let of = |opened, kind| told("a", kind, opened, opened + later).id;
        prop_assert_eq!(of(a, NoticeKind::Down), told("a", NoticeKind::Down, a, a).id);
        prop_assert_eq!(of(a, NoticeKind::Down) == of(b, NoticeKind::Down), a == b);
        prop_assert_ne!(of(a, NoticeKind::Down), of(a, NoticeKind::Up));
        prop_assert_ne!(of(a, NoticeKind::Reminder(1)), of(a, NoticeKind::Reminder(11)));
    }
}
