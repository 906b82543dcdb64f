#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::super::address::Address;
use super::*;
use crate::testkit_postgres::Server;

async fn number_of_another(connections: &Connections) -> u64 {
    let mut lease = connections.lease("test").await.unwrap();
    let row =
        sqlx::query("select pg_current_xact_id()::text as number").fetch_one(&mut lease.used.connection);
    let number = row.await.unwrap().try_get::<String, _>("number").unwrap();
    lease.give_back();
    number.parse().unwrap()
}

async fn begin(connections: &Connections) -> (Lease<'_>, Begun) {
    let mut lease = connections.lease("test").await.unwrap();
    let rows = sqlx::raw_sql("begin; select pg_current_xact_id()::text as number");
    let rows = rows.fetch_all(&mut lease.used.connection).await.unwrap();
    let begun = Begun { number: rows[0].try_get("number").unwrap(), life: lease.used.life };
    (lease, begun)
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn fault_17_a_transaction_whose_number_was_given_again_after_a_crash_is_not_taken_for_done() {
    let mut server = Server::start(&[]);
    let connections = Connections::new(Address::parse(&server.url()).unwrap());
    let (lease, begun) = begin(&connections).await;
    let number: u64 = begun.number.clone().unwrap().parse().unwrap();
    // Nothing of it has reached the disk.
    server.stop_immediately();
    server.start_again();
    drop(lease);
    assert!(number_of_another(&connections).await <= number, "numbers are given again");
    while number_of_another(&connections).await < number {}
    assert_eq!(connections.what_became_of(begun).await, None);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn fault_17_what_became_of_a_transaction_is_known_while_the_server_lives() {
    let server = Server::start(&[]);
    let connections = Connections::new(Address::parse(&server.url()).unwrap());
    for (end, expected) in [("commit", true), ("rollback", false)] {
        let (mut lease, begun) = begin(&connections).await;
        sqlx::raw_sql(end).execute(&mut lease.used.connection).await.unwrap();
        // The connection broke before this was heard.
        drop(lease);
        assert_eq!(connections.what_became_of(begun).await, Some(expected), "{end}");
    }
}
