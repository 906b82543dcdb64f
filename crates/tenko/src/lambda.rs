//! The roll call as an AWS Lambda function: the same binary, started as `bootstrap` by the `provided.al2023` runtime.
//!
//! It asks the Runtime API for one event after the other and answers each with the report of a roll call.

mod answer;
mod deadline;
mod event;
mod failure;
mod function;
mod ready;
mod wake_up;

use std::path::Path;
use std::process::ExitCode;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use url::Url;

use crate::error::CommandError;
use crate::{printer, telemetry};

use function::Function;

/// Where the Runtime API is. A program that a function starts sees this variable too.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
/// What the runtime can't do without.
const NEEDED: [&str; 4] = [
    RUNTIME_API,
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

/// Whether this process was started to be a function. That is when it is called `bootstrap`, or has no arguments in a
/// place where there is a Runtime API; `tenko run` inside of somebody's own function is still `tenko run`.
pub fn is_wanted() -> bool {
    let mut arguments = std::env::args_os();
    let name = arguments.next();
    let is_bootstrap =
        name.is_some_and(|name| Path::new(&name).file_name().is_some_and(|name| name == "bootstrap"));
    let no_arguments = arguments.next().is_none();
    let api = is_set(RUNTIME_API);
    (is_bootstrap && (api || no_arguments)) || (api && no_arguments)
}

/// Serves roll calls until the process is ended.
pub fn main() -> ExitCode {
    telemetry::init_lambda();
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            printer::complain(&error);
            error.exit_code()
        }
    }
}

fn serve() -> Result<(), CommandError> {
    if let Some(missing) = NEEDED.into_iter().find(|name| !is_set(name)) {
        return Err(not_in_lambda(&format!("{missing} is not set")));
    }
    if std::env::var("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").is_ok_and(|size| size.parse::<i32>().is_err()) {
        return Err(not_in_lambda("AWS_LAMBDA_FUNCTION_MEMORY_SIZE is not a number"));
    }
    if !std::env::var(RUNTIME_API).is_ok_and(|place| is_place(&place)) {
        return Err(not_in_lambda("AWS_LAMBDA_RUNTIME_API is neither HOST:PORT nor a URL"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let function = &Function::default();
    let serving = lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        function.answer(event).await.map_err(Diagnostic::from)
    }));
    runtime.block_on(serving).map_err(|error| CommandError::could_not_tell(error).hint(HINT))
}

const HINT: &str = "the Lambda Runtime API is asked at $AWS_LAMBDA_RUNTIME_API";

fn not_in_lambda(problem: &str) -> CommandError {
    CommandError::usage(format!("this is not AWS Lambda: {problem}"))
        .hint("a program of the name bootstrap is a Lambda function; call it tenko to use it as a command")
}

/// `127.0.0.1:9001`, as Lambda says it, or a URL, as emulators do.
fn is_place(text: &str) -> bool {
    let is_url = |text: &str| Url::parse(text).is_ok_and(|url| url.scheme() == "http" && url.has_host());
    if text.contains("://") { is_url(text) } else { !text.contains('/') && is_url(&format!("http://{text}")) }
}

/// A variable of the environment; one that is empty counts as not set.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_runtime_api_is_a_host_or_a_url() {
        for place in ["127.0.0.1:9001", "localhost", "[::1]:9001", "http://127.0.0.1:9000/.rt/tenko"] {
            assert!(super::is_place(place), "{place}");
        }
        for nonsense in ["127.0.0.1:9001/x", "https://a", "a b", ":", "http://", "127.0.0.1:99999"] {
            assert!(!super::is_place(nonsense), "{nonsense}");
        }
    }
}
