use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::prelude::*;
use tenko_core::{Evidence, Kind, Report, Roll, RunId, Slug};
use uuid::Uuid;

use super::*;
use crate::ErrorKind;
use crate::live::Key;
use crate::portable::Piece;

fn now() -> Timestamp {
    "2026-11-24T05:00:00Z".parse().unwrap()
}

fn header() -> Header {
    Header { version: VERSION, written_by: "0.1.0".into(), at: now(), store: "sqlite:///x.db".into() }
}

fn pieces() -> Vec<Piece> {
    let job: Slug = "daily".parse().unwrap();
    let key = Key { purpose: "ping".into(), name: "main".into(), hash: [7; 32], made_at: now() };
    let roll = Roll { called_at: Some(now()), ..Roll::default() };
    let mut pieces = vec![
        Piece::Roll(roll),
        Piece::Attended(now()),
        Piece::Address { job: job.clone(), address: Uuid::from_u128(5) },
        Piece::Key(key),
    ];
    pieces.extend((0..40).map(|number| {
        let report = Report { message: Some(format!("run {number}\n")), ..Report::default() };
        let evidence = Evidence::new(job.clone(), RunId(Uuid::from_u128(number)), Kind::Success, now());
        let evidence = Evidence { report, received_at: Some(now()), ..evidence };
        Piece::Evidence { evidence, heard: number % 3 != 0 }
    }));
    pieces
}

fn written(pieces: Vec<Piece>) -> Vec<u8> {
    let mut writer = BackupWriter::begin(Vec::new(), &header()).unwrap();
    pieces.into_iter().for_each(|piece| writer.add(piece).unwrap());
    writer.finish().unwrap().0
}

fn read(file: &[u8]) -> crate::Result<Vec<Piece>> {
    BackupReader::begin(file)?.collect()
}

#[test]
fn what_is_written_is_read_again_and_counted() {
    let file = written(pieces());
    assert_eq!(read(&file).unwrap(), pieces());
    let counts = BackupReader::begin(file.as_slice()).unwrap().check().unwrap();
    assert_eq!(counts["evidence"], 40);
    assert_eq!(counts["key"], 1);
}

#[test]
fn a_file_that_was_cut_off_anywhere_is_refused() {
    let file = written(pieces());
    for length in 0..file.len() {
        let error = read(&file[..length]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{length} of {}", file.len());
    }
}

#[test]
fn a_file_in_which_any_bit_is_another_is_refused_or_says_the_same() {
    let file = written(pieces());
    for bit in 0..file.len() * 8 {
        let mut damaged = file.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        if let Ok(found) = read(&damaged) {
            assert_eq!(found, pieces(), "bit {bit}");
        }
    }
}

#[test]
fn what_follows_the_end_is_refused() {
    let file = written(pieces());
    let twice = [file.clone(), file.clone()].concat();
    let with_more = [file, b"x".to_vec()].concat();
    for file in [twice, with_more] {
        assert_eq!(read(&file).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn lines_that_are_missing_or_in_another_order_are_noticed_whoever_packed_them_again() {
    let text = zstd::decode_all(written(pieces()).as_slice()).unwrap();
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let without = |gone: usize| {
        let rest = lines.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, line)| *line);
        zstd::encode_all(rest.collect::<Vec<_>>().concat().as_slice(), 1).unwrap()
    };
    for gone in 0..lines.len() {
        assert_eq!(read(&without(gone)).unwrap_err().kind(), ErrorKind::Corrupt, "line {gone}");
    }
    let mut swapped = lines.clone();
    swapped.swap(5, 6);
    let swapped = zstd::encode_all(swapped.concat().as_slice(), 1).unwrap();
    assert_eq!(read(&swapped).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn a_newer_form_is_refused_as_such() {
    let newer = Header { version: VERSION + 1, ..header() };
    let file = BackupWriter::begin(Vec::new(), &newer).unwrap().finish().unwrap().0;
    assert_eq!(read(&file).unwrap_err().kind(), ErrorKind::Newer);
}

/// A backup of version 1 is read as long as there is a Tenko.
#[test]
fn the_first_line_and_the_kinds_of_lines_stay_as_they_are() {
    let text = String::from_utf8(zstd::decode_all(written(pieces()).as_slice()).unwrap()).unwrap();
    let mut seen = BTreeSet::new();
    let lines: Vec<&str> = text.lines().filter(|line| seen.insert(line[..8].to_owned())).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(read(&bytes).is_err());
        prop_assert!(read(&zstd::encode_all(bytes.as_slice(), 1).unwrap()).is_err());
    }
}
