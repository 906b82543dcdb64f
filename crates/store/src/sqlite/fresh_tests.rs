use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;
use tenko_core::roll::Changes;
use tenko_core::{Declaration, JobState, Slug};

use super::entries::{self, Stored};
use super::fresh::{MOST, States};
use super::known::Known;
use super::writer::{Desk, in_transaction};
use super::{rolls, schema};
use crate::Commit;
use crate::conformance::{after, declaration, now, slug, state};
use crate::live::{Entry, Kept};

const JOBS: i64 = 6;

/// What one of two processes does in a transaction.
#[derive(Clone, Debug)]
enum Step {
    /// Decides about jobs.
    Decide(Vec<(i64, Decided)>),
    /// Does so, and something goes wrong before the end.
    Fail(Vec<(i64, Decided)>),
    /// Is replaced by another.
    Restart,
    /// Calls the roll, of which the states of these jobs change.
    CallTheRoll(Vec<(i64, i64)>),
}

#[derive(Clone, Debug)]
enum Decided {
    /// Another state, and whether it looks again at another time.
    State(i64, bool),
    /// Another state, and another declaration.
    Declared(i64, i64),
    /// Only a declaration is left.
    Unjudged(i64),
    /// Nothing is left.
    Forgotten,
}

fn decided() -> impl Strategy<Value = Decided> {
    prop_oneof![
        12 => (0..1_000_i64, any::<bool>()).prop_map(|(seed, wakes)| Decided::State(seed, wakes)),
        2 => (0..1_000_i64, 0..3_i64).prop_map(|(seed, said)| Decided::Declared(seed, said)),
        1 => (0..3_i64).prop_map(Decided::Unjudged),
        1 => Just(Decided::Forgotten),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let decisions = || prop::collection::vec((0..JOBS, decided()), 0..5);
    prop_oneof![
        12 => decisions().prop_map(Step::Decide),
        2 => decisions().prop_map(Step::Fail),
        1 => Just(Step::Restart),
        1 => prop::collection::vec((0..JOBS, 0..1_000_i64), 1..3).prop_map(Step::CallTheRoll),
    ]
}

/// A process that has the file open.
struct Process {
    connection: Connection,
    known: Known,
}

impl Process {
    fn new(place: &TempDir) -> Self {
        let connection = Connection::open(place.path().join("tenko.db")).unwrap();
        Self { connection, known: Known::default() }
    }

    fn write(&mut self, work: impl FnOnce(&mut Desk<'_>) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
        let known = &mut self.known;
        let written = in_transaction(&mut self.connection, |connection| {
            known.begin(connection)?;
            work(&mut Desk { connection, known: &mut *known })?;
            known.end(connection)
        });
        written.inspect_err(|_| self.known.forget_all())
    }
}

/// Two processes, and what should be in the file.
struct Tried {
    processes: [Process; 2],
    entries: BTreeMap<Slug, Entry>,
    place: TempDir,
}

fn job(number: i64) -> Slug {
    slug(&format!("job-{number}"))
}

fn said(number: i64) -> Declaration {
    declaration(&format!("rid-{number}"))
}

impl Tried {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let processes = [Process::new(&place), Process::new(&place)];
        let first = &processes[0].connection;
        first.execute_batch("pragma journal_mode = wal; pragma synchronous = off").unwrap();
        schema::MIGRATIONS.iter().for_each(|step| first.execute_batch(step).unwrap());
        Self { processes, entries: BTreeMap::new(), place }
    }

    fn take(&mut self, who: usize, step: &Step) {
        match step {
            Step::Decide(decisions) => {
                let mut entries = self.entries.clone();
                self.processes[who].write(|desk| decide(desk, &mut entries, decisions)).unwrap();
                self.entries = entries;
            }
            Step::Fail(decisions) => {
                let mut entries = self.entries.clone();
                let failed = self.processes[who].write(|desk| {
                    decide(desk, &mut entries, decisions)?;
                    Err(rusqlite::Error::QueryReturnedNoRows)
                });
                failed.unwrap_err();
            }
            Step::Restart => self.processes[who] = Process::new(&self.place),
            Step::CallTheRoll(states) => self.call_the_roll(who, states),
        }
    }

    fn call_the_roll(&mut self, who: usize, states: &[(i64, i64)]) {
        let found = rolls::load(&self.processes[who].connection).unwrap();
        let mut roll = found.roll;
        for (number, seed) in states {
            let state = state(*seed);
            roll.states.insert(job(*number), state.clone());
            self.entries.entry(job(*number)).or_default().state = Some(state);
        }
        let changes =
            Changes { jobs: states.iter().map(|(number, _)| job(*number)).collect(), ..Changes::default() };
        let part = rolls::Part::of(found.version, &roll, &changes);
        let commit = |desk: &mut Desk<'_>| {
            assert!(matches!(rolls::commit(desk, &part, now())?, Commit::Won(_)));
            Ok(())
        };
        self.processes[who].write(commit).unwrap();
    }

    /// Whoever looks sees the newest states.
    fn is_right(&mut self) {
        for process in &mut self.processes {
            let roll = rolls::load(&process.connection).unwrap().roll;
            let states: BTreeMap<Slug, JobState> = self
                .entries
                .iter()
                .filter_map(|(job, entry)| Some((job.clone(), entry.state.clone()?)))
                .collect();
            assert_eq!(roll.states, states);
            let fresh = States::read(&process.connection).unwrap();
            assert!(fresh.length < 3 * MOST, "{}", fresh.length);
            for number in 0..JOBS {
                let meant = self.entries.get(&job(number)).cloned().unwrap_or_default();
                let read = Stored::read(&process.connection, &fresh, &job(number)).unwrap();
                assert_eq!(read.entry, meant);
                process
                    .write(|desk| {
                        assert_eq!(desk.known.job(desk.connection, &job(number))?.entry, meant);
                        Ok(())
                    })
                    .unwrap();
            }
        }
    }
}

fn decide(
    desk: &mut Desk<'_>,
    entries: &mut BTreeMap<Slug, Entry>,
    decisions: &[(i64, Decided)],
) -> rusqlite::Result<()> {
    for (number, decided) in decisions {
        let entry = entries.entry(job(*number)).or_default();
        let mut wake_at = Some(now());
        match decided {
            Decided::State(seed, wakes) => {
                entry.state = Some(state(*seed));
                wake_at = Some(after(now(), if *wakes { *seed } else { 0 }));
            }
            Decided::Declared(seed, number) => {
                (entry.state, entry.declaration) = (Some(state(*seed)), Some(said(*number)));
            }
            Decided::Unjudged(number) => (entry.state, entry.declaration) = (None, Some(said(*number))),
            Decided::Forgotten => *entry = Entry::default(),
        }
        entries::keep(
            desk,
            Kept { job: job(*number), entry: entry.clone(), wake_at },
            Timestamp::UNIX_EPOCH,
        )?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whoever_looks_sees_what_was_decided_last(steps in prop::collection::vec((0..2_usize, step()), 1..25)) {
        let mut tried = Tried::new();
        for (who, step) in &steps {
            tried.take(*who, step);
            tried.is_right();
        }
    }
}

#[test]
fn what_gathers_is_moved_bit_by_bit_to_where_states_are() {
    let mut tried = Tried::new();
    let texts = |tried: &Tried, sql| {
        let mut rows = tried.processes[1].connection.prepare(sql).unwrap();
        rows.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap).collect::<Vec<_>>()
    };
    let all = (0..JOBS).map(|number| (number, Decided::State(0, false)));
    tried.take(0, &Step::Decide(all.collect()));
    let (mut seen, mut moved) = (Vec::new(), 0);
    for round in 1..=200 {
        let before = texts(&tried, "select state from states order by job");
        tried.take(0, &Step::Decide(vec![(round % JOBS, Decided::State(round, false))]));
        let after = texts(&tried, "select state from states order by job");
        let now = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        assert!(now <= 2, "{now} at once");
        moved += now;
        seen.push(texts(&tried, "select hex(states) from fresh").len());
    }
    tried.is_right();
    let shorter = seen.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(shorter > 3 && moved > 10, "{moved} moved; rows: {seen:?}");
}
