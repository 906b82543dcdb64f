//! A connection whose bytes are looked at, and whose client is waited for only so long.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connections::Pulse;
use super::dispatch::Site;
use super::figures::count;
use super::framing::{Gate, Phase};

/// For how long, and how much, is read of a client that was not read to the end before the connection is closed. If it
/// were closed at once, the client might never see the answer.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 512 * 1024;

/// A connection whose bytes are looked at, and whose client is waited for only so long.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    gate: Gate,
    pulse: Arc<Pulse>,
    site: Arc<Site>,
    /// How much more is read, once it is closing.
    lingering: Option<usize>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, gate: Gate, pulse: Arc<Pulse>, site: Arc<Site>) -> Self {
        Self { stream, gate, pulse, site, lingering: None }
    }

    /// The clock of a head starts with its first byte, and stops with its last.
    fn read(&mut self, bytes: &mut [u8]) {
        let before = self.gate.phase();
        self.gate.pass(bytes);
        match (before, self.gate.phase()) {
            (Phase::Head, Phase::Head) | (Phase::Refused, _) => {}
            (_, Phase::Refused) => count(&self.site.figures.ambiguous),
            (_, Phase::Head) => self.pulse.read_within(self.site.options.times.header),
            _ => self.pulse.nothing_to_read(),
        }
    }

    fn wrote<T>(&self, poll: Poll<T>) -> Poll<T> {
        match poll {
            Poll::Pending => self.pulse.write_within(self.site.options.times.write),
            Poll::Ready(_) => self.pulse.wrote(),
        }
        poll
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let new = &mut buf.filled_mut()[before..];
        if !new.is_empty() {
            this.read(new);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.wrote(poll)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.wrote(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_flush(cx);
        this.wrote(poll)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            let unread = this.gate.phase() != Phase::Between;
            this.lingering = Some(if unread { LINGER_BYTES } else { 0 });
            this.pulse.read_within(LINGER);
        }
        this.poll_linger(cx)
    }
}

impl<S: AsyncRead + Unpin> Watched<S> {
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut there = [0; 4096];
        while let Some(left) = self.lingering.filter(|left| *left > 0) {
            let mut buf = ReadBuf::new(&mut there);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf))?;
            let read = buf.filled().len();
            self.lingering = Some(if read == 0 { 0 } else { left.saturating_sub(read) });
        }
        Poll::Ready(Ok(()))
    }
}
