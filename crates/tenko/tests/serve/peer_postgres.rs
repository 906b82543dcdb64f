//! The commands for a store in PostgreSQL.

use tenko_store::testkit_postgres::Database;

use crate::world::Place;

const JOBS: &str = "[jobs.daily]\nevery = \"1d\"\ngrace = \"1h\"\n[jobs.other]\nevery = \"1d\"\n";

fn verdicts(place: &Place, store: &str) -> Vec<(String, String)> {
    let said = place.ok(&["--store", store, "jobs", "--json"]);
    let jobs: serde_json::Value = serde_json::from_str(&said).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let verdict = |job: &serde_json::Value| (text(&job["job"]), text(&job["verdict"]));
    jobs["jobs"].as_array().unwrap().iter().map(verdict).collect()
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_store_moves_from_sqlite_to_postgres_and_back() {
    let place = Place::new(JOBS);
    let server = place.serve();
    server.ping("daily");
    server.ping("other/fail");
    server.stop();
    place.ok(&["backup", "sqlite.tenko"]);
    let before: Vec<_> = [("daily", "up"), ("other", "down")].map(|(job, is)| (job.into(), is.into())).into();

    let database = Database::create().await;
    let postgres = database.url();
    let said = place.ok(&["--store", &postgres, "restore", "sqlite.tenko"]);
    assert!(said.contains("2 pieces of evidence, 2 jobs"), "{said}");
    assert_eq!(verdicts(&place, &postgres), before);
    let refused = place.run(&["--store", &postgres, "restore", "sqlite.tenko"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is not empty"));

    let server = place.serve_with(|command| command.env("TENKO_STORE", &postgres));
    assert_eq!(server.ping("other"), "HTTP/1.1 200 OK");
    assert_eq!(server.ping("nobody"), "HTTP/1.1 404 Not Found");
    assert_eq!(server.ping("nobody?rid=x"), "HTTP/1.1 404 Not Found");
    let said = place.ok(&["--store", &postgres, "backup", "postgres.tenko"]);
    assert!(said.contains("3 pieces of evidence, 2 jobs"), "{said}");
    server.stop();

    let back = format!("sqlite://{}", place.path("back.db").display());
    place.ok(&["--store", &back, "restore", "postgres.tenko"]);
    assert_eq!(verdicts(&place, &back), verdicts(&place, &postgres));
    assert!(place.ok(&["--store", &back, "log", "other"]).contains("success"));
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn migrate_makes_the_tables_once_and_says_so() {
    let (place, database) = (Place::new(""), Database::create().await);
    let url = database.url();
    let migrate = |more: &[&str]| place.ok(&[&["--store", &url, "migrate"], more].concat());
    assert!(migrate(&["--dry-run"]).contains("would be brought from nothing to version 1"));
    assert!(migrate(&["--dry-run"]).contains("would be brought from nothing to version 1"));
    assert!(migrate(&[]).contains("was brought from nothing to version 1"));
    assert!(migrate(&[]).contains("is up to date, at version 1"));
}
