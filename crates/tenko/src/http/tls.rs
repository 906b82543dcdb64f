//! The server's side of TLS: rustls with ring, HTTP/1.1 only.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::options::TlsFiles;
use super::server::HttpError;

/// The certificate with which the server shows who it is.
pub struct Certificate {
    files: TlsFiles,
    config: RwLock<Arc<ServerConfig>>,
    written: Mutex<Written>,
}

/// When certificate and key were written.
type Written = [Option<SystemTime>; 2];

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Certificate {
    pub(super) fn read(files: &TlsFiles) -> Result<Self, HttpError> {
        let written = written(files);
        let config = RwLock::new(Arc::new(config(files)?));
        Ok(Self { files: files.clone(), config, written: Mutex::new(written) })
    }

    /// Reads certificate and key again, for connections that begin from now on.
    ///
    /// # Errors
    /// If they can't be read, or do not belong together; those that were read before then stay.
    pub fn reload(&self) -> Result<(), HttpError> {
        let written = written(&self.files);
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = written;
        let new = Arc::new(config(&self.files)?);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Reads them again if they were written since they were read last. Says whether they were.
    pub(super) fn reload_if_written(&self) -> Result<bool, HttpError> {
        let changed = *self.written.lock().unwrap_or_else(PoisonError::into_inner) != written(&self.files);
        if changed {
            self.reload()?;
        }
        Ok(changed)
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

fn written(files: &TlsFiles) -> Written {
    [&files.certificate, &files.key].map(|file| file.metadata().and_then(|found| found.modified()).ok())
}

fn config(files: &TlsFiles) -> Result<ServerConfig, HttpError> {
    let chain = chain(&files.certificate).map_err(|why| unreadable(&files.certificate, why))?;
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|why| unreadable(&files.key, io_error(why)))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|why| unreadable(&files.certificate, io::Error::other(why)))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn chain(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let all = CertificateDer::pem_file_iter(file).map_err(io_error)?;
    let chain = all.collect::<Result<Vec<_>, _>>().map_err(io_error)?;
    if chain.is_empty() {
        return Err(io::Error::other("there is no certificate in it"));
    }
    Ok(chain)
}

fn io_error(why: rustls::pki_types::pem::Error) -> io::Error {
    match why {
        rustls::pki_types::pem::Error::Io(why) => why,
        why => io::Error::other(why),
    }
}

fn unreadable(file: &Path, why: io::Error) -> HttpError {
    HttpError::Tls { file: file.to_owned(), why }
}
