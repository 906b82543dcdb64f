//! The `tenko` binary: finds out as what it was started, and hands over.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "lambda")]
    if tenko::lambda::is_wanted() {
        return tenko::lambda::main();
    }
    tenko::cli::main()
}
