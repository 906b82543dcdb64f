//! Configurations as people write them: what is accepted, and what they read when it is not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use proptest::prelude::*;
use tenko::config::{self, Config, ConfigErrors, Outside};

const NOW: &str = "2026-11-24T12:00:00Z";

fn env(name: &str) -> Option<String> {
    let value = match name {
        "SLACK_WEBHOOK_URL" => "https://hooks.slack.example/T0/B0/verysecret",
        "PAGER_URL" | "HEARTBEAT_URL" => "https://example.org/verysecret",
        "SMTP_PASSWORD" | "PAGER_TOKEN" | "PAGER_KEY" | "API_KEY" | "NOT_A_URL" => "verysecret",
        "PING_KEY" => "verysecretverysecret22",
        "METRICS_KEY" => "verysecret",
        "EMPTY" => " ",
        _ => return None,
    };
    Some(value.to_owned())
}

fn read_file(path: &Path) -> io::Result<String> {
    if path == Path::new("/run/secret") {
        Ok("verysecret\n".into())
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn read(text: &str, exposed: bool) -> (Config, Option<ConfigErrors>) {
    let outside = Outside { env: &env, read_file: &read_file, exposed };
    Config::parse_what_can_be(text, Path::new("tenko.toml"), &outside)
}

fn show(config: &Config) -> String {
    let shown = config::show(config, NOW.parse::<Timestamp>().unwrap());
    assert!(!shown.contains("verysecret"), "{shown}");
    shown
}

fn samples(folder: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sample-configs").join(folder);
    let mut paths: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 3, "{} has {} samples", folder.display(), paths.len());
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

fn settings(folder: &str) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("snapshots/config/{folder}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

#[test]
fn every_invalid_sample_is_explained() {
    settings("invalid").bind(|| {
        for (name, text) in samples("invalid") {
            let errors = read(&text, false).1.unwrap_or_else(|| panic!("{name} was accepted"));
            let shown = errors.to_string();
            assert!(!shown.contains("verysecret") && !shown.contains("very-secret"), "{shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
            insta::assert_snapshot!(name, shown);
        }
    });
}

#[test]
fn every_valid_sample_means_what_is_shown_and_what_is_shown_means_the_same() {
    settings("valid").bind(|| {
        for (name, text) in samples("valid") {
            let (config, errors) = read(&text, false);
            assert_eq!(errors, None, "{name}");
            assert_eq!(config.warnings, [""; 0], "{name}");
            let shown = show(&config);
            insta::assert_snapshot!(name.clone(), shown);
            let readable = shown.replace("\"***\"", "\"https://x.example/\"");
            let (again, errors) = read(&readable, false);
            assert_eq!(errors, None, "{name}\n{shown}");
            let shown_again = show(&again);
            assert_eq!(jobs(&shown_again), jobs(&shown), "{name}");
        }
    });
}

fn jobs(shown: &str) -> &str {
    let start = shown.find("\n[jobs.").unwrap_or(shown.len());
    &shown[start..]
}

#[test]
fn every_doubtful_sample_is_accepted_with_a_warning() {
    settings("warnings").bind(|| {
        for (name, text) in samples("warnings") {
            let (config, errors) = read(&text, true);
            assert_eq!(errors, None, "{name}");
            let shown = config.warnings.join("\n\n");
            assert!(!shown.contains("verysecret"), "{shown}");
            insta::assert_snapshot!(name, shown);
        }
    });
}

#[test]
fn the_example_is_valid_and_shows_every_kind_of_thing() {
    let (config, errors) = read(&config::example(), true);
    assert_eq!(errors, None);
    assert_eq!(config.warnings, [""; 0]);
    assert_eq!((config.channels.len(), config.jobs.len()), (4, 8));
    show(&config);
}

#[test]
fn the_schema_is_json_and_names_every_key_of_the_example() {
    let schema: serde_json::Value = serde_json::from_str(&config::schema()).unwrap();
    let job = &schema["properties"]["jobs"]["additionalProperties"]["properties"];
    let example: toml::Table = config::example().parse().unwrap();
    for key in example.keys() {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
    for table in example["jobs"].as_table().unwrap().values() {
        for key in table.as_table().unwrap().keys() {
            assert!(job[key]["description"].is_string(), "{key}");
        }
    }
    settings("").bind(|| insta::assert_snapshot!("schema", config::schema()));
}

#[test]
fn whoever_goes_on_in_spite_of_errors_has_all_that_is_right() {
    let text = "[channels.ops]\nslack = \"env:NOT_SET\"\n[channels.siren]\ncommand = [\"true\"]\n\
                [jobs.good]\nevery = \"1h\"\nnotify = [\"ops\", \"siren\"]\n[jobs.bad]\nevery = \"x\"\n";
    let (config, errors) = read(text, false);
    assert_eq!(errors.unwrap().count(), 2);
    let jobs: Vec<_> = config.jobs.keys().map(ToString::to_string).collect();
    assert_eq!(jobs, ["good"]);
    let told: Vec<_> = config.jobs["good"].job.channels.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["siren"]);
}

#[test]
fn fault_77_hostile_texts_of_a_megabyte_are_refused_without_much_ado() {
    let texts = [
        "[".repeat(1_000_000),
        "{a=".repeat(300_000),
        "a.".repeat(500_000),
        format!("[{}a]", "a.".repeat(500_000)),
        format!("a = \"{}\" x", "url=".repeat(250_000)),
        format!("cron = \"{}\"", "\\u0030".repeat(160_000)),
    ];
    for text in texts {
        let errors = read(&text, true).1.unwrap();
        assert!(errors.to_string().len() < 5000, "{}", errors.count());
    }
}

#[test]
fn a_thousand_errors_are_counted_and_fifty_shown() {
    let text: String = (0..1000).map(|number| format!("k{number} = 1\n")).collect();
    let errors = read(&text, false).1.unwrap();
    assert_eq!(errors.count(), 1000);
    assert!(errors.to_string().ends_with("and 950 more errors"));
}

mod files {
    use super::*;

    fn refused(name: &str, make: impl FnOnce(&Path)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        make(&path);
        let errors = Config::load(Some(&path)).unwrap_err();
        errors.to_string().replace(folder.path().to_str().unwrap(), "DIR")
    }

    #[test]
    fn what_is_not_a_configuration_is_refused_in_one_sentence() {
        let absent = refused("tenko.toml", |_| {});
        let directory = refused("tenko", |path| std::fs::create_dir(path).unwrap());
        let latin = refused("tenko.toml", |path| std::fs::write(path, b"# ok\nx = \"caf\xe9\"\n").unwrap());
        let below = refused("tenko.toml/x", |path| std::fs::write(path.parent().unwrap(), "").unwrap());
        let large = refused("tenko.toml", |path| {
            std::fs::File::create(path).unwrap().set_len(50_000_000).unwrap();
        });
        insta::assert_snapshot!([absent, directory, latin, below, large].join("\n"));
    }

    #[test]
    fn a_device_without_an_end_is_refused() {
        let errors = Config::load(Some(Path::new("/dev/zero"))).unwrap_err().to_string();
        assert!(errors.contains("larger than 10 MB"), "{errors}");
    }

    #[test]
    fn a_byte_order_mark_and_windows_lines_are_accepted() {
        let (config, errors) = read("\u{feff}[jobs.a]\r\nevery = \"1h\"\r\n", false);
        assert_eq!(errors, None);
        assert_eq!(config.jobs.len(), 1);
    }
}

#[test]
fn fault_83_names_that_differ_in_case_or_come_twice_are_refused() {
    let refused = |text: &str| read(text, false).1.map(|errors| errors.to_string()).unwrap_or_default();
    let cases = refused("[jobs.backup]\nevery = \"1h\"\n[jobs.Backup]\nevery = \"1h\"\n");
    assert!(cases.contains("hint: write backup"), "{cases}");
    let twice = refused("[jobs.backup]\nevery = \"1h\"\n[jobs.backup]\nevery = \"2h\"\n");
    assert!(twice.contains("is given twice"), "{twice}");
    let channels = refused("[channels.Ops]\ncommand = [\"true\"]\n");
    assert!(channels.contains("error"), "{channels}");
}

/// Found by random edits: of a text with a bracket in the wrong place the reader makes a header of a value.
#[test]
fn what_slipped_into_the_place_of_a_headers_name_is_not_shown() {
    let text = "[channels.both][slack = 5\nwebhook = { url = \"env:PAGER_URL\", headers = { A]uthorization = \"verysecret\" } }\"eker]\nheartbeat = { x = [\"verysecret\"] }\n";
    let (config, errors) = read(text, true);
    let errors = errors.unwrap().to_string();
    assert!(!show(&config).contains("verysecret") && !errors.contains("verysecret"), "{errors}");
    let meant = "[channels.a]\nwebhook = { url = \"env:PAGER_URL\", headers = { \"verysecret\" = \"x\", X-Api-Key = \"y\" } }\n";
    let shown = show(&read(meant, false).0);
    assert!(shown.contains("headers.\"***\"") && shown.contains("headers.\"X-Api-Key\""), "{shown}");
}

fn edited() -> impl Strategy<Value = String> {
    let seeds: Vec<_> = ["valid", "invalid"].into_iter().flat_map(samples).map(|(_, text)| text).collect();
    let snippets = [
        "\"", "'", "\"\"\"", "\n", "[", "]", "{", "}", "=", "\\", "\\u", "{%", "日", "\u{1b}", "\r\n",
        "env:", ".",
    ];
    let edit = (any::<prop::sample::Index>(), 0..8usize, prop::sample::select(snippets.to_vec()));
    (prop::sample::select(seeds), prop::collection::vec(edit, 1..8)).prop_map(|(mut text, edits)| {
        for (at, length, snippet) in edits {
            let start = text.floor_char_boundary(at.index(text.len() + 1));
            let end = text.ceil_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end, snippet);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_edit_of_a_configuration_makes_the_reader_panic(text in edited()) {
        let (config, errors) = read(&text, true);
        show(&config);
        for said in errors.iter().map(ToString::to_string).chain(config.warnings) {
            prop_assert!(said.chars().all(|c| c == '\n' || !c.is_control()));
        }
    }
}
