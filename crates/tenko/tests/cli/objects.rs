//! Plain objects whose store does not answer: could not tell is not down.

use jiff::{SignedDuration, Timestamp};

use crate::place::Place;

#[test]
fn an_object_that_nobody_can_look_at_is_unknown_and_the_exit_code_is_3() {
    let config = r#"
[jobs.legacy-batch]
cron = "0 * * * *"
grace = "30m"
since = 2026-01-01
object = "s3://hoge-bucket/{date}/evidence.txt"
"#;
    let place = Place::with_config(config)
        .env("AWS_ACCESS_KEY_ID", "x")
        .env("AWS_SECRET_ACCESS_KEY", "planted-secret");
    let place = place.env("AWS_REGION", "eu-central-1").env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    let place = place.env("AWS_ALLOW_HTTP", "true");
    place.session(
        "objects-unknown",
        &[&["check"], &["check"], &["jobs"], &["show", "legacy-batch"], &["check", "--json"]],
    );
    assert_eq!(place.run(&["check"]).code, 3);
    assert!(!place.run(&["check"]).to_string().contains("planted-secret"));
}

#[test]
fn an_object_in_a_directory_is_seen_or_missed() {
    let yesterday = &(Timestamp::now() - SignedDuration::from_hours(24)).to_string()[..10];
    let place = Place::empty();
    let dir = place.path("drop");
    std::fs::create_dir(&dir).unwrap();
    place.write(
        "tenko.toml",
        &format!(
            "[jobs.backup]\ncron = \"0 0 * * *\"\ngrace = \"1s\"\nsince = {yesterday}\nobject = \"file://{}/{{date}}.tar\"\n",
            dir.display()
        ),
    );
    let said = place.run(&["check"]);
    assert!(said.code == 1 && said.out.contains("down (missed)"), "{said}");
    for day in [yesterday, &Timestamp::now().to_string()[..10]] {
        place.write(&format!("drop/{day}.tar"), "all of it");
    }
    let said = place.run(&["check"]);
    assert!(said.code == 0 && said.out.contains(" up "), "{said}");
}
