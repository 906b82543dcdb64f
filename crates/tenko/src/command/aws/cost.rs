//! `tenko aws cost`: what a month costs, line by line.

use std::process::ExitCode;

use clap::builder::BoolishValueParser;
use clap::{Args, value_parser};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tenko_store::open;

use super::place;
use super::prices::{self, Prices, free};
use super::timetable::{self, Timetable};
use super::usage::{self, Calls, Load, Usage};
use crate::cli::Common;
use crate::command::Setup;
use crate::config::Config;
use crate::error::CommandError;
use crate::{printer, words};

/// Explain what a month costs, line by line
///
/// List prices without tax, for 30 days in which nothing fails. Without options: the configured jobs and the roll calls
/// that `tenko aws template` would schedule for them.
#[derive(Debug, Args)]
pub(super) struct Cost {
    /// What if there were so many daily jobs that leave one piece of evidence each, in place of the configured ones
    #[arg(long, env = "TENKO_JOBS", value_name = "N", value_parser = value_parser!(u32).range(1..=10_000_000))]
    jobs: Option<u32>,
    /// What if the roll were called at this interval: 5m, 1d
    #[arg(long, env = "TENKO_EVERY", value_name = "LENGTH", conflicts_with = "schedules")]
    every: Option<String>,
    /// What if the roll were called by these expressions of EventBridge Scheduler
    #[arg(long = "schedule", env = "TENKO_SCHEDULE", value_name = "EXPR")]
    schedules: Vec<String>,
    /// The region: ap-northeast-1 or us-east-1 [default: that of the store or AWS_REGION, or us-east-1]
    #[arg(long, env = "TENKO_REGION", value_name = "REGION")]
    region: Option<String>,
    /// Yen for a dollar
    #[arg(long, env = "TENKO_YEN", value_name = "RATE", default_value_t = prices::YEN, value_parser = positive)]
    yen: f64,
    /// Memory of the function in MB
    #[arg(long, env = "TENKO_MEMORY", value_name = "MB", default_value_t = 128, value_parser = value_parser!(u32).range(128..=10_240))]
    memory: u32,
    /// How long one roll call takes, in seconds [default: an estimate]
    #[arg(long, env = "TENKO_SECONDS", value_name = "SECONDS", value_parser = positive)]
    seconds: Option<f64>,
    /// Print JSON
    #[arg(long, env = "TENKO_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

/// One line.
#[derive(Debug, Serialize)]
struct Line {
    part: Part,
    what: &'static str,
    amount: f64,
    unit: &'static str,
    price_usd: f64,
    usd: f64,
    yen: f64,
    /// How much of it is free each month in every account.
    #[serde(skip)]
    free: f64,
}

/// Who causes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    Evidence,
    RollCall,
    Alarms,
}

/// The whole table.
#[derive(Debug, Serialize)]
struct Bill {
    region: &'static str,
    prices_as_of: &'static str,
    sources: [&'static str; 4],
    yen_per_usd: f64,
    jobs: f64,
    roll_calls: f64,
    lines: Vec<Line>,
    total: Total,
    total_with_free_tier: Total,
}

/// A sum, by who causes it, in yen, and all of it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Total {
    evidence_yen: f64,
    roll_call_yen: f64,
    alarms_yen: f64,
    yen: f64,
    usd: f64,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("it is not a number above 0".to_owned()),
    }
}

impl Cost {
    /// Prints it.
    pub(super) fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let setup = Setup::load(common)?;
        let now = Timestamp::now();
        let prices = self.prices(&setup)?;
        let store = !place::kept_in(&setup).is_ok_and(|kept| kept.is_none());
        let load = match self.jobs {
            Some(jobs) if !store => Load::founding_objects(jobs),
            Some(jobs) => Load::founding(jobs),
            None => Load::configured(&setup.config, now),
        };
        let (count, longest) = self.calls(&setup.config, now)?;
        #[expect(clippy::cast_precision_loss, reason = "days")]
        let kept = |usual: i64| usual.max(timetable::days(longest) + 1) as f64;
        let calls = Calls {
            count,
            memory: f64::from(self.memory) / 1024.0,
            seconds: self.seconds,
            kept: (kept(100), kept(14)),
            store,
        };
        let bill = bill(&Usage::of(load, calls), load, prices, self.yen);
        if self.json {
            printer::print_json(&bill)?;
        } else {
            printer::print(&text(&bill))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn prices(&self, setup: &Setup) -> Result<Prices, CommandError> {
        let said = self.region.clone();
        let of_store = || open::s3_place(&setup.store_url).ok().flatten().and_then(|place| place.region);
        let of_env = || std::env::var("AWS_REGION").ok();
        let region = said.clone().or_else(of_store).or_else(of_env).unwrap_or_else(|| "us-east-1".to_owned());
        if let Some(prices) = prices::ALL.into_iter().find(|prices| prices.region == region) {
            return Ok(prices);
        }
        let known = prices::ALL.map(|prices| prices.region).join(" and ");
        Err(CommandError::usage(format!("the prices of {region} are not known; those of {known} are"))
            .hint("say --region us-east-1 for the order of magnitude"))
    }

    /// How often the roll is called in a month, and the longest time between two calls.
    fn calls(&self, config: &Config, now: Timestamp) -> Result<(f64, SignedDuration), CommandError> {
        if let Some(text) = &self.every {
            let interval = words::parse_length("--every", text)?;
            if interval < SignedDuration::from_mins(1) {
                return Err(CommandError::usage("EventBridge Scheduler calls at most once a minute")
                    .hint("say --every 1m or longer"));
            }
            return Ok((usage::at_intervals_of(interval), interval));
        }
        let zone = config.time_zone.iana_name().unwrap_or("UTC");
        if self.schedules.is_empty() && config.checker.adaptive {
            let beside = Timetable::parse(&timetable::beside_wake_ups().expressions, zone, now)?;
            return Ok((beside.calls + timetable::wake_ups(config, now), beside.longest));
        }
        let expressions = match &self.schedules[..] {
            [] => timetable::of_deadlines(config, &config.time_zone, now).expressions,
            said => said.to_vec(),
        };
        let timetable = Timetable::parse(&expressions, zone, now)?;
        Ok((timetable.calls, timetable.longest))
    }
}

fn bill(usage: &Usage, load: Load, prices: Prices, rate: f64) -> Bill {
    let lines = lines(usage, prices, rate);
    let total = Total::of(&lines, rate, |line| line.amount);
    let with_free = Total::of(&lines, rate, |line| (line.amount - line.free).max(0.0));
    Bill {
        region: prices.region,
        prices_as_of: prices::AS_OF,
        sources: prices::SOURCES,
        yen_per_usd: rate,
        jobs: load.jobs,
        roll_calls: usage.calls,
        lines,
        total,
        total_with_free_tier: with_free,
    }
}

fn lines(usage: &Usage, prices: Prices, rate: f64) -> Vec<Line> {
    use Part::{Alarms, Evidence, RollCall};
    let line = |part, what, amount: f64, unit, price_usd: f64, free| {
        let usd = amount * price_usd;
        Line { part, what, amount, unit, price_usd, usd, yen: usd * rate, free }
    };
    vec![
        line(Evidence, "S3 PUT, evidence", usage.evidence_puts, "requests", prices.put, 0.0),
        line(Evidence, "S3 storage, evidence", usage.evidence_gb, "GB-months", prices.storage, 0.0),
        line(RollCall, "S3 LIST, newest roll and new evidence", usage.lists, "requests", prices.put, 0.0),
        line(RollCall, "S3 GET, roll and configuration", usage.gets, "requests", prices.get, 0.0),
        line(RollCall, "S3 HEAD, plain objects", usage.heads, "requests", prices.get, 0.0),
        line(RollCall, "S3 PUT, roll", usage.roll_puts, "requests", prices.put, 0.0),
        line(RollCall, "S3 storage, rolls", usage.roll_gb, "GB-months", prices.storage, 0.0),
        line(RollCall, "Lambda, calls", usage.calls, "calls", prices.call, free::CALLS),
        line(
            RollCall,
            "Lambda, memory and time",
            usage.gb_seconds,
            "GB-seconds",
            prices.gb_second,
            free::GB_SECONDS,
        ),
        line(
            RollCall,
            "EventBridge Scheduler",
            usage.calls,
            "invocations",
            prices.invocation,
            free::INVOCATIONS,
        ),
        line(RollCall, "CloudWatch Logs", usage.log_gb, "GB", prices.log, free::LOG_GB),
        line(Alarms, "CloudWatch alarms", usage.alarms, "alarms", prices.alarm, free::ALARMS),
    ]
}

impl Total {
    fn of(lines: &[Line], rate: f64, amount: impl Fn(&Line) -> f64) -> Self {
        let mut total = Self::default();
        for line in lines {
            let usd = amount(line) * line.price_usd;
            total.usd += usd;
            total.yen += usd * rate;
            *match line.part {
                Part::Evidence => &mut total.evidence_yen,
                Part::RollCall => &mut total.roll_call_yen,
                Part::Alarms => &mut total.alarms_yen,
            } += usd * rate;
        }
        total
    }
}

fn text(bill: &Bill) -> String {
    let row = |line: &Line| {
        let price = format!("{} USD", significant(line.price_usd));
        vec![
            line.what.to_owned(),
            amount(line.amount),
            line.unit.to_owned(),
            price,
            money(line.usd),
            money(line.yen),
        ]
    };
    let rows: Vec<Vec<String>> = bill.lines.iter().filter(|line| line.amount > 0.0).map(row).collect();
    let mut text = format!(
        "jobs: {}; roll calls in 30 days: {}; region: {}\n\n",
        amount(bill.jobs),
        amount(bill.roll_calls),
        bill.region
    );
    text.push_str(&printer::table(&["WHAT", "AMOUNT", "", "EACH", "USD", "YEN"], &rows));
    text.push('\n');
    let total = |total: &Total| {
        let (evidence, calls, alarms) = (total.evidence_yen, total.roll_call_yen, total.alarms_yen);
        let parts = [evidence, calls, alarms, total.yen].map(money);
        let mut row: Vec<String> = parts.into_iter().collect();
        row.push(money(total.usd));
        row
    };
    let sums = [
        [vec!["list price".to_owned()], total(&bill.total)].concat(),
        [vec!["less the free tier".to_owned()], total(&bill.total_with_free_tier)].concat(),
    ];
    text.push_str(&printer::table(
        &["YEN A MONTH", "EVIDENCE", "ROLL CALLS", "ALARMS", "ALL", "ALL IN USD"],
        &sums,
    ));
    text.push_str(&format!(
        "\nPrices of {} without tax, {} yen for a dollar. The free tier is the one that does not end: Lambda, Scheduler,\n\
         CloudWatch. Not counted: what happens when a job is down (a GET, a LIST and two PUTs each), the bytes that leave AWS.\n",
        bill.prices_as_of, bill.yen_per_usd,
    ));
    text
}

/// A count, or two figures after the point.
fn amount(number: f64) -> String {
    if number >= 100.0 || number.fract() == 0.0 { format!("{number:.0}") } else { significant(number) }
}

/// Enough digits to see that it is not nothing.
fn money(number: f64) -> String {
    if number >= 0.01 || number == 0.0 { format!("{number:.2}") } else { format!("{number:.6}") }
}

/// Three digits that mean something.
fn significant(number: f64) -> String {
    let digits = if number > 0.0 { (2.0 - number.log10().floor()).clamp(0.0, 12.0) } else { 0.0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 12")]
    let text = format!("{number:.*}", digits as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
