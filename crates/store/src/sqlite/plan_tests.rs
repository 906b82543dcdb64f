//! That what is asked again and again is found by indexes.

use rusqlite::Connection;

use super::{addresses, entries, evidence, outbox, schema, stretches};

fn plan(connection: &Connection, sql: &str) -> String {
    let mut statement = connection.prepare(&format!("explain query plan {sql}")).unwrap();
    let lines = statement.raw_query().mapped(|row| row.get::<_, String>(3));
    lines.map(|line| line.unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn fault_23_what_servers_look_for_is_found_by_indexes() {
    let connection = Connection::open_in_memory().unwrap();
    schema::MIGRATIONS.iter().for_each(|step| connection.execute_batch(step).unwrap());
    let claimable = outbox::claimable();
    let (ready, next, unheard) = (outbox::ready(), outbox::next(), evidence::unheard_sql());
    let of_job = outbox::stored_of_job();
    let mut told = String::new();
    for (name, sql) in [
        ("an entry", entries::FIND),
        ("due", entries::DUE),
        ("the next look", entries::NEXT_LOOK),
        ("names", entries::NAMES),
        ("unheard evidence", &unheard),
        ("where evidence was heard", evidence::HEARD),
        ("items of a job", outbox::OF_JOB),
        ("stored items of a job", &of_job),
        ("what can be claimed", &claimable),
        ("channels to tell", &ready),
        ("the next claim", &next),
        ("an item", outbox::FIND),
        ("dead items", outbox::DEAD),
        ("a job at an address", addresses::JOB_AT),
        ("an address", addresses::ADDRESS_OF),
    ] {
        told += &format!("# {name}\n{}\n", plan(&connection, sql));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn fault_23_evidence_of_a_time_is_found_by_stretches() {
    let connection = Connection::open_in_memory().unwrap();
    schema::MIGRATIONS.iter().for_each(|step| connection.execute_batch(step).unwrap());
    let mut told = String::new();
    for (name, sql) in [
        ("of a job", evidence::of_job_between_sql()),
        ("of all jobs", evidence::between_sql()),
        ("the oldest", stretches::OLDEST.into()),
        ("stretches with old evidence", stretches::AGED.into()),
        ("old reports", stretches::remove_sql("reports")),
        ("old evidence that nobody heard", stretches::remove_sql("unheard")),
        ("old evidence", stretches::remove_sql("evidence")),
        ("an empty stretch", stretches::EMPTIED.into()),
        ("the bounds of a stretch", stretches::NARROW.into()),
    ] {
        told += &format!("# {name}\n{}\n", plan(&connection, &sql));
    }
    insta::assert_snapshot!(told);
}
