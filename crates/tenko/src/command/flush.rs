//! TEMP
use std::process::ExitCode; use clap::Args; use crate::cli::Common; use crate::error::CommandError;
/// Send evidence that could not be delivered before.
#[derive(Debug, Args)] pub struct Flush {}
impl Flush { pub async fn execute(self, _c: &Common) -> Result<ExitCode, CommandError> { Ok(ExitCode::SUCCESS) } }
