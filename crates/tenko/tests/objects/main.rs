//! The founding case: something else writes an object, and the roll call asks whether it is there.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bucket;

mod backups;
mod blind;
mod checks;
mod dry;
mod files;
mod forgetting;
mod quality;
mod requests;
mod same;
mod timeline;
mod wildcards;
