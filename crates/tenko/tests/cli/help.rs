//! The command line's own description, and what is said of a call that is wrong.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::place::Place;

const COMMANDS: [&str; 25] = [
    "init",
    "run",
    "ping",
    "check",
    "watch",
    "serve",
    "healthy",
    "jobs",
    "show",
    "log",
    "gaps",
    "pause",
    "resume",
    "forget",
    "schedule",
    "flush",
    "key",
    "backup",
    "restore",
    "migrate",
    "notify",
    "config",
    "aws",
    "completions",
    "man",
];

#[test]
fn help_of_the_main_command() {
    Place::empty().session("help", &[&["--help"], &["-h"]]);
}

#[test]
fn help_of_every_command() {
    let place = Place::empty();
    let mut subject: Vec<Vec<&str>> = COMMANDS.iter().map(|name| vec![*name]).collect();
    for (name, actions) in [
        ("notify", ["test", "list", "retry", "dismiss"]),
        ("config", ["check", "show", "schema", "example"]),
        ("aws", ["template", "policy", "cost", "presign"]),
    ] {
        subject.extend(actions.map(|action| vec![name, action]));
    }
    subject.extend(["add", "list", "revoke"].map(|action| vec!["key", action]));
    subject.extend(["writer", "checker", "bucket"].map(|role| vec!["aws", "policy", role]));
    for mut args in subject {
        let name = format!("help-{}", args.join("-"));
        args.push("--help");
        place.session(&name, &[&args]);
    }
}

#[test]
fn the_list_of_commands_is_complete() {
    let help = Place::empty().ok(&["--help"]);
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty() && *name != "help").collect();
    assert_eq!(names, COMMANDS);
}

#[test]
fn version_is_that_of_the_package() {
    assert_eq!(Place::empty().ok(&["--version"]), format!("tenko {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_calls_are_explained_and_end_with_2() {
    let place = Place::empty();
    place.session(
        "usage-errors",
        &[
            &[],
            &["chekc"],
            &["check", "--jsno"],
            &["show"],
            &["schedule"],
            &["log", "a", "-n", "many"],
            &["check", "--at", "2026-11-24T05:00"],
            &["completions", "ksh"],
            &["man", "chekc"],
            &["notify", "retry", "seven"],
        ],
    );
}

#[test]
fn completions_name_every_command_in_every_shell() {
    let place = Place::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = place.ok(&["completions", shell]);
        assert!(COMMANDS.iter().all(|name| text.contains(name)), "{shell}: {text}");
    }
}

#[test]
fn bash_can_read_its_completions() {
    let text = Place::empty().ok(&["completions", "bash"]);
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(bash.wait().unwrap().success());
}

#[test]
fn there_is_a_manual_page_for_all_and_for_each() {
    let place = Place::empty();
    let main = place.ok(&["man"]);
    assert!(main.contains("\n.TH tenko 1 "), "{main}");
    for name in COMMANDS {
        let page = place.ok(&["man", name]);
        assert!(page.contains(&format!("\n.TH tenko-{name} 1 ")), "{page}");
        assert!(page.contains(".SH SYNOPSIS") && page.contains(&format!("\\fBtenko {name}\\fR")), "{page}");
    }
}

#[test]
fn the_page_about_commands_has_every_command_and_every_option() {
    let page = include_str!("../../../../docs/commands.md");
    let place = Place::empty();
    for command in COMMANDS {
        assert!(page.contains(&format!("tenko {command}")), "docs/commands.md says nothing of {command}");
        let help = place.ok(&[command, "--help"]);
        let words = help.split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
        for option in words.filter(|word| word.starts_with("--")) {
            assert!(page.contains(option), "docs/commands.md says nothing of {option} of {command}");
        }
    }
}
