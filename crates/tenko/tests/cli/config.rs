//! `init` and `config`.

use crate::place::Place;

#[test]
fn init_writes_a_configuration_that_passes_and_never_overwrites() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::empty().env("TZ", "Asia/Tokyo");
    place.session(
        "init",
        &[&["config", "check"], &["init"], &["config", "check"], &["init"], &["init", "no/such/dir.toml"]],
    );
    assert!(place.ok(&["config", "show"]).contains("timezone = \"Asia/Tokyo\""));
    let mode = place.path("tenko.toml").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_init_leaves_commented_out_is_right_too() {
    let place = Place::empty().env("SLACK_WEBHOOK_URL", "https://hooks.slack.example/T0/B0/x");
    place.ok(&["init"]);
    let code = |line: &str| line.starts_with('[') || line.contains(" = ");
    let text = place.read("tenko.toml");
    let bare = text.lines().map(|line| line.strip_prefix("# ").filter(|rest| code(rest)).unwrap_or(line));
    place.write("tenko.toml", &bare.collect::<Vec<_>>().join("\n"));
    assert_eq!(place.ok(&["config", "check"]), "tenko.toml: 1 job, 1 channel\n");
}

#[test]
fn init_writes_where_the_option_says() {
    let place = Place::empty();
    place.ok(&["--config", "other.toml", "init"]);
    place.ok(&["--config", "other.toml", "config", "check"]);
}

/// Three errors in one file: an unknown key, an impossible day, an unknown zone.
const BROKEN: &str = r#"
timezone = "Asia/Tokio"

[channels.ops]
slack = "https://hooks.slack.com/services/T0/B0/planted-secret"

[jobs.nightly]
cron = "0 25 * * *"
notfy = ["ops"]
"#;

#[test]
fn all_errors_of_a_file_are_shown_at_once() {
    let place = Place::with_config(BROKEN);
    place.session("config-broken", &[&["config", "check"], &["check"], &["jobs"]]);
    let said = place.run(&["config", "check"]);
    assert_eq!(said.err.matches("error: ").count(), 3, "{said}");
    assert!(!said.err.contains("planted-secret"));
}

#[test]
fn what_is_in_force_is_shown_without_secrets() {
    let config = r#"
store = "file:///srv/rollcall"
timezone = "Asia/Tokyo"
language = "ja"

[channels.ops]
slack = "env:SLACK_WEBHOOK_URL"

[channels.pager.webhook]
url = "https://pager.example/planted-secret"
headers = { Authorization = "env:PAGER_TOKEN" }

[jobs.daily-report]
cron = "0 5 * * *"
grace = "30m"
notify = ["ops"]
"#;
    let place = Place::with_config(config)
        .env("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/planted-secret")
        .env("PAGER_TOKEN", "Bearer planted-secret");
    place.session("config-show", &[&["config", "check"], &["config", "show"]]);
    let shown = place.run(&["config", "show"]).to_string();
    assert!(!shown.contains("planted-secret"), "{shown}");
}

#[test]
fn a_secret_that_is_not_there_is_named() {
    let config = "[channels.ops]\nslack = \"env:SLACK_WEBHOOK_URL\"\n[channels.pager]\nslack = \"file:no-such-file\"\n";
    Place::with_config(config).session("config-secret-missing", &[&["config", "check"]]);
}

#[test]
fn the_schema_is_json_and_the_example_passes() {
    let place = Place::empty();
    let schema: serde_json::Value = serde_json::from_str(&place.ok(&["config", "schema"])).unwrap();
    assert!(schema["properties"]["jobs"].is_object(), "{schema}");
    let example = place.ok(&["config", "example"]);
    place.write("tenko.toml", &example);
    let names = [
        "SLACK_WEBHOOK_URL",
        "PAGER_URL",
        "HEARTBEAT_URL",
        "SMTP_PASSWORD",
        "PAGER_TOKEN",
        "PAGER_KEY",
        "METRICS_KEY",
    ];
    let place = names.into_iter().fold(place, |place, name| place.env(name, "https://example.org/secret"));
    let place = place.env("PING_KEY", "gt0bh4bkrm5fapcm0bqwbx");
    assert_eq!(place.ok(&["config", "check"]), "tenko.toml: 8 jobs, 4 channels\n");
}

#[test]
fn what_is_no_configuration_is_refused_in_one_sentence() {
    let place = Place::empty();
    std::fs::create_dir(place.path("dir.toml")).unwrap();
    std::fs::File::create(place.path("huge.toml")).unwrap().set_len(50 << 20).unwrap();
    std::fs::write(place.path("binary.toml"), [b'a', b'\n', 0xff, 0xfe]).unwrap();
    std::os::unix::fs::symlink("loop.toml", place.path("loop.toml")).unwrap();
    let check = |file| ["--config", file, "config", "check"];
    place.session(
        "config-not-a-file",
        &[
            &check("gone.toml"),
            &check("dir.toml"),
            &check("huge.toml"),
            &check("binary.toml"),
            &check("loop.toml"),
        ],
    );
}

#[test]
fn a_configuration_that_may_not_be_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_config("");
    std::fs::set_permissions(place.path("tenko.toml"), PermissionsExt::from_mode(0o000)).unwrap();
    // Root reads everything, so it is somebody else who asks.
    let said = place.as_nobody(&["config", "check"]);
    place.snapshot("config-unreadable", &said.to_string());
}
