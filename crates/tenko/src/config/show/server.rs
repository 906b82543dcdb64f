//! What is in force of the server, as TOML.

use jiff::SignedDuration;
use toml::Value;

use super::{Page, quoted, size_value, without_password};
use crate::config::{ConfiguredJob, MetricsOptions, ServerOptions};

impl Page<'_> {
    pub(super) fn sources(&mut self) {
        for (name, url) in &self.config.sources {
            self.line(&format!("\n[sources.{name}]"));
            self.pair("url", without_password(url));
        }
    }

    pub(super) fn served(&mut self, configured: &ConfiguredJob) {
        if let Some(source) = &configured.source {
            self.pair("source", source.as_str());
        }
        if let Some(uuid) = configured.uuid {
            self.pair("uuid", uuid.to_string());
        }
    }

    pub(super) fn server(&mut self) {
        let server = &self.config.server;
        self.line("\n[server]");
        self.pair("listen", texts(&server.listen));
        if let Some(url) = &server.url {
            self.pair("url", url.as_str());
        }
        for name in server.ping_keys.keys() {
            let shown = self.shown(&format!("server.ping_keys.{name}"));
            self.pair(&format!("ping_keys.{}", quoted(name)), shown);
        }
        if !server.trusted_proxies.is_empty() {
            self.pair("trusted_proxies", texts(&server.trusted_proxies));
        }
        if server.ping_at_root {
            self.pair("ping_at_root", true);
        }
        self.server_limits(server);
        if let Some(mail) = &server.mail {
            self.pair("mail.listen", mail.listen.to_string());
            self.pair("mail.domain", &*mail.domain);
        }
        self.metrics(server.metrics.as_ref());
    }

    fn server_limits(&mut self, server: &ServerOptions) {
        self.pair("body_limit", size_value(u64::try_from(server.body_limit).unwrap_or(u64::MAX)));
        self.pair("retention", format!("{:#}", server.retention));
        if let Some(tls) = &server.tls {
            self.pair("tls.certificate", tls.certificate.display().to_string());
            self.pair("tls.key", tls.key.display().to_string());
        }
        self.pair("max_connections", number(server.max_connections));
        self.pair("max_connections_per_address", number(server.max_connections_per_address));
        for (key, limit) in [("rate_limit", server.rate_limit), ("key_rate_limit", server.key_rate_limit)] {
            if let Some(limit) = limit {
                self.pair(key, i64::from(limit));
            }
        }
        self.pair("created_jobs_limit", number(server.created_jobs_limit));
        for (key, limit) in [
            ("header_timeout", server.header_timeout),
            ("body_timeout", server.body_timeout),
            ("idle_timeout", server.idle_timeout),
            ("shutdown_timeout", server.shutdown_timeout),
        ] {
            let limit = SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX);
            self.pair(key, format!("{limit:#}"));
        }
    }

    fn metrics(&mut self, metrics: Option<&MetricsOptions>) {
        let Some(metrics) = metrics else {
            self.pair("metrics", false);
            return;
        };
        if metrics.key.is_some() {
            let shown = self.shown("server.metrics.key");
            self.pair("metrics.key", shown);
        }
        self.pair("metrics.jobs", number(metrics.jobs));
    }
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn number(count: usize) -> Value {
    Value::from(i64::try_from(count).unwrap_or(i64::MAX))
}
