//! What a ping is answered, in the words of Healthchecks.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, EXPIRES, HeaderName, RETRY_AFTER,
};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};

use super::super::pages::PLAIN;
use super::desk::Unheard;
use crate::server::intake::Heard;

const PING_BODY_LIMIT: HeaderName = HeaderName::from_static("ping-body-limit");

/// What a ping is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Recorded,
    Created,
    BadUrl,
    BadRid,
    NotFound,
    TooOften { retry_after: u64 },
    Later { retry_after: u64 },
}

impl Answer {
    fn status(self) -> StatusCode {
        match self {
            Self::Recorded => StatusCode::OK,
            Self::Created => StatusCode::CREATED,
            Self::BadUrl | Self::BadRid => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::TooOften { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Later { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Recorded => "OK",
            Self::Created => "Created",
            Self::BadUrl => "invalid url format",
            Self::BadRid => "invalid uuid format",
            Self::NotFound => "not found",
            Self::TooOften { .. } => "too many pings",
            Self::Later { .. } => "try again later",
        }
    }
}

impl From<Result<Heard, Unheard>> for Answer {
    fn from(heard: Result<Heard, Unheard>) -> Self {
        match heard {
            Ok(Heard::Recorded | Heard::Ignored) => Self::Recorded,
            Ok(Heard::Created) => Self::Created,
            Ok(Heard::Unknown) => Self::NotFound,
            Err(Unheard::TooOften { retry_after }) => Self::TooOften { retry_after },
            Err(Unheard::Later { retry_after }) => Self::Later { retry_after },
        }
    }
}

/// The headers of answers, made once.
#[derive(Debug)]
pub(super) struct Replies {
    always: HeaderMap,
    heard: HeaderMap,
}

impl Replies {
    pub(super) fn new(body_limit: usize) -> Self {
        let mut always = HeaderMap::with_capacity(6);
        always.insert(CONTENT_TYPE, PLAIN);
        always.insert(EXPIRES, HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"));
        let never = "max-age=0, no-cache, no-store, must-revalidate, private";
        always.insert(CACHE_CONTROL, HeaderValue::from_static(never));
        let mut heard = always.clone();
        heard.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        heard.insert(PING_BODY_LIMIT, body_limit.into());
        Self { always, heard }
    }

    pub(super) fn reply(&self, answer: &Answer) -> Response<Full<Bytes>> {
        let mut reply = Response::new(Full::new(Bytes::from_static(answer.text().as_bytes())));
        *reply.status_mut() = answer.status();
        *reply.headers_mut() = match answer {
            Answer::Recorded | Answer::Created => self.heard.clone(),
            _ => self.always.clone(),
        };
        if let Answer::TooOften { retry_after } | Answer::Later { retry_after } = answer {
            reply.headers_mut().insert(RETRY_AFTER, (*retry_after).into());
        }
        reply
    }
}
