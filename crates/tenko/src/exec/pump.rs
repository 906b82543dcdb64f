//! Moves output from the command to our own stdout and stderr, and records it on the way.
//!
//! One thread a pipe, with blocking writes: a reader who is slow on stdout must hold up neither stderr nor signals.

use std::io::{self, PipeReader, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};

use super::capture::{Capture, Captured};
use super::sink::{Sink, Stream};
use super::spool::Spool;

/// How much is moved at once: the usual capacity of a pipe.
const CHUNK: usize = 64 << 10;
/// A pipe that stays empty this long after the command's end is given up.
const QUIET_FOR: u16 = 200;
/// A pipe that others still write to after the command's end is given up after this.
const AT_MOST: Duration = Duration::from_secs(2);

/// What all pumps of a command share.
#[derive(Debug)]
pub(super) struct Record {
    kept: Mutex<Kept>,
    working: AtomicUsize,
    nudge: Option<Arc<UnixStream>>,
}

#[derive(Debug)]
struct Kept {
    capture: Capture,
    spool: Option<Spool>,
    left_open: bool,
}

impl Record {
    pub(super) fn new(capture: Capture, spool: Option<Spool>, nudge: Option<Arc<UnixStream>>) -> Self {
        let kept = Mutex::new(Kept { capture, spool, left_open: false });
        Self { kept, working: AtomicUsize::new(0), nudge }
    }

    /// Says whether no thread has anything left to do.
    pub(super) fn is_idle(&self) -> bool {
        self.working.load(Ordering::Acquire) == 0
    }

    /// Takes the record of what was read until now; `gave_up` if pumps are still at work.
    pub(super) fn take(&self, gave_up: bool) -> Captured {
        let mut kept = self.kept();
        let left_open = kept.left_open || gave_up;
        std::mem::replace(&mut kept.capture, Capture::new(super::CaptureLimits { head: 0, tail: 0 }))
            .finish(left_open)
    }

    /// Takes the output held back.
    pub(super) fn take_spool(&self) -> Option<Spool> {
        self.kept().spool.take()
    }

    /// Runs `work` on a thread of its own; when it has ended, the record is idle again and the waiter is nudged.
    pub(super) fn work(self: &Arc<Self>, work: impl FnOnce(&Self) + Send + 'static) -> io::Result<()> {
        self.working.fetch_add(1, Ordering::AcqRel);
        let record = Arc::clone(self);
        let thread = thread::Builder::new().name("tenko-output".into()).spawn(move || {
            ignore_terminal_stops();
            work(&record);
            record.done();
        });
        thread.map(drop).inspect_err(|_| self.done())
    }

    fn done(&self) {
        self.working.fetch_sub(1, Ordering::AcqRel);
        if let Some(mut nudge) = self.nudge.as_deref() {
            // Full means that the waiter is about to wake anyway.
            drop(nudge.write(&[0]));
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the bytes are to be shown now.
    fn keep(&self, stream: Stream, bytes: &[u8]) -> bool {
        let mut kept = self.kept();
        kept.capture.push(bytes);
        match &mut kept.spool {
            Some(spool) => spool.push(stream, bytes),
            None => return true,
        }
        false
    }
}

/// While the command's group has the terminal, ours is in the background, where `stty tostop` would stop our writes.
fn ignore_terminal_stops() {
    let stops = SigSet::from(Signal::SIGTTOU);
    // Fails for unknown signals only.
    let _ = stops.thread_block();
}

/// One pipe on its way out.
#[derive(Debug)]
pub(super) struct Pump {
    pub(super) from: PipeReader,
    pub(super) stream: Stream,
    /// Is at end of file when the command has ended.
    pub(super) ended: PipeReader,
}

impl Pump {
    /// Works until every writer of the pipe has closed it, or until it is given up.
    pub(super) fn run(mut self, record: &Record) {
        let mut sink = Sink::new(self.stream);
        let mut buffer = vec![0; CHUNK];
        let mut more = true;
        while more && self.wait_for_output() {
            more = self.pass_on(record, &mut sink, &mut buffer).is_some();
        }
        if more && !self.drain(record, &mut sink, &mut buffer) {
            record.kept().left_open = true;
        }
    }

    /// Returns false when there is nothing to read and the command has ended.
    fn wait_for_output(&self) -> bool {
        let mut fds = [readable(&self.from), readable(&self.ended)];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => fds[1].any() != Some(true),
            Err(_) => true,
        }
    }

    /// Moves one chunk and returns its size, `None` at the end of the file.
    fn pass_on(&mut self, record: &Record, sink: &mut Sink, buffer: &mut [u8]) -> Option<usize> {
        let size = match self.from.read(buffer) {
            Ok(0) => return None,
            Ok(size) => size,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Some(0),
            Err(_) => return None,
        };
        if record.keep(self.stream, &buffer[..size]) {
            sink.write(&buffer[..size]);
        }
        Some(size)
    }

    /// Moves what was in the pipe when the command ended, however slow our reader is, then what still comes while the
    /// limits allow. Returns whether the end of the file was reached.
    fn drain(&mut self, record: &Record, sink: &mut Sink, buffer: &mut [u8]) -> bool {
        let since = Instant::now();
        let mut unread = capacity(&self.from);
        loop {
            if !self.has_output(PollTimeout::ZERO) {
                unread = 0;
                if since.elapsed() > AT_MOST || !self.has_output(QUIET_FOR.into()) {
                    return false;
                }
            }
            if unread == 0 && since.elapsed() > AT_MOST {
                return false;
            }
            match self.pass_on(record, sink, buffer) {
                Some(size) => unread = unread.saturating_sub(size),
                None => return true,
            }
        }
    }

    fn has_output(&self, limit: PollTimeout) -> bool {
        poll(&mut [readable(&self.from)], limit).is_ok_and(|ready| ready > 0)
    }
}

fn readable(pipe: &PipeReader) -> PollFd<'_> {
    PollFd::new(pipe.as_fd(), PollFlags::POLLIN)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn capacity(pipe: &PipeReader) -> usize {
    let size = nix::fcntl::fcntl(pipe, nix::fcntl::FcntlArg::F_GETPIPE_SZ);
    size.ok().and_then(|size| usize::try_from(size).ok()).unwrap_or(CHUNK)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn capacity(_: &PipeReader) -> usize {
    CHUNK
}
