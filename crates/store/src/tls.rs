//! TLS as everything here speaks it: rustls with ring. The system's certificates are trusted; where there are none (a
//! bare container), Mozilla's list as compiled in.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore};

/// What a client needs to speak TLS. The certificates are read at the first call.
///
/// # Errors
/// If no version of TLS can be spoken.
pub fn config() -> Result<ClientConfig, rustls::Error> {
    static CONFIG: OnceLock<ClientConfig> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(config.clone());
    }
    let new = build()?;
    Ok(CONFIG.get_or_init(|| new).clone())
}

fn build() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots()).with_no_client_auth())
}

fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}
