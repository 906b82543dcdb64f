//! A network between a node and its database, that a test can take away.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What becomes of what is sent through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// It arrives.
    Fair,
    /// It waits, and so do connections; nobody is told.
    Fog,
    /// Connections are ended, and new ones refused.
    Storm,
}

/// Forwards connections to an address, as long as the weather is fair.
#[derive(Clone)]
pub(crate) struct Proxy {
    to: SocketAddr,
    pub(crate) port: u16,
    weather: Arc<Mutex<Weather>>,
}

impl Proxy {
    pub(crate) fn to(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Self { to, port, weather: Arc::new(Mutex::new(Weather::Fair)) };
        let shared = proxy.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.weather() != Weather::Storm {
                    let shared = shared.clone();
                    std::thread::spawn(move || drop(shared.join(&stream)));
                }
            }
        });
        proxy
    }

    pub(crate) fn be(&self, weather: Weather) {
        *self.weather.lock().unwrap() = weather;
    }

    fn weather(&self) -> Weather {
        *self.weather.lock().unwrap()
    }

    fn join(&self, here: &TcpStream) -> std::io::Result<()> {
        let there = TcpStream::connect(self.to)?;
        for stream in [here, &there] {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_millis(10)))?;
        }
        std::thread::scope(|scope| {
            for (from, to) in [(here, &there), (&there, here)] {
                scope.spawn(move || {
                    self.carry(from, to);
                    [from, to].iter().for_each(|stream| stream.shutdown(Shutdown::Both).unwrap_or(()));
                });
            }
        });
        Ok(())
    }

    /// Until one of them hangs up, or the weather ends it.
    fn carry(&self, mut from: &TcpStream, mut to: &TcpStream) {
        let mut bytes = [0; 16 << 10];
        loop {
            match self.weather() {
                Weather::Fog => std::thread::sleep(Duration::from_millis(10)),
                Weather::Storm => return,
                Weather::Fair => match from.read(&mut bytes) {
                    Ok(0) => return,
                    // What arrived when the weather changed waits until it is fair again.
                    Ok(count) if !self.clears() || to.write_all(&bytes[..count]).is_err() => return,
                    Err(error) if !is_quiet(&error) => return,
                    _ => {}
                },
            }
        }
    }

    /// Waits out the fog. Says whether the connection is still there.
    fn clears(&self) -> bool {
        while self.weather() == Weather::Fog {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.weather() == Weather::Fair
    }
}

fn is_quiet(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}
