//! Output that is held back until it is known whether the command failed.
//!
//! Up to 1 MiB stays in memory, up to 256 MiB more goes to a file without a name. Beyond that, or when the disk is full,
//! the beginning stays and of the rest the last 64 KiB, with a mark between.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, Write as _};
use std::path::PathBuf;

use super::sink::{Sink, Stream};

const IN_MEMORY: usize = 1 << 20;
const IN_FILE: u64 = 256 << 20;
const AT_END: usize = 64 << 10;
/// Pieces of the end are joined up to this size, so that a million short lines do not become a million allocations.
const PIECE: usize = 4096;

/// Output in the order it came.
#[derive(Debug, Default)]
pub(super) struct Spool {
    memory: Vec<u8>,
    file: Option<File>,
    in_file: u64,
    end: Option<End>,
}

impl Spool {
    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        if let Some(end) = &mut self.end {
            end.push(stream, bytes);
        } else if self.file.is_none() && self.memory.len() + bytes.len() <= IN_MEMORY {
            frame(&mut self.memory, stream, bytes);
        } else if let Err(error) = self.spill(stream, bytes) {
            self.end.insert(End::new(&error)).push(stream, bytes);
        }
    }

    fn spill(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let mut record = Vec::with_capacity(bytes.len() + 5);
        frame(&mut record, stream, bytes);
        let size = self.in_file + record.len() as u64;
        if size > IN_FILE {
            return Err(io::Error::other("too much output"));
        }
        open_once(&mut self.file)?.write_all(&record)?;
        // Counted only now: a record cut short by a full disk is not read back.
        self.in_file = size;
        Ok(())
    }

    /// Shows everything on the given outputs.
    pub(super) fn replay(mut self, out: &mut Sink, err: &mut Sink) {
        let mut show = |stream, bytes: &[u8]| match stream {
            Stream::Out => out.write(bytes),
            Stream::Err => err.write(bytes),
        };
        // Reading memory cannot fail; a file that can't be read back has nothing more to show.
        drop(unframe(&self.memory[..], &mut show));
        if let Some(mut file) = self.file.take() {
            drop(file.rewind().and_then(|()| unframe(BufReader::new(file.take(self.in_file)), &mut show)));
        }
        if let Some(end) = self.end {
            end.replay(&mut show);
        }
    }
}

fn open_once(file: &mut Option<File>) -> io::Result<&mut File> {
    match file {
        Some(file) => Ok(file),
        None => Ok(file.insert(unnamed_file()?)),
    }
}

/// `/var/tmp` comes before `/tmp`, which on many systems is memory.
fn unnamed_file() -> io::Result<File> {
    let chosen = std::env::var_os("TMPDIR").map(PathBuf::from);
    let places = chosen.into_iter().chain(["/var/tmp".into(), "/tmp".into()]);
    let mut opened = places.map(tempfile::tempfile_in);
    opened.find(Result::is_ok).unwrap_or_else(|| Err(io::Error::other("no temporary file")))
}

fn frame(to: &mut Vec<u8>, stream: Stream, bytes: &[u8]) {
    to.push(u8::from(stream == Stream::Err));
    to.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    to.extend_from_slice(bytes);
}

fn unframe(mut from: impl Read, show: &mut impl FnMut(Stream, &[u8])) -> io::Result<()> {
    let (mut head, mut bytes) = ([0; 5], Vec::new());
    while from.read_exact(&mut head).is_ok() {
        let [stream, size @ ..] = head;
        bytes.resize(u32::from_le_bytes(size) as usize, 0);
        from.read_exact(&mut bytes)?;
        show(if stream == 0 { Stream::Out } else { Stream::Err }, &bytes);
    }
    Ok(())
}

/// The last bytes of output too long to be kept.
#[derive(Debug)]
struct End {
    why: String,
    dropped: u64,
    size: usize,
    pieces: VecDeque<(Stream, Vec<u8>)>,
}

impl End {
    fn new(why: &io::Error) -> Self {
        Self { why: why.to_string(), dropped: 0, size: 0, pieces: VecDeque::new() }
    }

    fn push(&mut self, stream: Stream, bytes: &[u8]) {
        self.size += bytes.len();
        match self.pieces.back_mut() {
            Some((last, piece)) if *last == stream && piece.len() + bytes.len() <= PIECE => {
                piece.extend(bytes);
            }
            _ => self.pieces.push_back((stream, bytes.to_vec())),
        }
        while let Some((_, first)) =
            self.pieces.front().filter(|(_, first)| self.size - first.len() >= AT_END)
        {
            self.size -= first.len();
            self.dropped += first.len() as u64;
            self.pieces.pop_front();
        }
    }

    fn replay(self, show: &mut impl FnMut(Stream, &[u8])) {
        if self.dropped > 0 {
            let mark = format!("\n[tenko: {} bytes of output not kept: {}]\n", self.dropped, self.why);
            show(Stream::Err, mark.as_bytes());
        }
        for (stream, piece) in self.pieces {
            show(stream, &piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_memory_and_file() {
        let mut spool = Spool::default();
        let mut want = Vec::new();
        for i in 0..40_u8 {
            let stream = if i % 3 == 0 { Stream::Err } else { Stream::Out };
            let bytes = vec![i; 50_000];
            spool.push(stream, &bytes);
            want.push((stream, bytes));
        }
        assert!(spool.file.is_some() && !spool.memory.is_empty() && spool.end.is_none());
        let mut got = Vec::new();
        let mut show = |stream, bytes: &[u8]| got.push((stream, bytes.to_vec()));
        unframe(&spool.memory[..], &mut show).unwrap();
        let mut file = spool.file.unwrap();
        file.rewind().unwrap();
        unframe(file, &mut show).unwrap();
        assert!(got == want);
    }

    #[test]
    fn a_full_disk_keeps_the_beginning_and_the_end() {
        let mut spool =
            Spool { file: File::options().write(true).open("/dev/full").ok(), ..Spool::default() };
        for i in 0..100_u8 {
            spool.push(Stream::Out, &[i; 10_000]);
        }
        let end = spool.end.expect("the disk is full");
        assert_eq!(end.dropped + end.size as u64, 1_000_000);
        assert!(end.size < AT_END + 10_000);
        let mut text = Vec::new();
        end.replay(&mut |_, bytes: &[u8]| text.extend_from_slice(bytes));
        assert!(text.starts_with(b"\n[tenko: 930000 bytes of output not kept: No space left on device"));
        assert!(text.ends_with(&[99; 10_000]));
    }

    #[test]
    fn fault_13_a_flood_of_short_lines_takes_bounded_memory() {
        let mut end = End::new(&io::Error::other("too much output"));
        for _ in 0..200_000 {
            end.push(Stream::Out, b"y\n");
        }
        assert!(end.pieces.len() < 40, "{}", end.pieces.len());
    }
}
