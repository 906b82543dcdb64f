//! One connection, from its first byte to its last.

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::connections::{Order, Place};
use super::dispatch::{Peer, Site};
use super::figures::count;
use super::framing::Gate;
use super::listen::Stream;
use super::watched::Watched;

/// hyper says 431 long before a line is as long as this.
const LONGEST_LINE: usize = 128 * 1024;
/// For how long a client to which there is no room is waited for, so that it reads the answer; and what it may send meanwhile.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 64 * 1024;

/// What is answered to a connection for which there is no room.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 21\r\nRetry-After: 5\r\nConnection: close\r\n\r\ntoo many connections\n";

/// Serves a connection until it ends, or is told to end.
pub(super) async fn serve(site: Arc<Site>, stream: Stream, from: Option<IpAddr>, place: Place) {
    let peer = Peer { address: from, tls: site.certificate.is_some() };
    place.pulse.read_within(site.options.times.idle);
    // Whoever says nothing costs no buffer, and little else.
    let begun = tokio::select! { biased;
        begun = stream.begun() => begun.is_ok(),
        _ = place.pulse.order(Order::GoOn) => false,
    };
    match stream {
        Stream::Tcp(stream) if begun => Box::pin(over(site, stream, peer, place)).await,
        Stream::Unix(stream) if begun => Box::pin(over(site, stream, peer, place)).await,
        Stream::Tcp(_) | Stream::Unix(_) => {}
    }
}

async fn over<S: AsyncRead + AsyncWrite + Unpin>(site: Arc<Site>, stream: S, peer: Peer, place: Place) {
    let Some(certificate) = &site.certificate else { return requests(site, stream, peer, place).await };
    let handshake = pin!(timeout(site.options.times.header, certificate.acceptor().accept(stream)));
    tokio::select! {
        done = handshake => match done {
            Ok(Ok(stream)) => Box::pin(requests(Arc::clone(&site), stream, peer, place)).await,
            Ok(Err(why)) => tracing::debug!(%why, "no TLS was agreed on"),
            Err(_) => count(&site.figures.overdue),
        },
        _ = place.pulse.order(Order::GoOn) => {}
    }
}

async fn requests<S: AsyncRead + AsyncWrite + Unpin>(site: Arc<Site>, stream: S, peer: Peer, place: Place) {
    let pulse = Arc::clone(&place.pulse);
    let times = site.options.times;
    let watched = Watched::new(stream, Gate::new(LONGEST_LINE), Arc::clone(&pulse), Arc::clone(&site));
    let answer = service_fn(|request| {
        pulse.answering();
        let answer = site.answer(peer, request);
        let pulse = &pulse;
        async move {
            let answer = answer.await;
            pulse.answered(times.idle);
            answer
        }
    });
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .half_close(true)
        .max_header_size(site.options.limits.header_bytes)
        .serve_connection(TokioIo::new(watched), answer);
    let mut connection = pin!(connection);
    let mut told = Order::GoOn;
    loop {
        // The connection first: an order is rare.
        tokio::select! { biased;
            ended = &mut connection => {
                if let Err(why) = ended {
                    tracing::debug!(error = &why as &dyn std::error::Error, "a connection ended badly");
                }
                return;
            }
            order = pulse.order(told) => match order {
                Order::End => return,
                order => told = order,
            },
        }
        connection.as_mut().graceful_shutdown();
    }
}

/// Says that there is no room, and closes.
pub(super) async fn refuse(stream: Stream, tls: bool) {
    let said: io::Result<()> = async {
        match stream {
            _ if tls => {}
            Stream::Tcp(mut stream) => {
                timeout(LINGER, stream.write_all(NO_ROOM)).await??;
                linger(&mut stream).await;
            }
            Stream::Unix(mut stream) => {
                timeout(LINGER, stream.write_all(NO_ROOM)).await??;
                linger(&mut stream).await;
            }
        }
        Ok(())
    }
    .await;
    drop(said);
}

async fn linger<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    let rest = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(LINGER_BYTES), &mut tokio::io::sink()).await
    };
    drop(timeout(LINGER, rest).await);
}
