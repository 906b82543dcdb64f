//! Single values, as the configuration and the command line say them.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use url::Url;

/// A value was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}: {hint}")]
pub struct SaidError {
    /// What is wrong, without the value.
    pub problem: &'static str,
    /// How it is written.
    pub hint: &'static str,
}

/// Reads an address at which to listen: `127.0.0.1:8000`, `[::]:8000`, or `:8000` for all IPv6 and IPv4 addresses.
///
/// # Errors
/// If it is none.
pub fn listen_address(text: &str) -> Result<SocketAddr, SaidError> {
    let named = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let full = named.or_else(|| text.starts_with(':').then(|| format!("[::]{text}")));
    full.as_deref().unwrap_or(text).parse().map_err(|_| SaidError {
        problem: "this is no address at which to listen",
        hint: "write 127.0.0.1:8000, [::1]:8000, or :8000 for all addresses of the machine",
    })
}

/// Reads a range of addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
///
/// # Errors
/// If it is none.
pub fn prefix(text: &str) -> Result<IpNet, SaidError> {
    let one = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| one()).map_err(|_| SaidError {
        problem: "this is no range of addresses",
        hint: "write 10.0.0.0/8, fd00::/8, or one address",
    })
}

/// Reads the URL under which a server is reached; the answer ends in `/`.
///
/// # Errors
/// If it is none, or says more than where the server is.
pub fn public_url(text: &str) -> Result<Url, SaidError> {
    let refuse = |problem| SaidError { problem, hint: "write https://HOST/ or https://HOST/PATH/" };
    let mut url = Url::parse(text).map_err(|_| refuse("this is not a URL"))?;
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Err(refuse("this is not a URL that begins with https:// or http://"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(refuse("more stands in it than host and path"));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_prefixes_and_urls_are_read_as_people_write_them() {
        let listen = |text| listen_address(text).map(|address| address.to_string());
        assert_eq!(listen(":80").as_deref(), Ok("[::]:80"));
        assert_eq!(listen("localhost:80").as_deref(), Ok("127.0.0.1:80"));
        assert!(listen("example.org:80").is_err());
        assert!(listen("127.0.0.1").is_err());
        assert!(prefix("10.0.0.0/8").unwrap().contains(&"10.9.9.9".parse::<IpAddr>().unwrap()));
        assert!(!prefix("::1").unwrap().contains(&"::2".parse::<IpAddr>().unwrap()));
        assert!(prefix("10.0.0.0/33").is_err());
        assert_eq!(public_url("https://t.example.org/x").unwrap().as_str(), "https://t.example.org/x/");
        for wrong in ["t.example.org", "ftp://x/", "https://u:p@x/", "https://x/?a", "https://x/#a"] {
            assert!(public_url(wrong).is_err(), "{wrong}");
        }
    }
}
