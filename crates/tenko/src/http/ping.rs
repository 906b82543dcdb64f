//! Pings as Healthchecks hears them: `/ping/<uuid>` and `/ping/<key>/<slug>`.
//!
//! Whatever the method, the size or the bytes of the body, a ping with a good URL counts; and it is answered with success only
//! after it is stored.

pub(super) mod desk;
mod found;
mod said;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::{Request, Response};
use tenko_core::{Report, Slug};
use uuid::Uuid;

use self::desk::{Desk, Named};
pub(super) use self::found::Found;
use self::found::{End, To};
use self::said::Answer;
use super::dispatch::Peer;
use super::query;
use crate::server::intake::{Addressee, Ping, Said};

/// Answers a ping.
pub(super) async fn answer<B: Body<Data = Bytes>>(
    desk: &Desk,
    peer: Peer,
    found: Found,
    request: Request<B>,
) -> Response<Full<Bytes>> {
    let answer = match understand(desk, found, request.uri().query()).await {
        Ok(understood) => tell(desk, peer, understood, request).await,
        Err(answer) => answer,
    };
    desk.replies.reply(&answer)
}

/// A ping as far as its URL says it.
struct Understood {
    named: Named,
    said: Said,
    rid: Option<Uuid>,
    create: bool,
}

/// Says in the order of Healthchecks what is wrong with a URL: its form, then whom it is about, then the rest.
async fn understand(desk: &Desk, found: Found, query: Option<&str>) -> Result<Understood, Answer> {
    let (to, end) = match found {
        Found::Ping(to, end) => (to, end),
        Found::Nothing => return Err(Answer::NotFound),
        Found::NoText => return Err(Answer::BadUrl),
    };
    let create = query.is_some_and(|query| query::value(query, "create").as_deref() == Some("1"));
    let create = create && matches!(to, To::Named { .. });
    let named = named(desk, to, create)?;
    let rest = said(end).and_then(|said| Ok((said, rid(query)?)));
    match rest {
        Ok((said, rid)) => Ok(Understood { named, said, rid, create }),
        Err(answer) if create => Err(answer),
        Err(answer) => Err(desk.unless_unknown(&named.to, answer).await),
    }
}

fn named(desk: &Desk, to: To, create: bool) -> Result<Named, Answer> {
    let (key, slug) = match to {
        To::Address(address) => return Ok(Named { to: Addressee::Address(address), by: None }),
        To::Named { slug, .. } if slug.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            return Err(Answer::BadUrl);
        }
        To::Named { key, slug } => (key, slug),
    };
    let by = desk.keys.known(&key).ok_or(Answer::NotFound)?;
    match Slug::new(&slug) {
        Ok(slug) => Ok(Named { to: Addressee::Job(slug), by: Some(by) }),
        // No job has such a name, and none can be given it.
        Err(_) if create => Err(Answer::BadUrl),
        Err(_) => Err(Answer::NotFound),
    }
}

fn said(end: End) -> Result<Said, Answer> {
    Ok(match end {
        End::Success => Said::Success,
        End::Start => Said::Start,
        End::Fail => Said::Fail(None),
        End::Log => Said::Log,
        End::Exit(code) => Said::Exit(code),
        End::TooHigh => return Err(Answer::BadUrl),
    })
}

/// The id of the run: a UUID with its dashes, in either case.
fn rid(query: Option<&str>) -> Result<Option<Uuid>, Answer> {
    let Some(text) = query.and_then(|query| query::value(query, "rid")) else { return Ok(None) };
    let dashed = text.len() == 36 && !text.starts_with(['{', 'u', 'U']);
    let rid = if dashed { Uuid::try_parse(&text).ok() } else { None };
    rid.map(Some).ok_or(Answer::BadRid)
}

async fn tell<B: Body<Data = Bytes>>(
    desk: &Desk,
    peer: Peer,
    ping: Understood,
    request: Request<B>,
) -> Answer {
    let (head, body) = request.into_parts();
    let output = desk.keep(body).await;
    let text = output.as_ref().map(desk::text);
    let via = Some(desk.senders.via(peer, head.method.as_str(), &head.headers));
    let report = Report { output, via, ..Report::default() };
    let Understood { named: Named { to, by }, said, rid, create } = ping;
    desk.hear(by, Ping { to, said, rid, create, at: None, report, text }).await.into()
}
