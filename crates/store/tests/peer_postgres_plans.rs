//! How PostgreSQL answers what it is asked.

#![cfg(feature = "postgres")]

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tenko_store::postgres::plans::statements;
use tenko_store::testkit_postgres::Database;
use tenko_store::{PostgresStore, Store as _};

/// The plan for whatever the parameters are, where tables are so large that they are not read whole if that can be
/// avoided.
async fn plan(connection: &mut PgConnection, sql: &str) -> String {
    let parameters = (1..=19).filter(|number| sql.contains(&format!("${number}"))).count();
    let nulls = vec!["null"; parameters].join(", ");
    let given = if nulls.is_empty() { String::new() } else { format!("({nulls})") };
    let text = format!("deallocate all; prepare asked as {sql}; explain (costs off) execute asked{given}");
    let rows = sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(connection).await;
    let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.iter().map(|row| format!("{}\n", row.get::<&str, _>(0))).collect()
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn fault_23_postgres_finds_everything_by_indexes() {
    let database = Database::create().await;
    PostgresStore::new(&database.url()).unwrap().load().await.unwrap();
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    let settings =
        "set search_path to tenko; set plan_cache_mode to force_generic_plan; set enable_seqscan to off";
    sqlx::raw_sql(settings).execute(&mut connection).await.unwrap();
    let mut whole = Vec::new();
    for (name, sql) in statements() {
        let plan = plan(&mut connection, sql).await;
        if plan.contains("Seq Scan") {
            whole.push(format!("{name}:\n{plan}"));
        }
    }
    assert!(whole.is_empty(), "read whole:\n{}", whole.join("\n"));
}
