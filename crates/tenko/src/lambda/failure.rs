//! What an invocation fails with: it is counted by the metric `Errors`, and its text is in the log and the answer.

use lambda_runtime::Diagnostic;

use crate::error::{CommandError, Kind};

/// An invocation failed.
#[derive(Debug)]
pub(super) struct Failure {
    kind: &'static str,
    message: String,
}

impl Failure {
    /// The event is none that is understood.
    pub(super) fn event(message: String) -> Self {
        Self { kind: "UnknownEvent", message }
    }

    /// A message was not accepted, and the store forgets that it has to be sent. Lambda repeats the call.
    pub(super) fn untold(count: usize) -> Self {
        let message = format!(
            "{count} notices could not be delivered, and memory: keeps none of them; the call has to be repeated, and what was delivered is told again then"
        );
        Self { kind: "Untold", message }
    }

    /// The function would have been cut off.
    pub(super) fn time_out(doing: &str) -> Self {
        let message = format!(
            "{doing} took longer than the function's time-out allows; what is in the store is whole, and the next roll call goes on from there. Give the function more time"
        );
        Self { kind: "TimeOut", message }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        let kind = match error.kind {
            Kind::Usage => "Configuration",
            Kind::CouldNotTell | Kind::BrokenPipe => "CouldNotTell",
        };
        Self { kind, message: error.render().trim_end().to_owned() }
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.kind.to_owned(), error_message: failure.message }
    }
}
