//! What is published: written over what is there, readable for all.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;

use std::collections::BTreeMap;

use bytes::Bytes;
use tenko_store::ErrorKind;
use tenko_store::open::{OpenOptions, PlainObjects, Published, open_objects};
use tenko_store::testkit_s3::{Ask, Key, TestS3};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const PAGE: Published = Published { content_type: "text/html; charset=utf-8", max_age: 60 };

async fn goes_round(place: &PlainObjects) {
    for text in ["first", "second, which is longer", "3"] {
        place.put("index.html", Bytes::from(text), PAGE).await.unwrap();
        assert_eq!(place.read("index.html", 100).await.unwrap().unwrap(), text);
    }
}

#[tokio::test]
async fn a_file_is_replaced_whole_and_readable_for_all() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("status");
    let url = format!("file://{}/", root.display());
    goes_round(&open_objects(&url, &OpenOptions::default()).await.unwrap()).await;
    let names: Vec<_> = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["index.html"], "nothing half written is left");
    let mode = std::fs::metadata(root.join("index.html")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[tokio::test]
async fn a_link_in_the_place_of_a_file_is_replaced_and_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let victim = dir.path().join("victim");
    std::fs::write(&victim, "kept").unwrap();
    let root = dir.path().join("status");
    std::fs::create_dir(&root).unwrap();
    std::os::unix::fs::symlink(&victim, root.join("index.html")).unwrap();
    let place = open_objects(&format!("file://{}", root.display()), &OpenOptions::default()).await.unwrap();
    place.put("index.html", Bytes::from("new"), PAGE).await.unwrap();
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "kept");
    assert_eq!(place.read("index.html", 100).await.unwrap().unwrap(), "new");
}

#[tokio::test]
async fn an_object_is_replaced_with_one_request() {
    let server = TestS3::start().await;
    let options = OpenOptions { env: Some(server.env(Key::Admin)), per_request: None };
    let place = open_objects(&server.url("status/"), &options).await.unwrap();
    goes_round(&place).await;
    assert_eq!((server.count(Ask::Put), server.count(Ask::Get)), (3, 3));
    assert_eq!(server.keys(), ["status/index.html"]);
}

#[tokio::test]
async fn without_the_right_to_write_it_says_so() {
    let server = TestS3::start().await;
    let options = OpenOptions { env: Some(server.env(Key::Checker)), per_request: None };
    let place = open_objects(&server.url("status"), &options).await.unwrap();
    let error = place.put("index.html", Bytes::from("x"), PAGE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("status/index.html"), "{error}");
}

/// Takes one request, and gives its head in lower case.
async fn one_request(listener: TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let mut body = [0; 5];
    stream.read_exact(&mut body).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\nETag: \"x\"\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

#[tokio::test]
async fn a_browser_is_told_what_it_is_and_how_long_it_may_be_shown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("s3://acme/status?endpoint=http://{}&allow_http=true", listener.local_addr().unwrap());
    let env = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
    let env: BTreeMap<String, String> =
        env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let place = open_objects(&url, &OpenOptions { env: Some(env), per_request: None }).await.unwrap();
    let put = place.put("index.html", Bytes::from("hello"), PAGE);
    let (head, put) = tokio::join!(one_request(listener), put);
    put.unwrap();
    assert!(head.starts_with("put /acme/status/index.html http/1.1\r\n"), "{head}");
    for line in ["content-type: text/html; charset=utf-8", "cache-control: max-age=60"] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{head}");
    }
    assert!(!head.contains("if-none-match"), "{head}");
}
