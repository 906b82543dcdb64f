use jiff::Timestamp;
use proptest::prelude::*;
use rusqlite::Connection;
use tenko_core::{Evidence, Kind};

use super::known::Known;
use super::writer::Desk;
use super::{evidence, rolls, schema, stretches};
use crate::conformance::{evidence as piece, full_report, names_of, slug};

const JOBS: i64 = 3;

/// What happens to a store. Times are seconds.
#[derive(Clone, Debug)]
enum Step {
    /// Evidence of some jobs arrives, each piece so long after it happened, or before.
    Append(Vec<(i64, i64)>),
    /// It arrives again.
    Again,
    /// So much else was added, and is gone.
    Skip(i64),
    /// What happened so long before now is removed.
    Prune(i64),
}

fn lag() -> impl Strategy<Value = i64> {
    prop_oneof![6 => -2..5_i64, 2 => 0..4_000_i64, 1 => -4_000..0_i64, 1 => Just(1_700_000_000)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec((0..JOBS, lag()), 0..12).prop_map(Step::Append),
        1 => Just(Step::Again),
        3 => (0..5_000_i64).prop_map(Step::Skip),
        2 => (-500..4_000_i64).prop_map(Step::Prune),
    ]
}

/// A store in memory, and what should be in it in the order in which it was added.
struct Tried {
    connection: Connection,
    known: Known,
    added: Vec<Evidence>,
    now: i64,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

impl Tried {
    fn new() -> Self {
        let connection = Connection::open_in_memory().unwrap();
        schema::MIGRATIONS.iter().for_each(|step| connection.execute_batch(step).unwrap());
        Self { connection, known: Known::default(), added: Vec::new(), now: 1_800_000_000 }
    }

    fn append(&mut self, pieces: &[Evidence], heard: bool) {
        let desk = &mut Desk { connection: &self.connection, known: &mut self.known };
        let append = if heard { evidence::append_heard } else { evidence::append };
        append(desk, pieces, at(self.now)).unwrap();
    }

    fn take(&mut self, step: &Step) {
        self.now += 100;
        match step {
            Step::Append(lags) => {
                let new = lags.iter().map(|(job, lag)| Evidence {
                    report: full_report(),
                    ..piece(&format!("job-{job}"), Kind::Success, at(self.now - lag))
                });
                let new: Vec<_> = new.collect();
                self.append(&new, new.len() % 2 == 0);
                self.added.extend(new);
            }
            Step::Again => self.append(&self.added.clone(), true),
            Step::Skip(numbers) => {
                let sql = "update sqlite_sequence set seq = seq + ?1 where name = 'evidence'";
                self.connection.execute(sql, [numbers]).unwrap();
            }
            Step::Prune(age) => {
                let before = at(self.now - age);
                while rolls::prune(&self.connection, before).unwrap() > 0 {}
                self.added.retain(|piece| piece.at >= before);
            }
        }
    }

    fn is_right(&self) {
        let oldest = self.added.iter().map(|piece| piece.at).min();
        assert_eq!(stretches::oldest(&self.connection).unwrap(), oldest);
        let (now, second) = (self.now, 1);
        for (from, to) in
            [(0, 9_999_999_999), (now - 300, now), (now - 3_000, now - 200), (now + second, now + 900)]
        {
            self.finds(None, from, to);
            (0..=JOBS).for_each(|job| self.finds(Some(&format!("job-{job}")), from, to));
        }
        self.is_exact();
    }

    fn finds(&self, job: Option<&str>, from: i64, to: i64) {
        let (from, to) = (at(from), at(to));
        let found = evidence::between(&self.connection, job.map(slug).as_ref(), from, to).unwrap();
        let is_meant = |piece: &&Evidence| {
            job.is_none_or(|job| piece.job == slug(job)) && piece.at >= from && piece.at < to
        };
        let mut meant: Vec<_> = self.added.iter().filter(is_meant).collect();
        meant.sort_by_key(|piece| piece.at);
        let runs = |pieces: &[&Evidence]| pieces.iter().map(|piece| piece.run).collect::<Vec<_>>();
        assert_eq!(runs(&found.iter().collect::<Vec<_>>()), runs(&meant), "{job:?} {from} {to}");
        assert_eq!(names_of(&found), names_of(meant));
    }

    /// There are the stretches that there should be, and what belongs to evidence is there as long as that is.
    fn is_exact(&self) {
        let rows = |sql: &str| {
            let mut statement = self.connection.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?]));
            rows.unwrap().collect::<rusqlite::Result<Vec<_>>>().unwrap()
        };
        let meant =
            "select seq >> 11 as number, min(at), max(at) from evidence group by number order by number";
        assert_eq!(rows("select * from stretches order by number"), rows(meant));
        let left = "select seq, seq, seq from reports where seq not in (select seq from evidence)
            union all select seq, seq, seq from unheard where seq not in (select seq from evidence)";
        assert_eq!(rows(left), [[0; 3]; 0]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_happened_in_a_time_is_found_however_it_arrived_and_whatever_was_removed(
        steps in prop::collection::vec(step(), 1..25)
    ) {
        let mut tried = Tried::new();
        for step in &steps {
            tried.take(step);
            tried.is_right();
        }
    }
}

/// Far more than is removed at once, over more stretches than are searched at once.
#[test]
fn old_evidence_is_removed_in_portions_wherever_it_lies() {
    let mut tried = Tried::new();
    let piled = |count, lag| Step::Append((0..count).map(|number| (number % JOBS, lag)).collect());
    tried.take(&piled(4_500, 50_000));
    for _ in 0..40 {
        tried.take(&piled(2, 60_000));
        tried.take(&piled(2, 0));
        tried.take(&Step::Skip(4_000));
    }
    tried.is_right();
    let before = at(tried.now - 40_000);
    let mut portions = Vec::new();
    loop {
        match rolls::prune(&tried.connection, before).unwrap() {
            0 => break,
            removed => portions.push(removed),
        }
        tried.is_exact();
    }
    assert_eq!(portions, [1_000, 1_000, 1_000, 1_000, 530, 32, 18]);
    tried.added.retain(|piece| piece.at >= before);
    tried.is_right();
}
