//! tenko

pub mod exec;
