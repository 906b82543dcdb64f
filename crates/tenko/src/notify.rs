//! Channels: one file each.

pub mod options;
