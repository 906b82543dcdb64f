//! What the log tells of requests: nothing of their URLs, which are secrets.

use std::net::IpAddr;
use std::time::Instant;

use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response};
use uuid::Uuid;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// An id of a proxy that is longer is none.
const MAX_ID: usize = 100;

/// A request that the log tells of, because it is as detailed as that.
#[derive(Debug)]
pub(super) struct Trace {
    id: String,
    method: Method,
    from: Option<IpAddr>,
    began: Instant,
}

impl Trace {
    /// Begins, if the log wants to know. The id that a request brings along is believed of whom is trusted.
    pub(super) fn begin<B>(
        request: &Request<B>,
        from: Option<IpAddr>,
        trusts: impl Fn(IpAddr) -> bool,
    ) -> Option<Self> {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return None;
        }
        let given = given(request.headers()).filter(|_| from.is_none_or(trusts));
        let id = given.unwrap_or_else(|| Uuid::now_v7().to_string());
        Some(Self { id, method: request.method().clone(), from, began: Instant::now() })
    }

    /// Tells of the answer, and writes the id into it.
    pub(super) fn end<B>(self, answer: &mut Response<B>) {
        let status = answer.status().as_u16();
        let took = self.began.elapsed();
        tracing::debug!(request = %self.id, method = %self.method, from = ?self.from, status, ?took, "answered");
        if let Ok(id) = HeaderValue::try_from(self.id) {
            answer.headers_mut().insert(X_REQUEST_ID, id);
        }
    }
}

fn given(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(X_REQUEST_ID)?.to_str().ok()?;
    (!id.is_empty() && id.len() <= MAX_ID).then(|| id.to_owned())
}
