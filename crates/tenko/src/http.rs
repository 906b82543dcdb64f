//! HTTP: pings and the adapters for what other vendors send, health, metrics.
