//! Where the server listens.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 4096;

/// An address to listen at: `host:port` with a numeric host, or `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket. A socket that an earlier process left there is replaced.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(path) => Err(format!("the path of a Unix socket must begin with '/', and {path:?} does not")),
            None => text.parse().map(Self::Tcp).map_err(|_| {
                format!(
                    "{text:?} is no address to listen at: 127.0.0.1:8000, [::]:8000 and unix:/run/tenko.sock are"
                )
            }),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Where a server does listen: as [`Listen`], with the port that the system chose in place of port 0.
pub type Bound = Listen;

/// A connection, of whichever kind.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Waits until the other side said something, or closed. Of a Unix socket, at whose other end is a proxy, it is not known.
    pub(super) async fn begun(&self) -> io::Result<()> {
        match self {
            // A new stream counts as readable until somebody has tried.
            Self::Tcp(stream) => stream.peek(&mut [0]).await.map(drop),
            Self::Unix(stream) => stream.readable().await,
        }
    }
}

/// What is listened at.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, OwnSocket),
}

impl Listener {
    pub(super) fn bind(at: &Listen) -> io::Result<Self> {
        match at {
            Listen::Tcp(address) => bind_tcp(*address).map(Self::Tcp),
            Listen::Unix(path) => {
                remove_left_behind(path)?;
                Ok(Self::Unix(UnixListener::bind(path)?, OwnSocket(path.clone())))
            }
        }
    }

    pub(super) fn bound(&self) -> io::Result<Bound> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Listen::Tcp),
            Self::Unix(_, socket) => Ok(Listen::Unix(socket.0.clone())),
        }
    }

    /// The next connection, and from where it comes if that has an address.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Option<IpAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Answers are one write; waiting for more would only delay them.
                stream.set_nodelay(true)?;
                Ok((Stream::Tcp(stream), Some(peer.ip().to_canonical())))
            }
            Self::Unix(listener, _) => Ok((Stream::Unix(listener.accept().await?.0), None)),
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Removes a socket at which nobody listens any more.
fn remove_left_behind(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt as _;

    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// The file of a socket, removed when nobody listens any more.
#[derive(Debug)]
pub(super) struct OwnSocket(PathBuf);

impl Drop for OwnSocket {
    fn drop(&mut self) {
        // It may have been removed by somebody else.
        drop(std::fs::remove_file(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_what_is_none_is_said() {
        for good in ["127.0.0.1:8000", "[::1]:0", "0.0.0.0:80", "unix:/run/tenko.sock"] {
            assert_eq!(good.parse::<Listen>().unwrap().to_string(), good);
        }
        for bad in ["", "8000", "localhost:8000", "unix:tenko.sock", "::1:8000x", "http://127.0.0.1:80"] {
            let said = bad.parse::<Listen>().unwrap_err();
            assert!(said.contains(bad.trim_start_matches("unix:")), "{said}");
        }
    }
}
