//! The connections that there are: how many, of whom, and which of them take too long.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::figures::{Figures, count};

/// What never comes.
const NEVER: u64 = u64::MAX;

/// One connection, as those see it who decide how long it may go on.
#[derive(Debug)]
pub(super) struct Pulse {
    began: Instant,
    read_by: AtomicU64,
    write_by: AtomicU64,
    answering: AtomicBool,
    order: AtomicU8,
    told: Notify,
}

/// What a connection is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// Go on.
    GoOn = 0,
    /// Finish what is under way, and close.
    Finish = 1,
    /// Close at once.
    End = 2,
}

impl Pulse {
    fn new(began: Instant) -> Self {
        Self {
            began,
            read_by: AtomicU64::new(NEVER),
            write_by: AtomicU64::new(NEVER),
            answering: AtomicBool::new(false),
            order: AtomicU8::new(Order::GoOn as u8),
            told: Notify::new(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(NEVER)
    }

    fn after(&self, time: Duration) -> u64 {
        self.now().saturating_add(u64::try_from(time.as_millis()).unwrap_or(NEVER))
    }

    /// Within this time, the client has to have sent what it is about to send.
    pub(super) fn read_within(&self, time: Duration) {
        self.read_by.store(self.after(time), Ordering::Relaxed);
    }

    /// The client owes nothing.
    pub(super) fn nothing_to_read(&self) {
        self.read_by.store(NEVER, Ordering::Relaxed);
    }

    /// Within this time, the client has to have taken what was written, if there is no such time yet.
    pub(super) fn write_within(&self, time: Duration) {
        if self.write_by.load(Ordering::Relaxed) == NEVER {
            self.write_by.store(self.after(time), Ordering::Relaxed);
        }
    }

    /// The client took something.
    pub(super) fn wrote(&self) {
        if self.write_by.load(Ordering::Relaxed) != NEVER {
            self.write_by.store(NEVER, Ordering::Relaxed);
        }
    }

    /// A request is being answered: until that is done, it is not the client who keeps us waiting.
    pub(super) fn answering(&self) {
        self.answering.store(true, Ordering::Relaxed);
    }

    /// It is answered, and the next request may take this time.
    pub(super) fn answered(&self, idle: Duration) {
        self.read_within(idle);
        self.answering.store(false, Ordering::Relaxed);
    }

    fn is_overdue(&self, now: u64) -> bool {
        let reading = !self.answering.load(Ordering::Relaxed);
        reading && self.read_by.load(Ordering::Relaxed) <= now || self.write_by.load(Ordering::Relaxed) <= now
    }

    pub(super) fn tell(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::Release);
        self.told.notify_one();
    }

    /// What it was told to do, as soon as that is more than `than`.
    pub(super) async fn order(&self, than: Order) -> Order {
        loop {
            match self.order.load(Ordering::Acquire) {
                order if order <= than as u8 => self.told.notified().await,
                1 => return Order::Finish,
                _ => return Order::End,
            }
        }
    }
}

/// All connections.
#[derive(Debug)]
pub(super) struct Connections {
    began: Instant,
    most: usize,
    most_per_address: usize,
    figures: Arc<Figures>,
    there: Mutex<There>,
    gone: Notify,
}

#[derive(Debug, Default)]
struct There {
    pulses: HashMap<u64, Arc<Pulse>>,
    of: HashMap<IpAddr, usize>,
    next: u64,
}

impl Connections {
    pub(super) fn new(most: usize, most_per_address: usize, figures: Arc<Figures>) -> Arc<Self> {
        let there = Mutex::new(There::default());
        Arc::new(Self { began: Instant::now(), most, most_per_address, figures, there, gone: Notify::new() })
    }

    fn there(&self) -> MutexGuard<'_, There> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more, unless there are too many; `from` is counted if it is given.
    pub(super) fn place(self: &Arc<Self>, from: Option<IpAddr>) -> Option<Place> {
        let from = from.map(network);
        let mut there = self.there();
        let of = from.map_or(0, |from| there.of.get(&from).copied().unwrap_or_default());
        if there.pulses.len() >= self.most || of >= self.most_per_address {
            return None;
        }
        if let Some(from) = from {
            there.of.insert(from, of + 1);
        }
        let pulse = Arc::new(Pulse::new(self.began));
        let number = there.next;
        there.next += 1;
        there.pulses.insert(number, Arc::clone(&pulse));
        self.figures.open.store(there.pulses.len() as u64, Ordering::Relaxed);
        Some(Place { connections: Arc::clone(self), from, number, pulse })
    }

    /// Ends those that take too long.
    pub(super) fn end_overdue(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(NEVER);
        let overdue: Vec<_> =
            self.there().pulses.values().filter(|pulse| pulse.is_overdue(now)).map(Arc::clone).collect();
        for pulse in overdue {
            count(&self.figures.overdue);
            pulse.tell(Order::End);
        }
    }

    /// Tells all of them.
    pub(super) fn tell(&self, order: Order) {
        for pulse in self.there().pulses.values() {
            pulse.tell(order);
        }
    }

    /// Waits until there is none.
    pub(super) async fn none_left(&self) {
        loop {
            let gone = self.gone.notified();
            if self.there().pulses.is_empty() {
                return;
            }
            gone.await;
        }
    }
}

/// Whom to count an address to: somebody has a whole /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    from: Option<IpAddr>,
    number: u64,
    pub(super) pulse: Arc<Pulse>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut there = self.connections.there();
        there.pulses.remove(&self.number);
        if let Some(from) = self.from {
            let left = there.of.get_mut(&from).map(|of| {
                *of -= 1;
                *of
            });
            if left == Some(0) {
                there.of.remove(&from);
            }
        }
        self.connections.figures.open.store(there.pulses.len() as u64, Ordering::Relaxed);
        if there.pulses.is_empty() {
            self.connections.gone.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(most: usize, of_one: usize) -> Arc<Connections> {
        Connections::new(most, of_one, Arc::default())
    }

    #[test]
    fn there_is_room_for_so_many_in_all_and_of_one_address() {
        let all = connections(3, 2);
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = all.place(Some(one)).unwrap();
        let second = all.place(Some(one)).unwrap();
        assert!(all.place(Some(one)).is_none());
        let third = all.place(Some(other)).unwrap();
        assert!(all.place(None).is_none());
        drop(first);
        let again = all.place(Some(one)).unwrap();
        drop((second, third, again));
        assert!(all.there().of.is_empty() && all.there().pulses.is_empty());
    }

    #[test]
    fn a_whole_network_of_ipv6_is_one_address() {
        let all = connections(10, 1);
        let _one = all.place(Some("2001:db8::1".parse().unwrap())).unwrap();
        assert!(all.place(Some("2001:db8::ffff:1".parse().unwrap())).is_none());
        assert!(all.place(Some("2001:db8:0:1::1".parse().unwrap())).is_some());
    }

    #[tokio::test]
    async fn whoever_takes_too_long_is_ended_and_nobody_while_he_is_answered() {
        let all = connections(10, 10);
        let (slow, served, quick) =
            (all.place(None).unwrap(), all.place(None).unwrap(), all.place(None).unwrap());
        slow.pulse.read_within(Duration::ZERO);
        served.pulse.read_within(Duration::ZERO);
        served.pulse.answering();
        quick.pulse.read_within(Duration::from_secs(60));
        all.end_overdue();
        assert_eq!(slow.pulse.order(Order::GoOn).await, Order::End);
        assert_eq!(served.pulse.order.load(Ordering::Relaxed), 0);
        served.pulse.answered(Duration::from_secs(60));
        served.pulse.write_within(Duration::ZERO);
        all.end_overdue();
        assert_eq!(served.pulse.order(Order::Finish).await, Order::End);
        assert_eq!(quick.pulse.order.load(Ordering::Relaxed), 0);
    }
}
