//! What a `postgres://` URL may say. Nobody is asked.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use tenko_store::open::{check_url, redact_url};
use tenko_store::{ErrorKind, StoreError};

fn refused(url: &str) -> (ErrorKind, String, String) {
    let error: StoreError = check_url(url).unwrap_err();
    let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    (error.kind(), format!("{error}: {why}"), error.help().unwrap_or_default().to_owned())
}

#[test]
fn a_password_is_never_shown_however_it_is_written() {
    for (url, shown) in [
        ("postgres://u:secret@h/db", "postgres://h/db"),
        ("postgresql://u:secret@h:5433/db?sslmode=require", "postgresql://h:5433/db"),
        ("POSTGRES://u:secret@h/db", "postgres://h/db"),
        ("postgres:///db?host=/run/postgresql&password=secret", "postgres:///db"),
        ("postgres://u:sec/ret@h/db", "postgres://..."),
        ("postgres://u:1?secret@h/db", "postgres://..."),
        ("postgres://u:1#secret@h/db", "postgres://..."),
        ("postgres://u:secret", "postgres://..."),
    ] {
        assert_eq!(redact_url(url), shown, "{url}");
        if let Err(error) = check_url(url) {
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }
}

#[cfg(feature = "postgres")]
#[test]
fn what_a_url_says_is_understood_whole_or_refused() {
    for good in [
        "postgres://localhost/tenko",
        "postgresql://u:p@h:5433/db?schema=rollcall&sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "postgres:///db?host=/run/postgresql&user=tenko&application_name=x",
        "postgres://h/db?options[work_mem]=8MB&connect=",
    ] {
        let refused = check_url(good);
        assert_eq!(refused.is_ok(), !good.contains("connect="), "{good}: {refused:?}");
    }
    let (kind, problem, hint) = refused("postgres://u:secret@h/db?sslmod=require");
    assert_eq!(kind, ErrorKind::Config);
    assert_eq!(problem, "\"postgres://h/db\" is no URL of a store: \"sslmod\" is no option of it");
    assert!(hint.contains("sslmode"), "{hint}");
    let (_, problem, _) = refused("postgres://h/db?schema=Robert'); drop table");
    assert!(problem.ends_with("a schema is a word of a-z, 0-9 and _, such as tenko"), "{problem}");
    assert_eq!(refused("postgres://h/db?sslmode=perhaps").0, ErrorKind::Config);
    let (_, _, hint) = refused("postgres://u:sec/ret@h/db");
    assert!(hint.contains("%2F"), "{hint}");
}

#[cfg(not(feature = "postgres"))]
#[test]
fn without_postgresql_that_is_said() {
    let (kind, problem, hint) = refused("postgres://u:secret@h/db");
    assert_eq!(kind, ErrorKind::Config);
    assert_eq!(problem, "\"postgres://h/db\" is no URL of a store: this build of Tenko has no PostgreSQL");
    assert!(hint.contains("--features postgres"), "{hint}");
}
