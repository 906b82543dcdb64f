//! What a server's refusal means, and what helps.
//!
//! The library tells a 403 of PUT, GET and HEAD apart from other errors, but not one of LIST, which comes as text.
//! So everything is read from the text: the HTTP status, and the code and message of S3's XML.

use std::error::Error as _;

use object_store::Error;

use crate::credentials;
use crate::error::{ErrorKind, StoreError};

/// What was asked of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    Write,
    Read,
    List,
    Remove,
}

/// Whose names for rights are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    S3,
    #[cfg(feature = "gcs")]
    Google,
    #[cfg(feature = "azure")]
    Azure,
}

impl Rights {
    /// Azure gives an object another tag each time that it is written, with the same content too.
    pub(super) fn tags_tell_content(self) -> bool {
        match self {
            Self::S3 => true,
            #[cfg(feature = "gcs")]
            Self::Google => true,
            #[cfg(feature = "azure")]
            Self::Azure => false,
        }
    }

    fn name(self, doing: Doing) -> &'static str {
        match (self, doing) {
            (Self::S3, Doing::Write) => "s3:PutObject",
            (Self::S3, Doing::Read) => "s3:GetObject",
            (Self::S3, Doing::List) => "s3:ListBucket (on the bucket itself, not on its objects)",
            (Self::S3, Doing::Remove) => "s3:DeleteObject",
            #[cfg(feature = "gcs")]
            (Self::Google, Doing::Write) => "storage.objects.create",
            #[cfg(feature = "gcs")]
            (Self::Google, Doing::Read) => "storage.objects.get",
            #[cfg(feature = "gcs")]
            (Self::Google, Doing::List) => "storage.objects.list",
            #[cfg(feature = "gcs")]
            (Self::Google, Doing::Remove) => "storage.objects.delete",
            #[cfg(feature = "azure")]
            (Self::Azure, Doing::Write) => "Microsoft.Storage/.../blobs/add/action",
            #[cfg(feature = "azure")]
            (Self::Azure, Doing::Read | Doing::List) => "Microsoft.Storage/.../blobs/read",
            #[cfg(feature = "azure")]
            (Self::Azure, Doing::Remove) => "Microsoft.Storage/.../blobs/delete",
        }
    }
}

/// What a server said, as far as it said anything.
#[derive(Debug, Default)]
struct Answer {
    status: Option<u16>,
    code: Option<String>,
    message: Option<String>,
}

impl Answer {
    fn of(error: &Error) -> Self {
        let text = error.to_string();
        let status = text.split_once("status code: ").and_then(|(_, rest)| rest.get(..3)?.parse().ok());
        Self {
            status: status.or(implied(error)),
            code: element(&text, "Code"),
            message: element(&text, "Message"),
        }
    }

    fn has_code(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }
}

fn implied(error: &Error) -> Option<u16> {
    match error {
        Error::NotFound { .. } => Some(404),
        Error::PermissionDenied { .. } => Some(403),
        Error::Unauthenticated { .. } => Some(401),
        _ => None,
    }
}

fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (content, _) = rest.split_once(&format!("</{name}>"))?;
    let printable = content.chars().filter(|c| !c.is_control()).take(300);
    Some(printable.collect())
}

/// Whether another conditional write of the same key was under way, so that nobody knows yet whether the key exists.
pub(super) fn is_collision(error: &Error) -> bool {
    Answer::of(error).has_code(&["ConditionalRequestConflict", "OperationAborted"])
}

/// Whether there is no such object, and not merely no such bucket.
pub(super) fn is_no_object(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. })
        && !Answer::of(error).has_code(&["NoSuchBucket", "ContainerNotFound"])
}

/// The error that a caller gets.
pub(crate) fn explain(url: &str, rights: Rights, doing: Doing, key: &str, error: &Error) -> StoreError {
    let answer = Answer::of(error);
    let (kind, hint) = meaning(&answer, error, rights, doing);
    let verb = match doing {
        Doing::Write => "write",
        Doing::Read => "read",
        Doing::List => "list",
        Doing::Remove => "remove",
    };
    let separator = if key.is_empty() { "" } else { "/" };
    let told =
        StoreError::new(kind, format!("can't {verb} {url}{separator}{key}")).because(cause(&answer, error));
    match hint {
        Some(hint) => told.hint(hint),
        None => told,
    }
}

fn meaning(answer: &Answer, error: &Error, rights: Rights, doing: Doing) -> (ErrorKind, Option<String>) {
    let plain = |kind, hint: &str| (kind, Some(hint.to_owned()));
    match (answer.code.as_deref(), answer.status) {
        (Some("InvalidAccessKeyId" | "NotSignedUp" | "UnrecognizedClientException"), _) => plain(
            ErrorKind::Denied,
            "the server does not know the access key: check AWS_ACCESS_KEY_ID or the profile",
        ),
        (Some("SignatureDoesNotMatch"), _) => plain(
            ErrorKind::Denied,
            "the secret key does not belong to the access key: check AWS_SECRET_ACCESS_KEY",
        ),
        (Some("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired"), _) => {
            plain(ErrorKind::Denied, "the session has expired: sign in again, or unset AWS_SESSION_TOKEN")
        }
        (Some("RequestTimeTooSkewed"), _) => plain(ErrorKind::Denied, "set the clock of this machine"),
        (
            Some("AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException"),
            _,
        )
        | (_, Some(301 | 302 | 303 | 307 | 308)) => {
            plain(ErrorKind::Config, "the bucket is in another region: name it with ?region= or AWS_REGION")
        }
        (Some("NoSuchBucket" | "ContainerNotFound"), _) | (_, Some(404)) => plain(
            ErrorKind::Missing,
            "there is no such bucket (here): create it, or check its name, the region and the endpoint",
        ),
        (Some("XMinioStorageFull" | "QuotaExceeded"), _) | (_, Some(507)) => (ErrorKind::Full, None),
        (_, Some(403)) => (ErrorKind::Denied, Some(missing_right(rights, doing))),
        (_, Some(401)) => plain(ErrorKind::Denied, "the server wants credentials, or others"),
        (_, Some(408 | 429)) => (ErrorKind::Unavailable, None),
        (_, Some(501)) => plain(ErrorKind::Unfit, "the server can't do what is needed"),
        (_, Some(status)) if status >= 500 => (ErrorKind::Unavailable, None),
        (_, Some(_)) => (ErrorKind::Config, None),
        (_, None) => meaning_of_silence(error),
    }
}

fn missing_right(rights: Rights, doing: Doing) -> String {
    let right = rights.name(doing);
    if doing == Doing::Read && rights == Rights::S3 {
        return format!(
            "grant {right}; without s3:ListBucket on the bucket a missing object is answered in the same way"
        );
    }
    format!("grant {right}")
}

/// No answer of the server: it was not reached, or the credentials were not found.
fn meaning_of_silence(error: &Error) -> (ErrorKind, Option<String>) {
    if let Error::Generic { store: credentials::FROM_PROFILE, .. } = error {
        return (ErrorKind::Denied, None);
    }
    let text = chain(error);
    if text.contains("169.254.") || text.contains("metadata.google.internal") || text.contains("credential") {
        let hint = "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role";
        return (ErrorKind::Denied, Some(hint.to_owned()));
    }
    if text.contains("without LOCATION") {
        return (
            ErrorKind::Config,
            Some("the bucket is in another region: name it with ?region= or AWS_REGION".into()),
        );
    }
    if text.contains("scheme is not allowed") {
        return (
            ErrorKind::Config,
            Some("add ?allow_http=true to speak to this endpoint without TLS".into()),
        );
    }
    (ErrorKind::Unavailable, None)
}

fn cause(answer: &Answer, error: &Error) -> String {
    match (&answer.code, &answer.message, answer.status) {
        (Some(code), message, status) => {
            let message = message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
            let status = status.map(|status| format!(" (HTTP {status})")).unwrap_or_default();
            format!("the server said {code}{message}{status}")
        }
        (None, _, Some(status)) => format!("the server answered with HTTP {status}"),
        (None, _, None) => innermost(error),
    }
}

fn innermost(error: &Error) -> String {
    let mut last: &dyn std::error::Error = error;
    let mut timed_out = false;
    while let Some(source) = last.source() {
        last = source;
        timed_out |= last.to_string().contains("timed out");
    }
    match (server(&chain(error)), timed_out) {
        (Some(server), true) => format!("{server} did not answer in time"),
        (None, true) => "the server did not answer in time".to_owned(),
        (Some(server), false) => format!("{server}: {last}"),
        (None, false) => last.to_string(),
    }
}

/// The server that a message names, with its port.
fn server(message: &str) -> Option<&str> {
    let (_, url) = message.split_once("://")?;
    let end = url.find(|c: char| !(c.is_ascii_alphanumeric() || "-._:[]".contains(c))).unwrap_or(url.len());
    Some(&url[..end]).filter(|server| !server.is_empty())
}

fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
