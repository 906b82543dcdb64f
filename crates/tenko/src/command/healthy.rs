//! `tenko healthy`: asks the server on this machine, for whoever starts it again.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::Setup;
use crate::cli::Common;
use crate::config::{self, ListenAt};
use crate::error::CommandError;
use crate::printer;

/// How long to wait for the server.
const PATIENCE: Duration = Duration::from_secs(3);
const QUESTION: &[u8] = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Ask the server on this machine whether it lives, for the health check of a container.
///
/// Exit code 0 if it does, 3 if not. Where it speaks TLS itself, that it accepts a connection has to do.
#[derive(Debug, Args)]
pub struct Healthy {
    /// Where to listen: ADDRESS:PORT, :PORT for all addresses, or unix:/PATH; several separated by commas
    #[arg(long, env = "TENKO_LISTEN", value_name = "ADDRESS", value_delimiter = ',', value_parser = config::listen_at)]
    listen: Vec<ListenAt>,
}

impl Healthy {
    /// Does it.
    pub fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let server = &Setup::load(common)?.config.server;
        let at = self.listen.first().or(server.listen.first());
        let at = at.ok_or_else(|| CommandError::usage("the server listens nowhere"))?;
        let lives = match at {
            ListenAt::Tcp(address) => tcp(near(*address), server.tls.is_some()),
            ListenAt::Unix(path) => UnixStream::connect(path).and_then(ask_unix),
        };
        match lives {
            Ok(true) => {
                printer::print("alive\n")?;
                Ok(ExitCode::SUCCESS)
            }
            Ok(false) => {
                Err(CommandError::could_not_tell(format!("what answers at {at} is no server that lives")))
            }
            Err(error) => Err(CommandError::could_not_tell(format!("nobody answers at {at}: {error}"))),
        }
    }
}

/// The address by which this machine reaches itself, where it listens at all of them.
fn near(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

fn tcp(address: SocketAddr, tls: bool) -> io::Result<bool> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    if tls {
        return Ok(true);
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    ask(stream)
}

fn ask_unix(stream: UnixStream) -> io::Result<bool> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    ask(stream)
}

fn ask(mut stream: impl Read + Write) -> io::Result<bool> {
    stream.write_all(QUESTION)?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer)?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}
