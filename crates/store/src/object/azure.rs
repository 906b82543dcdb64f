//! A container of Azure Blob Storage.
//!
//! Settings are looked for under the names of the Azure SDKs, under those of the Azure CLI, and in a connection string
//! (<https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string>).

use std::sync::Arc;
use std::time::Duration;

use object_store::ClientOptions;
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};

use super::bucket::{AllowHttp, BucketUrl};
use super::cloud::Cloud;
use super::connection::{Connector, TheirClock, retries};
use super::objects::Objects;
use super::rights::Rights;
use crate::Result;
use crate::credentials::Environment;

/// What others call them, and what the library that speaks to Azure does.
const ALSO_KNOWN_AS: [(&str, AzureConfigKey); 4] = [
    ("AZURE_STORAGE_ACCOUNT", AzureConfigKey::AccountName),
    ("AZURE_STORAGE_KEY", AzureConfigKey::AccessKey),
    ("IDENTITY_ENDPOINT", AzureConfigKey::MsiEndpoint),
    ("MSI_ENDPOINT", AzureConfigKey::MsiEndpoint),
];

/// Prepares a container of Azure.
pub(super) fn connect(
    bucket: &BucketUrl,
    env: &Environment,
    per_request: Option<Duration>,
) -> Result<Arc<dyn Objects>> {
    let mut builder = configured(env);
    if let Some(account) = bucket.option("account") {
        builder = builder.with_account(account);
    }
    if let Some(endpoint) = bucket.option("endpoint") {
        builder = builder.with_endpoint(endpoint);
    }
    let allow_http = AllowHttp::of(bucket, env, "AZURE_ALLOW_HTTP");
    let server = server(bucket, &builder, &allow_http)?;
    let clock = Arc::new(TheirClock::default());
    let store = builder
        .with_container_name(bucket.name())
        .with_retry(retries())
        .with_client_options(ClientOptions::new().with_allow_http(allow_http.allowed))
        .with_http_connector(Connector { per_request, trusted: None, clock: Arc::clone(&clock) })
        .build()
        .map_err(|error| bucket.wrong("its settings do not fit").because(error))?;
    Ok(Arc::new(Cloud::new(store, bucket.place(&server, Rights::Azure), clock)))
}

/// What the environment says; a variable of its own wins over the connection string.
fn configured(env: &Environment) -> MicrosoftAzureBuilder {
    let mut builder = MicrosoftAzureBuilder::new();
    for (key, value) in
        env.get("AZURE_STORAGE_CONNECTION_STRING").iter().flat_map(|text| connection_string(text))
    {
        builder = builder.with_config(key, value);
    }
    for (name, key) in ALSO_KNOWN_AS {
        if let Some(value) = env.get(name) {
            builder = builder.with_config(key, value);
        }
    }
    for (name, value) in env.starting_with("AZURE_") {
        if let Ok(key) = name.to_ascii_lowercase().parse::<AzureConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    builder
}

/// Where blobs are, and with which credentials; what concerns queues and tables is passed over.
fn connection_string(text: &str) -> Vec<(AzureConfigKey, String)> {
    let parts: Vec<(&str, &str)> = text.split(';').filter_map(|part| part.trim().split_once('=')).collect();
    let part = |wanted: &str| {
        let found = parts.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| (*value).to_owned())
    };
    let account = part("AccountName");
    let of_suffix = || {
        let protocol = part("DefaultEndpointsProtocol").unwrap_or_else(|| "https".to_owned());
        Some(format!("{protocol}://{}.blob.{}", account.as_ref()?, part("EndpointSuffix")?))
    };
    let settings = [
        (AzureConfigKey::Endpoint, part("BlobEndpoint").or_else(of_suffix)),
        (AzureConfigKey::AccountName, account.clone()),
        (AzureConfigKey::AccessKey, part("AccountKey")),
        (AzureConfigKey::SasKey, part("SharedAccessSignature")),
        (AzureConfigKey::UseEmulator, part("UseDevelopmentStorage")),
    ];
    settings.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

/// The server that will be asked.
fn server(bucket: &BucketUrl, builder: &MicrosoftAzureBuilder, allow_http: &AllowHttp) -> Result<String> {
    let setting = |key: AzureConfigKey| builder.get_config_value(&key).filter(|value| !value.is_empty());
    if setting(AzureConfigKey::UseEmulator).is_some_and(|emulated| emulated == "true") {
        return Ok("emulator".to_owned());
    }
    let Some(account) = setting(AzureConfigKey::AccountName) else {
        return Err(bucket.wrong("nothing says which storage account has the container").hint(
            "add ?account=NAME to the URL, or set AZURE_STORAGE_ACCOUNT_NAME or AZURE_STORAGE_CONNECTION_STRING",
        ));
    };
    match setting(AzureConfigKey::Endpoint) {
        Some(endpoint) => Ok(bucket.checked_endpoint(&endpoint, allow_http)?.to_string()),
        None => Ok(format!("https://{account}.blob.core.windows.net/")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(text: &str, wanted: AzureConfigKey) -> Option<String> {
        connection_string(text).into_iter().find(|(key, _)| *key == wanted).map(|(_, value)| value)
    }

    #[test]
    fn a_connection_string_names_the_account_its_key_and_its_endpoint() {
        let text = "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=c2VjcmV0==;EndpointSuffix=core.chinacloudapi.cn";
        assert_eq!(setting(text, AzureConfigKey::AccountName).unwrap(), "acme");
        assert_eq!(setting(text, AzureConfigKey::AccessKey).unwrap(), "c2VjcmV0==");
        let endpoint = setting(text, AzureConfigKey::Endpoint).unwrap();
        assert_eq!(endpoint, "https://acme.blob.core.chinacloudapi.cn");
        let text =
            "BlobEndpoint=https://x.example/acme;SharedAccessSignature=sv=1&sig=a%3D;QueueEndpoint=https://q";
        assert_eq!(setting(text, AzureConfigKey::Endpoint).unwrap(), "https://x.example/acme");
        assert_eq!(setting(text, AzureConfigKey::SasKey).unwrap(), "sv=1&sig=a%3D");
        assert_eq!(setting("AccountName=acme;AccountKey=x", AzureConfigKey::Endpoint), None);
    }
}
