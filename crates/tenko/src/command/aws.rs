//! `tenko aws`: what a team on AWS needs beside the program: a template, policies, what it costs, signed URLs.

mod cost;
mod place;
mod policy;
mod presign;
mod prices;
mod template;
mod timetable;
mod usage;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::Common;
use crate::error::CommandError;

/// Set up the roll call on AWS: a template, policies, what it costs, signed URLs.
///
/// None of these asks AWS for anything.
#[derive(Debug, Args)]
pub struct Aws {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Template(Box<template::Template>),
    Policy(policy::Policy),
    Cost(cost::Cost),
    Presign(presign::Presign),
}

impl Aws {
    /// Does it.
    pub fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        match self.action {
            Action::Template(template) => template.execute(common),
            Action::Policy(policy) => policy.execute(common),
            Action::Cost(cost) => cost.execute(common),
            Action::Presign(presign) => presign.execute(common),
        }
    }
}
