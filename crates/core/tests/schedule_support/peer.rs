//! Programs outside that answer the same questions.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde::{Serialize, de::DeserializeOwned};

/// Gives the cases to a script of `tests/oracles` as JSON and reads its answers.
pub fn ask<C: Serialize, A: DeserializeOwned>(script: &str, cases: &[C]) -> Vec<A> {
    let peers = std::env::var_os("TENKO_PEERS").expect("TENKO_PEERS names the virtualenv of the oracles");
    let python = PathBuf::from(peers).join("bin/python");
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/oracles").join(script);
    let mut command = Command::new(python);
    // Zones from PyPI `tzdata`, not from a host whose rules may be older than those compiled in.
    command.arg(script).env("PYTHONTZPATH", "");
    let output = feed(command, &serde_json::to_vec(cases).unwrap());
    let answers: Vec<A> = serde_json::from_slice(&output).unwrap();
    assert_eq!(answers.len(), cases.len());
    answers
}

/// The zones of PyPI `tzdata`: those of the host may be older than the ones compiled in.
pub fn zone_directory() -> PathBuf {
    let peers = std::env::var_os("TENKO_PEERS").expect("TENKO_PEERS names the virtualenv of the oracles");
    let mut lib = std::fs::read_dir(PathBuf::from(peers).join("lib")).unwrap();
    let python = lib.next().expect("the virtualenv has a lib").unwrap().path();
    let zones = python.join("site-packages/tzdata/zoneinfo");
    assert!(zones.join("Asia/Tokyo").exists(), "PyPI tzdata is missing");
    zones
}

/// Runs a command on some input and returns its output; it must succeed.
pub fn feed(mut command: Command, input: &[u8]) -> Vec<u8> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the oracle starts");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "the oracle failed: {:?}", output.status);
    output.stdout
}
