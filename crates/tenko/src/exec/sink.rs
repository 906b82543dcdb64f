//! Our own stdout and stderr, written without buffering.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{FileStat, fstat};
use nix::unistd::write;

/// One of the two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    Err,
}

/// Where bytes of a stream go.
#[derive(Debug)]
pub(super) struct Sink {
    stream: Stream,
    gone: bool,
}

impl Sink {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, gone: false }
    }

    /// Writes all bytes, however long the reader takes. Bytes that can't be written are lost, as they would be without
    /// Tenko; once the reader has gone nothing more is tried.
    pub(super) fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.gone {
            match self.write_some(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => self.wait_for_room(),
                Err(error) => {
                    self.gone = error == Errno::EPIPE;
                    return;
                }
            }
        }
    }

    fn write_some(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match self.stream {
            Stream::Out => write(io::stdout(), bytes),
            Stream::Err => write(io::stderr(), bytes),
        }
    }

    /// Stdout may be non-blocking, if whoever we share it with made it so.
    fn wait_for_room(&self) {
        match self.stream {
            Stream::Out => poll_for_room(io::stdout().as_fd()),
            Stream::Err => poll_for_room(io::stderr().as_fd()),
        }
    }
}

fn poll_for_room(fd: BorrowedFd<'_>) {
    // An early return only leads to another try.
    let _ = poll(&mut [PollFd::new(fd, PollFlags::POLLOUT)], PollTimeout::NONE);
}

/// Says whether stdout and stderr lead to the same place, as under cron or after `2>&1`.
pub(super) fn is_one_place() -> bool {
    let place = |stat: FileStat| (stat.st_dev, stat.st_ino, stat.st_rdev);
    match (fstat(io::stdout()), fstat(io::stderr())) {
        (Ok(out), Ok(err)) => place(out) == place(err),
        _ => false,
    }
}
