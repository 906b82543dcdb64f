//! What a run says about itself when it has ended.

use jiff::Timestamp;
use tenko_core::{Evidence, Exit, Kind, Output};

use super::signed;
use crate::config::Config;
use crate::exec::mask::Masker;
use crate::exec::{self, CaptureLimits, Captured, Outcome};

/// What is captured; the evidence may keep less. It must be known before the configuration is read.
pub(super) const CAPTURE: CaptureLimits = CaptureLimits { head: 16 << 10, tail: 48 << 10 };
/// What is kept unless configured.
const HEAD: usize = 2048;
const TAIL: usize = 8192;

/// What the evidence keeps of the output.
pub(super) struct Keep {
    masked: Vec<String>,
    limits: Option<(usize, usize)>,
}

impl Keep {
    /// As configured, with the values of the named variables masked.
    pub(super) fn of(config: &Config, mask_env: &[String], no_output: bool) -> Self {
        let named = mask_env.iter().chain(&config.run.mask_env);
        let values: Vec<String> = named.filter_map(|name| std::env::var(name).ok()).collect();
        let limits = (config.run.capture_head.unwrap_or(HEAD), config.run.capture_tail.unwrap_or(TAIL));
        Self { masked: values, limits: (!no_output).then_some(limits) }
    }

    /// Nothing of the output.
    pub(super) fn nothing() -> Self {
        Self { masked: Vec::new(), limits: None }
    }

    fn output(&self, captured: &Captured) -> Option<Output> {
        let (head_limit, tail_limit) = self.limits?;
        if captured.total == 0 {
            return None;
        }
        // The patterns take a while to prepare, which a silent command need not wait for.
        let (head, tail) = Masker::new(&self.masked).mask_captured(captured);
        let (mut head, mut tail) = (lossy(&head), lossy(&tail));
        let mut omitted = captured.omitted();
        if omitted == 0 {
            // All of it is there: it may be cut in one piece.
            head.push_str(&std::mem::take(&mut tail));
            if head.len() <= head_limit + tail_limit {
                return Some(Output { head, tail, omitted, exact: None });
            }
            tail = head.clone();
        }
        let (head_end, tail_start) = (
            head.floor_char_boundary(head_limit),
            tail.ceil_char_boundary(tail.len().saturating_sub(tail_limit)),
        );
        omitted = captured.total.saturating_sub((head_end + tail.len() - tail_start) as u64);
        let (head, tail) = (head[..head_end].to_owned(), tail[tail_start..].to_owned());
        Some(Output { head, tail, omitted, exact: None })
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The evidence of the end of a run that began with `start`.
pub(super) fn end(
    start: &Evidence,
    outcome: &Outcome,
    at: Timestamp,
    keep: &Keep,
    clean_exit: &[u8],
) -> Evidence {
    let kind = match outcome.exit {
        _ if outcome.timed_out => Kind::Fail(Some(exit(&outcome.exit))),
        _ if outcome.exit.is_clean(clean_exit) => Kind::Success,
        _ => Kind::Fail(Some(exit(&outcome.exit))),
    };
    let mut end = Evidence::new(start.job.clone(), start.run, kind, at);
    end.declaration.clone_from(&start.declaration);
    end.report.host.clone_from(&start.report.host);
    end.report.duration = Some(signed(outcome.duration));
    end.report.output = keep.output(&outcome.output);
    end.report.timed_out = outcome.timed_out;
    end.report.max_rss = outcome.usage.as_ref().map(|usage| usage.max_rss_bytes);
    end
}

fn exit(exit: &exec::Exit) -> Exit {
    match exit {
        exec::Exit::Code(code) => Exit::Code(u8::try_from(*code).unwrap_or(u8::MAX)),
        exec::Exit::Signal { number, .. } => Exit::Signal(u8::try_from(*number).unwrap_or(u8::MAX)),
    }
}
