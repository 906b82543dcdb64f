//! What goes where: data, remarks, colours, and what comes from outside.

use std::process::Stdio;

use crate::place::{Place, Said};
use crate::roll::five;

const READ: [&[&str]; 6] = [
    &["jobs"],
    &["check"],
    &["show", "backup"],
    &["log", "daily-report", "--output"],
    &["schedule", "0 5 * * *"],
    &["notify", "list"],
];

#[test]
fn there_are_no_colours_but_on_a_terminal_or_when_asked_for() {
    let place = five();
    place.run(&["check"]);
    for args in READ {
        assert!(!place.run(args).out.contains('\u{1b}'), "{args:?}");
    }
    let forced = place.env("CLICOLOR_FORCE", "1");
    let shown = forced.run(&["jobs"]).out;
    assert!(
        shown.contains("\u{1b}[32mup\u{1b}[0m") && shown.contains("\u{1b}[31mdown (failed)\u{1b}[0m"),
        "{shown}"
    );
    let never = forced.env("NO_COLOR", "1");
    assert!(!never.run(&["jobs"]).out.contains('\u{1b}'));
}

#[test]
fn on_a_terminal_there_are_colours_and_no_color_takes_them_away() {
    let place = five();
    place.run(&["check"]);
    assert!(place.on_terminal(&["jobs"]).contains("\u{1b}[31mdown (failed)"));
    let plain = place.env("NO_COLOR", "1");
    assert!(!plain.on_terminal(&["jobs"]).contains('\u{1b}'));
}

#[test]
fn json_is_all_there_is_on_standard_output_and_is_never_coloured() {
    let place = five().env("CLICOLOR_FORCE", "1");
    place.run(&["check"]);
    for args in READ {
        place.json(args);
        assert_eq!(place.run(&[args, &["--json"]].concat()).err, "", "{args:?}");
    }
}

#[test]
fn warnings_go_to_standard_error() {
    let place = Place::with_config("[jobs.a]\nevery = \"1d\"\n");
    let url = format!("file://{}", place.path("store").display());
    let place = place.env("TENKO_STORE", &url);
    std::fs::create_dir(place.path("store")).unwrap();
    place.ok(&["ping", "a"]);
    let only = |dir: std::path::PathBuf| dir.read_dir().unwrap().next().unwrap().unwrap().path();
    let beside_it = only(only(only(place.path("store/evidence"))));
    std::fs::write(beside_it.join("\u{1b}[2Jnotes.txt"), "").unwrap();
    place.session("output-warnings", &[&["check"]]);
}

#[test]
fn a_doubtful_configuration_is_said_to_people_and_not_to_cron() {
    let place = Place::with_config("[jobs.a]\ncron = \"* * * * *\"\ngrace = \"1h\"\n");
    for args in [&["check"] as &[&str], &["jobs"], &["show", "a"], &["log", "a"], &["ping", "a"]] {
        assert!(!place.run(args).err.contains("warning"), "{args:?}");
    }
    assert_eq!(place.run(&["run", "--job", "a", "--", "true"]).err, "");
    assert!(place.run(&["config", "check"]).err.contains("the grace of `a` is longer"));
    assert!(place.on_terminal(&["check"]).contains("the grace of `a` is longer"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = five();
    for args in
        READ.iter().chain(&[&["schedule", "* * * * *", "-n", "5000"] as &[&str], &["--help"], &["man"]])
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = place.command(args).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let said = Said::of(args, output);
        let code = if args[0] == "check" { 1 } else { 0 };
        assert!(said.code == 0 || said.code == code, "{said}");
        assert!(!said.err.contains("error") && !said.err.contains("panic"), "{said}");
    }
}

#[test]
fn a_full_disk_behind_standard_output_is_an_error() {
    let place = five();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = place.command(&["jobs"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    place.snapshot("output-full", &Said::of(&["jobs"], output).to_string());
}

/// Recolours, rings, clears, reorders, breaks the line, fakes a row, sets the title of the window.
const HOSTILE: &str = "\u{1b}[31mred\u{1b}[2J\u{7}\u{202e}drow\u{202c}\u{9b}31m\r\nfake-job  up\u{2028}x\u{200b}\u{1b}]0;title\u{7}";

#[test]
fn fault_78_texts_of_jobs_are_harmless_wherever_they_are_shown() {
    let place = Place::empty().env("CLICOLOR_FORCE", "1");
    place.ok(&["ping", "a", "fail", "-m", HOSTILE, "--every", "1d"]);
    let hostile = place.write("print.sh", &format!("cat <<'END'\n{HOSTILE}\nEND\nexit 3\n"));
    place.run(&["run", "--job", "a", "--", "sh", hostile.to_str().unwrap()]);
    let calls: [&[&str]; 5] =
        [&["check"], &["jobs"], &["show", "a"], &["log", "a"], &["log", "a", "--output"]];
    for args in calls {
        let said = place.run(args);
        let ours = said.out.replace("\u{1b}[31mdown", "down").replace("\u{1b}[0m", "");
        let odd = |c: char| {
            (c.is_control() && c != '\n') || matches!(c, '\u{200b}' | '\u{202a}'..='\u{202e}' | '\u{2028}')
        };
        assert!(!ours.contains(odd), "{args:?}: {ours:?}");
    }
    let shown = place.run(&["show", "a"]).out;
    assert!(!shown.lines().any(|line| line.starts_with("fake-job")), "{shown}");
    let log = place.run(&["log", "a"]).out;
    assert!(!log.lines().any(|line| line.starts_with("fake-job")), "{log}");
    let plain = place.env("NO_COLOR", "1");
    plain.session("output-hostile", &[&["show", "a"], &["log", "a"], &["log", "a", "--output"]]);
}

#[test]
fn fault_78_hostile_arguments_are_harmless_in_errors() {
    let place = Place::empty().env("CLICOLOR_FORCE", "1");
    let calls: [&[&str]; 6] = [
        &["show", HOSTILE],
        &["check", HOSTILE],
        &["ping", HOSTILE],
        &["notify", "test", HOSTILE],
        &["schedule", HOSTILE],
        &["check", "--store", HOSTILE],
    ];
    for args in calls {
        let said = place.run(args);
        assert!(!said.err.contains("\u{1b}[2J") && !said.err.contains(['\u{202e}', '\u{7}']), "{said}");
        assert_eq!(said.code, 2, "{said}");
    }
}

#[test]
fn fault_63_bytes_that_are_no_text_count_all_the_same() {
    let place = Place::empty();
    let cut_letter = [vec![b'x'; 9_999], "ā".into()].concat();
    for (job, bytes) in [("odd", b"\xff\x00\xfe".to_vec()), ("cut", cut_letter)] {
        let mut child = place.command(&["ping", job, "-m", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &bytes).unwrap();
        assert!(child.wait().unwrap().success());
        let log = place.json(&["log", job]);
        assert_eq!(log[0]["kind"], "success", "{log}");
        assert!(log[0]["report"]["output"]["head"].as_str().unwrap().ends_with('\u{fffd}'), "{job}");
    }
    let verdicts = place.json(&["check"]);
    assert!(verdicts["jobs"].as_array().unwrap().iter().all(|job| job["verdict"] == "up"), "{verdicts}");
}
