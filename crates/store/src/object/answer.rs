//! What a server's refusal means, and what helps.
//!
//! The library tells a 403 of PUT, GET and HEAD apart from other errors, but not one of LIST, which comes as text.
//! So everything is read from the text: the HTTP status, and the code and message of S3's XML.

use std::error::Error as _;

use object_store::Error;

use super::rights::{Doing, Rights};
use crate::credentials;
use crate::error::{ErrorKind, StoreError};

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
    // Azure adds lines with the number and the time of the request.
    let line = content.lines().next().unwrap_or_default();
    let printable = line.chars().filter(|c| !c.is_control()).take(300);
    Some(printable.collect())
}

/// Whether another conditional write of the same key was under way, so that nobody knows yet whether the key exists.
pub(super) fn is_collision(error: &Error) -> bool {
    Answer::of(error).has_code(&["ConditionalRequestConflict", "OperationAborted"])
}

/// Whether the answer to a create says that the key is taken.
pub(super) fn is_taken(error: &Error) -> bool {
    let answer = Answer::of(error);
    match error {
        // Azure says 409 of a container, too, that can't take anything.
        Error::AlreadyExists { .. } => {
            !answer.has_code(&["ContainerBeingDeleted", "ContainerDisabled", "AccountBeingCreated"])
        }
        // Whoever may only create is told so in place of a 409 (Azure), or lacks a right that is needed only to replace
        // what is there (Google).
        _ => {
            answer.has_code(&["UnauthorizedBlobOverwrite"])
                || (answer.status == Some(403) && error.to_string().contains("storage.objects.delete access"))
        }
    }
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
        (Some("InvalidIdentityToken" | "ExpiredTokenException" | "IDPRejectedClaim"), _) => plain(
            ErrorKind::Denied,
            "the token in AWS_WEB_IDENTITY_TOKEN_FILE does not give AWS_ROLE_ARN: check both, and the trust policy",
        ),
        (Some("RequestTimeTooSkewed"), _) => plain(ErrorKind::Denied, "set the clock of this machine"),
        (
            Some("AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException"),
            _,
        )
        | (_, Some(301 | 302 | 303 | 307 | 308)) => {
            plain(ErrorKind::Config, "the bucket is in another region: name it with ?region= or AWS_REGION")
        }
        (Some("AuthenticationFailed"), _) => plain(
            ErrorKind::Denied,
            "the key or the signature is wrong or has ended: check AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN",
        ),
        (Some("AuthorizationFailure"), _) => (ErrorKind::Denied, Some(rights.unclear(doing))),
        (Some("ContainerBeingDeleted" | "ContainerDisabled" | "AccountBeingCreated"), _) => {
            (ErrorKind::Unavailable, None)
        }
        (Some("NoSuchBucket" | "ContainerNotFound"), _) | (_, Some(404)) => {
            plain(ErrorKind::Missing, rights.no_bucket())
        }
        (Some("XMinioStorageFull" | "QuotaExceeded"), _) | (_, Some(507)) => (ErrorKind::Full, None),
        (Some(code), _) if code.starts_with("KMS.") => plain(
            ErrorKind::Denied,
            "the key in KMS that the bucket is to be encrypted with can't be used: check that it is there, enabled and in the bucket's region, or choose another one for the bucket",
        ),
        (_, Some(403)) => (ErrorKind::Denied, Some(denied(answer, rights, doing))),
        (_, Some(401)) => plain(ErrorKind::Denied, "the server wants credentials, or others"),
        (_, Some(408 | 429)) => (ErrorKind::Unavailable, None),
        (_, Some(501)) => plain(ErrorKind::Unfit, "the server can't do what is needed"),
        (_, Some(status)) if status >= 500 => (ErrorKind::Unavailable, None),
        (_, Some(_)) => (ErrorKind::Config, None),
        (_, None) => meaning_of_silence(error, rights),
    }
}

/// What helps against a 403, of which AWS often says more.
fn denied(answer: &Answer, rights: Rights, doing: Doing) -> String {
    let message = answer.message.as_deref().unwrap_or_default();
    if let Some((_, action)) = message.split_once("kms:") {
        let end = action.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(action.len());
        return format!("grant kms:{} on the key in KMS that encrypts the bucket", &action[..end]);
    }
    if message.contains("explicit deny in a resource-based policy") {
        return "the bucket policy forbids it to everybody: requests need TLS, and writes of evidence have to be create-only"
            .to_owned();
    }
    let right = rights.missing(doing);
    if message.contains("no resource-based policy allows") {
        return format!("{right}; the bucket is in another account: its bucket policy has to allow it too");
    }
    right
}

/// No answer of the server: it was not reached, or the credentials were not found.
fn meaning_of_silence(error: &Error, rights: Rights) -> (ErrorKind, Option<String>) {
    if let Error::Generic { store: credentials::FROM_PROFILE, .. } = error {
        return (ErrorKind::Denied, None);
    }
    let text = chain(error);
    if text.contains("169.254.") || text.contains("metadata.google.internal") || text.contains("credential") {
        return (ErrorKind::Denied, Some(rights.no_credentials().to_owned()));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str, message: &str) -> Error {
        let text = format!(
            "Server returned non-2xx status code: {status}: <Error><Code>{code}</Code><Message>{message}</Message></Error>"
        );
        match status {
            403 => Error::PermissionDenied { path: "x".into(), source: text.into() },
            _ => Error::AlreadyExists { path: "x".into(), source: text.into() },
        }
    }

    #[test]
    fn a_create_tells_a_taken_key_from_other_refusals() {
        let google =
            "app@acme does not have storage.objects.delete access to the Google Cloud Storage object.";
        for (status, code, message, taken) in [
            (412, "PreconditionFailed", "", true),
            (409, "BlobAlreadyExists", "", true),
            (409, "ContainerBeingDeleted", "", false),
            (403, "UnauthorizedBlobOverwrite", "", true),
            (403, "AuthorizationPermissionMismatch", "", false),
            (403, "AccessDenied", google, true),
            (403, "AccessDenied", "app@acme does not have storage.objects.create access", false),
        ] {
            assert_eq!(is_taken(&refused(status, code, message)), taken, "{code} {message}");
        }
    }

    /// What is said of a refusal of AWS, and what helps.
    fn said(status: u16, code: &str, message: &str) -> (ErrorKind, String) {
        let xml = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
        let source = format!("Server returned non-2xx status code: {status} Refused: {xml}").into();
        let error = Error::Generic { store: "S3", source };
        let told = explain("s3://acme", Rights::S3, Doing::Write, "evidence/x", &error);
        (told.kind(), told.help().unwrap_or_default().to_owned())
    }

    #[test]
    fn a_wrong_key_in_kms_is_named() {
        let (kind, hint) = said(400, "KMS.NotFoundException", "Key 'arn:aws:kms:x:1:key/a' does not exist");
        assert!(kind == ErrorKind::Denied && hint.contains("enabled and in the bucket's region"), "{hint}");
        let message = "User: arn:aws:iam::1:user/host is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:x:1:key/a because no identity-based policy allows the kms:GenerateDataKey action";
        let (kind, hint) = said(403, "AccessDenied", message);
        assert_eq!(kind, ErrorKind::Denied);
        assert_eq!(hint, "grant kms:GenerateDataKey on the key in KMS that encrypts the bucket");
    }

    #[test]
    fn a_bucket_in_another_account_and_one_that_forbids_are_told_apart() {
        let who = "User: arn:aws:iam::1:user/host is not authorized to perform: s3:PutObject on resource: \"arn:aws:s3:::acme/x\"";
        let (_, other) = said(
            403,
            "AccessDenied",
            &format!("{who} because no resource-based policy allows the s3:PutObject action"),
        );
        assert!(other.contains("grant s3:PutObject") && other.contains("another account"), "{other}");
        let (_, forbidden) =
            said(403, "AccessDenied", &format!("{who} with an explicit deny in a resource-based policy"));
        assert!(forbidden.contains("bucket policy forbids"), "{forbidden}");
        assert_eq!(said(403, "AccessDenied", "Access Denied").1, "grant s3:PutObject");
    }
}
