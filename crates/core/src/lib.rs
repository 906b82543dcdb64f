//! core

pub mod schedule;
