//! URLs of stores: what is accepted, and what a person is told of the others.

use std::collections::BTreeMap;

use tenko_store::open::{OpenOptions, check_url, directory_of, open, redact_url};

fn told(error: &tenko_store::StoreError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{error}: {cause}\n  help: {}\n", error.help().unwrap_or("-"))
}

#[test]
fn good_urls_are_accepted() {
    for url in [
        "memory:",
        "file:///var/lib/tenko",
        "s3://acme-rollcall",
        "s3://acme-rollcall/prod/eu",
        "s3://b/p?endpoint=https://minio.example:9000&region=eu-central-1&path_style=true&allow_http=false&profile=dev",
        "gs://bucket/x",
        "az://container/x",
    ] {
        check_url(url).unwrap_or_else(|error| panic!("{url}: {}", told(&error)));
    }
    assert_eq!(directory_of("file:///var/lib/tenko/").unwrap().unwrap().to_str(), Some("/var/lib/tenko"));
    assert_eq!(directory_of("s3://bucket").unwrap(), None);
}

#[test]
fn of_bad_urls_it_is_said_what_is_wrong() {
    let bad = [
        "",
        "/var/lib/tenko",
        "tenko.db",
        "file://var/lib/tenko",
        "file:/var/lib/tenko",
        "file:///a?b",
        "memory://x",
        "s3a://bucket",
        "gcs://bucket",
        "ftp://host/x",
        "https://bucket.s3.amazonaws.com/",
        "s3://",
        "s3://bucket:9000/x",
        "s3://AKIA:secret@bucket/x",
        "s3://bucket/a//b",
        "s3://bucket/%00",
        "s3://bucket/x?endpiont=https://x",
        "s3://bucket/x?path_style=yes",
        "gs://bucket/x?region=x",
    ];
    let told: String = bad.iter().map(|url| told(&check_url(url).unwrap_err())).collect();
    assert!(!told.contains("secret"));
    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn an_endpoint_without_tls_has_to_be_asked_for() {
    let refused = async |url: &str, env: &[(&str, &str)]| {
        let env: BTreeMap<_, _> =
            env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        open(url, &OpenOptions { env: Some(env), per_request: None }).await.err().map(|error| told(&error))
    };
    let http = "s3://bucket/x?endpoint=http://127.0.0.1:9";
    insta::assert_snapshot!(refused(http, &[]).await.unwrap());
    assert_eq!(refused(&format!("{http}&allow_http=true"), &[]).await, None);
    assert_eq!(refused(http, &[("AWS_ALLOW_HTTP", "true")]).await, None);
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"] {
        assert!(refused("s3://bucket", &[(name, "http://127.0.0.1:9")]).await.is_some(), "{name}");
    }
    assert!(refused("s3://bucket?endpoint=127.0.0.1", &[]).await.is_some());
}

#[tokio::test]
async fn the_url_that_is_shown_holds_no_secret() {
    let store = open("s3://bucket/a/b?region=x", &OpenOptions::default()).await.unwrap();
    assert_eq!(store.url(), "s3://bucket/a/b");
    assert_eq!(redact_url("s3://key:secret@bucket/x?token=secret#secret"), "s3://bucket/x");
    assert_eq!(redact_url("postgres://u:p@h/db"), "postgres://h/db");
    assert_eq!(redact_url("sqlite:///x.db"), "sqlite:///x.db");
    assert_eq!(redact_url("u:p@nothing"), "nothing");
}

/// A signature of Azure travels in the URL of each request.
#[tokio::test]
async fn signatures_and_tokens_are_not_shown() {
    let env = [
        ("AZURE_STORAGE_ACCOUNT_NAME", "acme"),
        ("AZURE_STORAGE_SAS_TOKEN", "sv=2018-11-09&sr=c&sp=c&sig=plantedSecret"),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let options = OpenOptions { env: Some(env.into()), per_request: None };
    let url = "az://container/x?endpoint=http://127.0.0.1:9/acme&allow_http=true";
    let store = open(url, &options).await.unwrap();
    let error = store.news(&tenko_core::roll::Cursor::default(), jiff::Timestamp::now()).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert!(!format!("{error:?} {store:?}").contains("plantedSecret"), "{error:?} {store:?}");
    let env = BTreeMap::from([("GOOGLE_BEARER_TOKEN".to_owned(), "plantedSecret".to_owned())]);
    let google = open("gs://bucket", &OpenOptions { env: Some(env), per_request: None }).await.unwrap();
    assert!(!format!("{google:?}").contains("plantedSecret"), "{google:?}");
    let nobody =
        open("az://container/x", &OpenOptions { env: Some(BTreeMap::new()), per_request: None }).await;
    insta::assert_snapshot!(told(&nobody.unwrap_err()));
}
