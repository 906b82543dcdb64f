//! TLS in the process itself.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tenko::http::TlsFiles;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::Client;
use crate::world::{ADDRESS, World};

fn sample(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http/certificates").join(name)
}

/// Lays out this certificate and its key as those of the server.
fn lay_out(place: &Path, name: &str) -> TlsFiles {
    let files = TlsFiles { certificate: place.join("tls.pem"), key: place.join("tls.key") };
    std::fs::copy(sample(&format!("{name}.pem")), &files.certificate).unwrap();
    std::fs::copy(sample(&format!("{name}.key.pem")), &files.key).unwrap();
    files
}

/// Connects, trusting this certificate alone, and offering HTTP/2 as browsers do.
async fn connect(world: &World, trusted: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(sample(&format!("{trusted}.pem"))).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(world.address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("tenko.test").unwrap(), stream).await
}

async fn ping(mut stream: TlsStream<TcpStream>) -> String {
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let request =
        format!("POST /ping/{ADDRESS} HTTP/1.1\r\nConnection: close\r\nContent-Length: 4\r\n\r\ndone");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    said
}

#[tokio::test]
async fn pings_are_heard_over_tls_and_say_so() {
    let place = tempfile::tempdir().unwrap();
    let files = lay_out(place.path(), "first");
    let world = World::with(|options| options.tls = Some(files)).await;
    let said = ping(connect(&world, "first").await.unwrap()).await;
    assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("OK"), "{said}");
    let heard = world.hears.one();
    assert_eq!((heard.report.via.unwrap().scheme.as_str(), heard.text.as_deref()), ("https", Some("done")));
}

#[tokio::test]
async fn a_new_certificate_is_read_while_it_serves_and_a_broken_one_is_not() {
    let place = tempfile::tempdir().unwrap();
    let files = lay_out(place.path(), "first");
    let world = World::with(|options| options.tls = Some(files.clone())).await;
    let open = connect(&world, "first").await.unwrap();
    assert!(connect(&world, "second").await.is_err());

    lay_out(place.path(), "second");
    world.certificate.as_ref().unwrap().reload().unwrap();
    assert!(connect(&world, "first").await.is_err());
    assert!(ping(connect(&world, "second").await.unwrap()).await.ends_with("OK"));
    assert!(ping(open).await.ends_with("OK"));

    std::fs::copy(sample("first.key.pem"), &files.key).unwrap();
    world.certificate.as_ref().unwrap().reload().unwrap_err();
    assert!(ping(connect(&world, "second").await.unwrap()).await.ends_with("OK"));
}

#[tokio::test]
async fn fault_60_who_never_greets_is_closed_and_the_others_are_served() {
    let place = tempfile::tempdir().unwrap();
    let files = lay_out(place.path(), "first");
    let world = World::with(|options| {
        options.tls = Some(files);
        options.times.header = Duration::from_millis(300);
        options.times.idle = Duration::from_millis(300);
    })
    .await;
    let mut silent = Client::connect(world.address).await;
    let mut half = Client::connect(world.address).await;
    half.send(b"\x16\x03\x01\x02\0\x01\0").await;
    let mut plain = Client::connect(world.address).await;
    plain.send("GET /livez HTTP/1.1\r\n\r\n").await;
    assert!(ping(connect(&world, "first").await.unwrap()).await.ends_with("OK"));
    for client in [&mut silent, &mut half] {
        assert_eq!(client.rest().await, "");
    }
    assert!(!plain.rest().await.contains("alive"));
}
