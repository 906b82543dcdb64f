//! Azurite, Microsoft's own emulator of Azure Storage, with one account and one container.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;
use tenko_store::testkit_peers::{PeerProcess, free_ports, peer};

pub(crate) const ACCOUNT: &str = "acme";
pub(crate) const CONTAINER: &str = "rollcall";
const KEY: &str = "c29tZSBrZXkgb2YgYW4gYWNjb3VudA==";
const VERSION: &str = "2018-11-09";

/// The server, which ends with this.
pub(crate) struct Azurite {
    port: u16,
    _process: PeerProcess,
}

impl Azurite {
    /// Starts it, and makes the container.
    pub(crate) async fn start() -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let place = PeerProcess::place();
        let [port] = free_ports();
        let mut azurite = Command::new(peer("azurite-blob"));
        azurite.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
        azurite.args(["--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--silent"]);
        azurite.env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{KEY}"));
        let server = Self { port, _process: PeerProcess::start(&mut azurite, place) };
        server.make_container().await;
        server
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}", self.port)
    }

    /// The environment of somebody who has the key of the account.
    pub(crate) fn owner(&self) -> BTreeMap<String, String> {
        self.env(&[("AZURE_STORAGE_ACCOUNT_KEY", KEY)])
    }

    /// The environment of somebody who has a signature that grants some rights on the container, such as `c` and `r`.
    pub(crate) fn granted(&self, rights: &str) -> BTreeMap<String, String> {
        self.env(&[("AZURE_STORAGE_SAS_TOKEN", &shared_access(rights, SignedDuration::from_hours(1)))])
    }

    /// The same an hour after its end.
    pub(crate) fn granted_once(&self, rights: &str) -> BTreeMap<String, String> {
        self.env(&[("AZURE_STORAGE_SAS_TOKEN", &shared_access(rights, SignedDuration::from_hours(-1)))])
    }

    /// The environment with the names that the Azure CLI has.
    pub(crate) fn env(&self, more: &[(&str, &str)]) -> BTreeMap<String, String> {
        let fixed =
            [("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT.to_owned()), ("AZURE_STORAGE_ENDPOINT", self.endpoint())];
        let fixed = fixed.into_iter().chain([("AZURE_ALLOW_HTTP", "true".to_owned())]);
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        fixed.chain(more).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// One text says it all, as in the portal.
    pub(crate) fn connection_string(&self) -> String {
        format!("AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={}", self.endpoint())
    }

    /// Writes a blob past the store.
    pub(crate) async fn put(&self, name: &str) {
        let url = format!(
            "{}/{CONTAINER}/{name}?{}",
            self.endpoint(),
            shared_access("rwc", SignedDuration::from_hours(1))
        );
        let request = reqwest::Client::new().put(url).header("x-ms-blob-type", "BlockBlob").body("x");
        let answer = request.header("x-ms-version", VERSION).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    async fn make_container(&self) {
        for _ in 0..240 {
            match self.create_container().await {
                Ok(status) => return assert_eq!(status, 201),
                Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
            }
        }
        panic!("Azurite did not serve within a minute");
    }

    /// <https://learn.microsoft.com/rest/api/storageservices/create-container>, signed with the key of the account.
    async fn create_container(&self) -> reqwest::Result<u16> {
        let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let headers = format!("x-ms-date:{date}\nx-ms-version:{VERSION}");
        let empty = "\n".repeat(12);
        let signature =
            sign(&format!("PUT{empty}{headers}\n/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container"));
        let url = format!("{}/{CONTAINER}?restype=container", self.endpoint());
        let request = reqwest::Client::new().put(url).header("content-length", "0");
        let request = request.header("x-ms-date", date).header("x-ms-version", VERSION);
        let request = request.header("authorization", format!("SharedKey {ACCOUNT}:{signature}"));
        Ok(request.send().await?.status().as_u16())
    }
}

/// <https://learn.microsoft.com/rest/api/storageservices/create-service-sas>
fn shared_access(rights: &str, lasts: SignedDuration) -> String {
    let end = (Timestamp::now() + lasts).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let signature =
        sign(&format!("{rights}\n\n{end}\n/blob/{ACCOUNT}/{CONTAINER}\n\n\n\n{VERSION}\nc\n\n\n\n\n\n"));
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("sv", VERSION), ("sr", "c"), ("sp", rights), ("se", &end), ("sig", &signature)] {
        query.append_pair(name, value);
    }
    query.finish()
}

fn sign(text: &str) -> String {
    let key = BASE64_STANDARD.decode(KEY).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(text.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}
