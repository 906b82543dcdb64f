//! Who comes in: so many at once, and not too many of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Options;
use super::session::{Desk, Session};
use crate::http::{Keys, Rates};
use crate::server::intake::Hears;

/// How long nothing is accepted after that failed, as it does when the process has no more open files.
const REST: Duration = Duration::from_millis(50);
const TOO_MANY: &[u8] = b"421 4.7.0 Too many connections, come again later\r\n";

#[derive(Debug)]
pub(super) struct Door {
    desk: Desk,
    inside: Mutex<HashMap<IpAddr, usize>>,
}

impl Door {
    pub(super) fn new(options: Options, hears: Arc<dyn Hears>, keys: Arc<Keys>, rates: Arc<Rates>) -> Self {
        Self { desk: Desk { options, hears, keys, rates }, inside: Mutex::default() }
    }

    fn inside(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more of this address, if there is one.
    fn let_in(self: &Arc<Self>, from: IpAddr) -> Option<Place> {
        let options = &self.desk.options;
        let mut inside = self.inside();
        let all: usize = inside.values().sum();
        let of_it = inside.entry(from).or_default();
        if all >= options.sessions || *of_it >= options.sessions_per_address {
            return None;
        }
        *of_it += 1;
        Some(Place { door: Arc::clone(self), from })
    }
}

/// A place, free again when it is dropped.
struct Place {
    door: Arc<Door>,
    from: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.door.inside();
        if let Some(count) = inside.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                inside.remove(&self.from);
            }
        }
    }
}

pub(super) async fn serve(listener: &TcpListener, door: &Arc<Door>, stop: impl Future<Output = ()> + Send) {
    let (tell, stopping) = watch::channel(false);
    let mut sessions = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    let from = from.ip().to_canonical();
                    sessions.spawn(attend(Arc::clone(door), stream, from, stopping.clone()));
                }
                Err(error) => {
                    tracing::debug!(%error, "can't accept a connection for mail");
                    sleep(REST).await;
                }
            },
            // Those that ended are forgotten.
            Some(_) = sessions.join_next() => {}
        }
    }
    tell.send_replace(true);
    let all_gone = async { while sessions.join_next().await.is_some() {} };
    if timeout(door.desk.options.drain, all_gone).await.is_err() {
        sessions.shutdown().await;
    }
}

async fn attend(door: Arc<Door>, mut stream: TcpStream, from: IpAddr, stopping: watch::Receiver<bool>) {
    let Some(_place) = door.let_in(from) else {
        drop(timeout(door.desk.options.patience, stream.write_all(TOO_MANY)).await);
        return;
    };
    let session = Session::new(&door.desk, stream, from, stopping);
    match timeout(door.desk.options.session, session.hold()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a session for mail ended badly"),
        Err(_) => tracing::debug!("a session for mail took too long"),
    }
}
