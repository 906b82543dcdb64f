//! Reporting beside the command, and what is done when that hangs.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tenko_core::Evidence;

use super::{Run, evidence, length};
use crate::cli::Common;
use crate::command::Setup;
use crate::config::Config;
use crate::error::chain;
use crate::exec::Outcome;
use crate::report::{self, Courier, Destination, Fate};
use crate::{place, printer};

/// A run that ends within this is reported in one go.
const SHORT: Duration = Duration::from_millis(20);
/// How long the start of a longer run is tried to be reported.
const START_TIME: Duration = Duration::from_secs(5);
/// How long all reporting may take after the command, unless configured.
const REPORT_TIME: Duration = Duration::from_secs(10);
/// How much longer the reporter is waited for, so that it can use the spool itself.
const SPOOL_TIME: Duration = Duration::from_secs(1);
/// How long it may take to tell the channels that evidence could not be stored.
const TELL_TIME: Duration = Duration::from_secs(5);

/// Reports beside the command.
pub(super) struct Reporter {
    run: Run,
    common: Common,
    start: Evidence,
    limit: Option<Duration>,
    plan: Arc<OnceLock<Plan>>,
}

/// What the configuration says about reporting.
#[derive(Clone, Debug)]
struct Plan {
    destination: String,
    is_configured: bool,
    limit: Duration,
}

/// What the reporter is told when the command has ended.
struct Ended {
    at: Timestamp,
    seen: Instant,
    outcome: Outcome,
}

/// The evidence is stored, kept, or lost, and that was said.
struct Settled;

impl Reporter {
    pub(super) fn new(run: Run, common: &Common, start: Evidence) -> Self {
        let limit = length("--report-timeout", run.report_timeout.as_deref());
        Self { run, common: common.clone(), start, limit, plan: Arc::default() }
    }

    /// Begins on a thread of its own. Where there can be no thread, the end is kept to be sent later.
    pub(super) fn begin(self) -> Reporting {
        let (ended, ending) = channel();
        let (settling, settled) = channel();
        let (start, clean_exit) = (self.start.clone(), self.run.clean_exit());
        let (plan, without) = (Arc::clone(&self.plan), self.plan_of(&Config::default()));
        let begun =
            thread::Builder::new().name("tenko-report".into()).spawn(move || self.report(&ending, &settling));
        if let Err(error) = begun {
            printer::remark(&format!("tenko: can't report beside the command: {error}"));
        }
        Reporting { ended, settled, start, clean_exit, plan, without }
    }

    /// Reports the start, unless the run is short, and then the end.
    fn report(mut self, ending: &Receiver<Ended>, settling: &Sender<Settled>) {
        let config = self.config();
        let plan = self.plan.get_or_init(|| self.plan_of(&config)).clone();
        let mut courier = courier(&plan);
        self.start.report.host = place::host();
        match self.run.declare.declaration(&self.start.job, &self.run.clean_exit) {
            Ok(declaration) => self.start.declaration = declaration,
            Err(error) => printer::complain(&error),
        }
        // While the command runs, or at least begins.
        courier.open();
        let mut pending = vec![self.start.clone()];
        let ended = match ending.recv_timeout(SHORT) {
            Ok(ended) => ended,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                if courier.send(&pending, Instant::now() + START_TIME.min(plan.limit)).is_ok() {
                    pending.clear();
                }
                let Ok(ended) = ending.recv() else { return };
                ended
            }
        };
        let keep = evidence::Keep::of(&config, &self.run.mask_env, self.run.no_output);
        let end = evidence::end(&self.start, &ended.outcome, ended.at, &keep, &self.run.clean_exit());
        pending.push(end.clone());
        let telling = hand_over(&mut courier, &pending, &end, ended.seen + plan.limit);
        // Nobody listens any more if this took too long.
        drop(settling.send(Settled));
        tell(&config, &end, telling);
    }

    /// A command that could not be started has failed, too.
    pub(super) fn could_not_start(self, mut end: Evidence, problem: &str) {
        let config = self.config();
        let plan = self.plan_of(&config);
        end.report.host = place::host();
        end.report.message = Some(problem.to_owned());
        end.declaration = self.run.declare.declaration(&end.job, &self.run.clean_exit).ok().flatten();
        let until = Instant::now() + plan.limit;
        let telling = hand_over(&mut courier(&plan), std::slice::from_ref(&end), &end, until);
        tell(&config, &end, telling);
    }

    /// What is wrong with the configuration is said, and does not matter to the command. What is right holds.
    fn config(&self) -> Config {
        let setup = Setup::load_to_report(&self.common);
        Config { store: Some(setup.store_url), ..Config::clone(&setup.config) }
    }

    fn plan_of(&self, config: &Config) -> Plan {
        let said = self.run.to.clone().or_else(|| self.common.store.clone());
        let is_configured = said.is_none();
        let said = said.or_else(|| config.store.clone());
        Plan {
            destination: said.unwrap_or_else(|| place::default_store(&place::state_dir())),
            is_configured,
            limit: self.limit.or(config.run.report_timeout).unwrap_or(REPORT_TIME),
        }
    }
}

fn courier(plan: &Plan) -> Courier {
    Courier::new(Destination::of(&plan.destination), &place::state_dir()).configured(plan.is_configured)
}

/// A reporter at work, as the command's side sees it.
pub(super) struct Reporting {
    ended: Sender<Ended>,
    settled: Receiver<Settled>,
    start: Evidence,
    clean_exit: Vec<u8>,
    plan: Arc<OnceLock<Plan>>,
    without: Plan,
}

impl Reporting {
    /// Hands the end over to the reporter and waits for it, but not for ever.
    pub(super) fn finish(self, outcome: Outcome) {
        let at = Timestamp::now();
        let kept = evidence::end(&self.start, &outcome, at, &evidence::Keep::nothing(), &self.clean_exit);
        // If the reporter is gone, it says so by not settling anything.
        drop(self.ended.send(Ended { at, seen: Instant::now(), outcome }));
        let limit = self.plan.get().unwrap_or(&self.without).limit;
        match self.settled.recv_timeout(limit + SPOOL_TIME) {
            // It hangs up when the channels were told.
            Ok(Settled) => drop(self.settled.recv_timeout(TELL_TIME + SPOOL_TIME)),
            Err(_) => self.keep(&kept),
        }
    }

    fn keep(&self, evidence: &Evidence) {
        let plan = self.plan.get().unwrap_or(&self.without);
        match courier(plan).keep(std::slice::from_ref(evidence)) {
            Ok(()) => {
                printer::remark(
                    "tenko: reporting took too long; the evidence is kept and will be sent later",
                );
            }
            Err(error) => {
                printer::remark(&format!(
                    "tenko: reporting did not end in time, and the evidence is lost: {error}"
                ));
            }
        }
    }
}

/// Delivers, and says what did not work. Gives the problem if the channels are to be told: the first time.
fn hand_over(courier: &mut Courier, pending: &[Evidence], end: &Evidence, until: Instant) -> Option<String> {
    let first = courier.spool_is_empty();
    let (problem, became) = match courier.deliver(pending, until) {
        Fate::Stored => return None,
        Fate::Spooled(error) => (chain(&error), "kept and will be sent later"),
        Fate::Refused(error) => (chain(&error), "given up, because it will never be accepted"),
        Fate::Lost(error, spool) => {
            let problem = format!("{}, and it could not be kept on disk: {}", chain(&error), chain(&spool));
            (problem, "lost")
        }
    };
    printer::remark(&format!("tenko: evidence of {} is {became}: {problem}", end.job));
    first.then_some(problem)
}

fn tell(config: &Config, end: &Evidence, problem: Option<String>) {
    let Some(problem) = problem else { return };
    let said = report::block_on(async {
        tokio::time::timeout(TELL_TIME, report::tell_unstored(config, end, &problem)).await
    });
    for channel in said.into_iter().flatten().flatten() {
        printer::remark(&format!("tenko: {channel} was told"));
    }
}
