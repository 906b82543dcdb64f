//! Moves the function's next wake-up to when there is something to decide, so that calls follow deadlines and not a
//! clock: one schedule of EventBridge Scheduler that fires once, and is moved in each roll call.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tenko_store::aws::{Aws, AwsError, Call, Service};
use tenko_store::open::OpenOptions;
use uuid::Uuid;

use super::variable;
use crate::error::chain;

const SCHEDULER: Service = Service { name: "scheduler", variable: "SCHEDULER" };
/// What the schedule is called.
const SCHEDULE: &str = "TENKO_WAKE_UP_SCHEDULE";
/// In which group it is.
const GROUP: &str = "TENKO_WAKE_UP_GROUP";
/// The role by which the scheduler invokes the function.
const ROLE: &str = "TENKO_WAKE_UP_ROLE";
/// The longest that it may take altogether.
const PATIENCE: Duration = Duration::from_secs(5);
/// A schedule is at whole minutes, and may begin up to a minute late.
const MINUTE: i64 = 60;

/// Moves the wake-up.
#[derive(Debug)]
pub(super) struct WakeUp {
    aws: Aws,
    schedule: String,
    group: String,
    role: String,
}

/// One move, by whom and for what.
pub(super) struct Move<'a> {
    /// When there is something to decide.
    pub(super) look_again_at: Timestamp,
    /// The time.
    pub(super) now: Timestamp,
    /// The function to wake up.
    pub(super) function: &'a str,
    /// The id of the invocation: the same move within one is the same request.
    pub(super) invocation: &'a str,
}

impl WakeUp {
    /// What the environment says of it.
    ///
    /// # Errors
    /// What is missing or wrong there.
    pub(super) fn from_env() -> Result<Self, String> {
        let needed = |name: &str| {
            variable(name).ok_or_else(|| format!("checker.adaptive has no effect: {name} is not set"))
        };
        let (schedule, role) = (needed(SCHEDULE)?, needed(ROLE)?);
        let group = variable(GROUP).unwrap_or_else(|| "default".to_owned());
        for (name, value) in [(SCHEDULE, &schedule), (GROUP, &group)] {
            if !is_name(value) {
                return Err(format!(
                    "checker.adaptive has no effect: {name} is not the name of a schedule or group"
                ));
            }
        }
        let aws = Aws::new(&OpenOptions::default())
            .map_err(|error| format!("checker.adaptive has no effect: {}", chain(&error)))?;
        Ok(Self { aws, schedule, group, role })
    }

    /// Moves the wake-up. Says what went wrong and what helps, if something did: there is a daily call as well.
    pub(super) async fn to(&self, wish: &Move<'_>) -> Option<String> {
        let at = whole_minute(wish.look_again_at, wish.now);
        let moved = tokio::time::timeout(PATIENCE, self.put(at, wish)).await;
        match moved {
            Ok(Ok(())) => {
                tracing::info!(requestId = wish.invocation, at = %at, "the next wake-up is set");
                None
            }
            Ok(Err(error)) => Some(self.explained(at, &error)),
            Err(_) => Some(format!(
                "the next wake-up could not be moved to {at}: no answer in {} s",
                PATIENCE.as_secs()
            )),
        }
    }

    /// One that is there is moved; if there is none, it is created, and if somebody else was quicker, moved.
    async fn put(&self, at: Timestamp, wish: &Move<'_>) -> Result<(), AwsError> {
        match self.send("PUT", at, wish).await {
            Err(error) if error.is_missing() => {}
            done => return done,
        }
        match self.send("POST", at, wish).await {
            Err(error) if error.code == "ConflictException" => self.send("PUT", at, wish).await,
            done => done,
        }
    }

    async fn send(&self, method: &'static str, at: Timestamp, wish: &Move<'_>) -> Result<(), AwsError> {
        let body = self.body(method, at, wish);
        let call = Call {
            service: SCHEDULER,
            region: None,
            method,
            path: format!("/schedules/{}", self.schedule),
            content_type: "application/json",
            target: None,
            body: &body,
        };
        self.aws.call(&call).await.map(drop)
    }

    /// `ActionAfterCompletion` is `NONE`: were it `DELETE`, the scheduler could remove the schedule just after this
    /// invocation, which it had started, has moved it.
    fn body(&self, method: &str, at: Timestamp, wish: &Move<'_>) -> Value {
        let at = at.strftime("at(%Y-%m-%dT%H:%M:%S)").to_string();
        let token = format!("{method} {} {} {at} {}", self.group, self.schedule, wish.invocation);
        json!({
            "ActionAfterCompletion": "NONE",
            "ClientToken": Uuid::new_v5(&Uuid::NAMESPACE_URL, token.as_bytes()).to_string(),
            "Description": "The next roll call of Tenko. It is moved by each roll call.",
            "FlexibleTimeWindow": { "Mode": "OFF" },
            "GroupName": self.group,
            "ScheduleExpression": at,
            "ScheduleExpressionTimezone": "UTC",
            "State": "ENABLED",
            "Target": { "Arn": wish.function, "Input": "{}", "RoleArn": self.role },
        })
    }

    fn explained(&self, at: Timestamp, error: &AwsError) -> String {
        let (group, name) = (&self.group, &self.schedule);
        let (region, partition) = (self.aws.region(), crate::aws::partition(self.aws.region()));
        let help = match error {
            _ if error.is_denied() && error.message.contains("iam:PassRole") => {
                format!("; allow iam:PassRole on {}", self.role)
            }
            _ if error.is_denied() => format!(
                "; allow scheduler:UpdateSchedule and scheduler:CreateSchedule on arn:{partition}:scheduler:{region}:*:schedule/{group}/{name}, and iam:PassRole on {}",
                self.role
            ),
            _ if error.is_missing() => format!("; create the schedule group {group}, or set {GROUP}"),
            _ => String::new(),
        };
        format!("the next wake-up could not be moved to {at}: {error}{help}")
    }
}

/// The first whole minute that is not before a moment, and at least one minute ahead: a schedule in the past never fires.
fn whole_minute(moment: Timestamp, now: Timestamp) -> Timestamp {
    let least = now.checked_add(SignedDuration::from_secs(MINUTE)).unwrap_or(now);
    let moment = moment.max(least);
    let whole = moment.as_second() - moment.as_second().rem_euclid(MINUTE);
    let up =
        if moment.as_second() == whole && moment.subsec_nanosecond() == 0 { whole } else { whole + MINUTE };
    Timestamp::from_second(up).unwrap_or(moment)
}

/// Names of schedules and groups (EventBridge Scheduler API reference).
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(moment: &str, now: &str) -> String {
        whole_minute(moment.parse().unwrap(), now.parse().unwrap()).to_string()
    }

    #[test]
    fn the_wake_up_is_after_the_deadline_and_a_minute_ahead() {
        let now = "2026-11-24T05:00:20Z";
        for (moment, expected) in [
            ("2026-11-24T05:30:00Z", "2026-11-24T05:30:00Z"),
            ("2026-11-24T05:30:00.000000001Z", "2026-11-24T05:31:00Z"),
            ("2026-11-24T05:30:59Z", "2026-11-24T05:31:00Z"),
            ("2026-11-24T05:00:30Z", "2026-11-24T05:02:00Z"),
            ("2026-11-23T05:00:30Z", "2026-11-24T05:02:00Z"),
            ("2026-11-24T23:59:30Z", "2026-11-25T00:00:00Z"),
            ("9999-12-30T22:00:00.9Z", "9999-12-30T22:00:00.9Z"),
        ] {
            assert_eq!(at(moment, now), expected, "{moment}");
        }
    }

    #[test]
    fn names_are_those_that_the_scheduler_takes() {
        assert!(is_name("tenko-wake_up.1"));
        for name in ["", "a/b", "a b", "日", &"x".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
