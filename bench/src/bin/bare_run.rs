//! The mark for `tenko run`: spawns a command, waits for it, exits with its code, and does nothing else.

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let Some(program) = args.next() else { return ExitCode::from(2) };
    let status = Command::new(program).args(args).status();
    let code = status.ok().and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.unwrap_or(127))
}
