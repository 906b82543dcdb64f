//! A small language in which a test tells what happened to a job, and what Tenko must say about it.
//!
//! Times are `HH:MM[:SS[.fff]]` in the job's zone, on the day that was named last (`d1` at the beginning, 23 November
//! 2026, a Monday): `d2 05:10 success a` is at ten past five on the second day. Evidence is what the next roll call
//! hears. Every roll call is checked for what must always hold.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use tenko_core::call::{Called, Roster, call};
use tenko_core::judge::{Gap, Look, look};
use tenko_core::schedule::{Schedule, ScheduleSpec, Scheduler, parse_duration};
use tenko_core::state::Flip;
use tenko_core::{
    ChannelName, Evidence, Exit, Job, JobState, Kind, Limits, NoticeKind, Roll, RunId, Slug, Verdict, format,
};
use uuid::Uuid;

pub(crate) struct Story {
    spec: ScheduleSpec,
    zone: TimeZone,
    first_day: Date,
    day: i32,
    pub(crate) limits: Limits,
    remind: Option<SignedDuration>,
    plain_object: bool,
    expected_from: Option<Timestamp>,
    blind: Option<String>,
    /// Evidence that no roll call has heard yet.
    under_way: Vec<Evidence>,
    heard: Vec<Evidence>,
    pub(crate) roll: Roll,
    pub(crate) called: Called,
}

impl Story {
    /// A job that is due as a crontab line, an EventBridge expression or `every ...` says, from the first day on.
    pub(crate) fn new(schedule: &str) -> Self {
        let spec = match schedule.strip_prefix("every ") {
            Some(period) => ScheduleSpec { every: Some(period.to_owned()), ..ScheduleSpec::default() },
            None if schedule.is_empty() => ScheduleSpec::default(),
            None => ScheduleSpec { cron: vec![schedule.to_owned()], ..ScheduleSpec::default() },
        };
        Self {
            spec,
            zone: TimeZone::UTC,
            first_day: Date::constant(2026, 11, 23),
            day: 1,
            limits: Limits::default(),
            remind: None,
            plain_object: false,
            expected_from: None,
            blind: None,
            under_way: Vec::new(),
            heard: Vec::new(),
            roll: Roll::default(),
            called: Called::default(),
        }
    }

    pub(crate) fn zone(mut self, name: &str) -> Self {
        self.zone = TimeZone::get(name).unwrap();
        self
    }

    pub(crate) fn first_day(mut self, date: &str) -> Self {
        self.first_day = date.parse().unwrap();
        self
    }

    pub(crate) fn scheduler(mut self, scheduler: Scheduler) -> Self {
        self.spec.scheduler = Some(scheduler);
        self
    }

    pub(crate) fn grace(mut self, length: &str) -> Self {
        self.limits.grace = parse_duration(length).unwrap();
        self
    }

    pub(crate) fn start_within(mut self, length: &str) -> Self {
        self.limits.start_within = Some(parse_duration(length).unwrap());
        self
    }

    pub(crate) fn max_runtime(mut self, length: &str) -> Self {
        self.limits.max_runtime = Some(parse_duration(length).unwrap());
        self
    }

    pub(crate) fn min_runtime(mut self, length: &str) -> Self {
        self.limits.min_runtime = Some(parse_duration(length).unwrap());
        self
    }

    pub(crate) fn early(mut self, length: &str) -> Self {
        self.limits.early = parse_duration(length).unwrap();
        self
    }

    pub(crate) fn failures(mut self, count: u32) -> Self {
        self.limits.failures = count;
        self
    }

    pub(crate) fn recoveries(mut self, count: u32) -> Self {
        self.limits.recoveries = count;
        self
    }

    pub(crate) fn clean_exit(mut self, codes: &[u8]) -> Self {
        self.limits.clean_exit = codes.to_vec();
        self
    }

    pub(crate) fn remind(mut self, every: &str) -> Self {
        self.remind = Some(parse_duration(every).unwrap());
        self
    }

    pub(crate) fn plain_object(mut self) -> Self {
        self.plain_object = true;
        self
    }

    /// The job is declared at a moment; else the first roll call that sees it makes it expected.
    pub(crate) fn expected_from(mut self, time: &str) -> Self {
        self.expected_from = Some(self.moment(time));
        self
    }

    /// The schedule is another from now on.
    pub(crate) fn reschedule(mut self, cron: &str) -> Self {
        self.spec = ScheduleSpec { cron: vec![cron.to_owned()], ..ScheduleSpec::default() };
        self
    }

    pub(crate) fn job(&self) -> Job {
        let schedule = Schedule::resolve(&self.spec, &self.zone).unwrap();
        Job {
            limits: self.limits.clone(),
            channels: vec![ChannelName::new("ops").unwrap()],
            remind: self.remind,
            expected_from: self.expected_from,
            plain_object: self.plain_object,
            ..Job::new(slug(), schedule)
        }
    }

    pub(crate) fn state(&self) -> &JobState {
        &self.roll.states[&slug()]
    }

    pub(crate) fn state_mut(&mut self) -> &mut JobState {
        self.roll.states.get_mut(&slug()).unwrap()
    }

    /// `05:10 success a`, `05:10 fail a 3`, `05:10 fail a sig9`, `05:00 start a`, `05:05 log a`; with `took 4s` what
    /// the evidence says of the run's length, with `received 09:00` when the store had it, if not at once.
    pub(crate) fn at(mut self, what: &str) -> Self {
        let mut words = words(what);
        let at = self.take_moment(&mut words);
        let kind = words.remove(0);
        let run = run(&words.remove(0));
        let mut evidence = Evidence::new(slug(), run, Kind::Log, at);
        evidence.kind = match kind.as_str() {
            "fail" => Kind::Fail(take_exit(&mut words)),
            other => other.parse().unwrap(),
        };
        evidence.received_at = Some(at);
        while !words.is_empty() {
            match words.remove(0).as_str() {
                "took" => evidence.report.duration = Some(parse_duration(&words.remove(0)).unwrap()),
                "received" => {
                    let day = self.day;
                    evidence.received_at = Some(self.take_moment(&mut words));
                    self.day = day;
                }
                other => panic!("what is {other:?} in {what:?}?"),
            }
        }
        self.under_way.push(evidence);
        self
    }

    /// A piece of evidence that the language has no words for.
    pub(crate) fn hears(mut self, evidence: Evidence) -> Self {
        self.under_way.push(evidence);
        self
    }

    /// Everything that was heard so far arrives once more.
    pub(crate) fn everything_arrives_again(mut self) -> Self {
        self.under_way.extend(self.heard.clone());
        self
    }

    /// Intake was away between two times of the day.
    pub(crate) fn intake_away(mut self, from: &str, to: &str) -> Self {
        let gap = Gap { from: self.moment(from), to: self.moment(to) };
        self.roll.add_gap(gap);
        self
    }

    pub(crate) fn store_says(mut self, problem: &str) -> Self {
        self.blind = Some(problem.to_owned());
        self
    }

    pub(crate) fn store_answers(mut self) -> Self {
        self.blind = None;
        self
    }

    pub(crate) fn pause(mut self, time: &str) -> Self {
        let now = self.moment(time);
        self.state_mut().pause(now).unwrap();
        self
    }

    pub(crate) fn resume(mut self, time: &str) -> Self {
        let (now, job) = (self.moment(time), self.job());
        self.state_mut().resume(&job, now).unwrap();
        self
    }

    /// Calls the roll.
    pub(crate) fn call(mut self, time: &str) -> Self {
        let now = self.moment(time);
        self.call_at(now);
        self
    }

    fn call_at(&mut self, now: Timestamp) {
        let arrived = |evidence: &Evidence| evidence.received_at.is_none_or(|received| received <= now);
        let (news, later) = std::mem::take(&mut self.under_way).into_iter().partition(arrived);
        self.under_way = later;
        self.called = self.call_with(&news, now);
        self.heard.extend(news);
        self.hold(now);
    }

    fn call_with(&mut self, news: &[Evidence], now: Timestamp) -> Called {
        let jobs = BTreeMap::from([(slug(), self.job())]);
        let blind: BTreeMap<Slug, String> = self.blind.iter().map(|says| (slug(), says.clone())).collect();
        call(&mut self.roll, Roster { jobs: &jobs, blind: &blind }, news, now)
    }

    /// What must hold after every roll call.
    fn hold(&mut self, now: Timestamp) {
        let state = self.state();
        assert!(
            state.look_again_at.is_none_or(|moment| moment > now),
            "{now} was not the end of it: {state:#?}"
        );
        let stored = format::write_roll(&self.roll);
        assert_eq!(format::read_roll(&stored).unwrap(), self.roll, "the stored form loses something");
        if self.blind.is_some() {
            return;
        }
        let (before, heard) = (self.roll.clone(), self.heard.clone());
        let called = self.call_with(&heard, now);
        assert_eq!(self.roll, before, "the same evidence again changed something");
        assert!(called.notices.is_empty() && called.changes == Default::default(), "{called:#?}");
    }

    /// `05:31 down missed since 05:30 due 05:00 running next d2 05:00`: calls the roll and looks at the job. All but
    /// the verdict is optional; a reason and `running` must be said where there are some.
    #[track_caller]
    pub(crate) fn expect(mut self, what: &str) -> Self {
        let mut words = words(what);
        let now = self.take_moment(&mut words);
        self.call_at(now);
        self.look_at(now, what, words);
        self
    }

    /// As `expect`, but only looks and calls no roll.
    #[track_caller]
    pub(crate) fn shown(mut self, what: &str) -> Self {
        let mut words = words(what);
        let now = self.take_moment(&mut words);
        self.look_at(now, what, words);
        self
    }

    #[track_caller]
    fn look_at(&mut self, now: Timestamp, what: &str, mut words: Vec<String>) {
        let seen = look(&self.job(), self.state(), &self.roll.gaps, now);
        let mut said = vec![seen.verdict.to_string()];
        said.extend(seen.reason.map(|reason| reason.to_string()));
        said.extend(seen.running.then(|| "running".to_owned()));
        let mut expected = Vec::new();
        let day = self.day;
        while !words.is_empty() {
            let word = words.remove(0);
            match word.as_str() {
                "since" | "due" | "next" => {
                    let moment = self.take_moment(&mut words);
                    self.day = day;
                    assert_eq!(part(&seen, &word), Some(moment), "{word} in {what:?}: {seen:#?}");
                }
                _ => expected.push(word),
            }
        }
        assert_eq!(said.join(" "), expected.join(" "), "{what:?}: {seen:#?}");
    }

    /// What the last roll call told: `down`, `up`, `up brief`, `up late`, `reminder 2`, `unknown`, `known`; several with
    /// commas; nothing, if empty.
    #[track_caller]
    pub(crate) fn told(self, what: &str) -> Self {
        let told: Vec<String> = self.called.notices.iter().map(in_words).collect();
        assert_eq!(told.join(", "), what, "{:#?}", self.called);
        self
    }

    /// The flips of the last roll call: `new>up 05:10, up>down missed d2 05:30`. Late ones end in `late`.
    #[track_caller]
    pub(crate) fn flips(self, what: &str) -> Self {
        let flips: Vec<String> = self.called.changes.flips.iter().map(|(_, flip)| self.flip(flip)).collect();
        assert_eq!(flips.join(", "), what, "{:#?}", self.called);
        self
    }

    /// The dues that the last roll call found missed: `05:00..07:00 x3`.
    #[track_caller]
    pub(crate) fn missed(self, what: &str) -> Self {
        let missed = self.called.changes.missed.iter().map(|(_, missed)| {
            format!("{}..{} x{}", self.clock(missed.first), self.clock(missed.last), missed.count)
        });
        assert_eq!(missed.collect::<Vec<_>>().join(", "), what, "{:#?}", self.called);
        self
    }

    #[track_caller]
    pub(crate) fn look_again(mut self, time: &str) -> Self {
        let day = self.day;
        let expected = (time != "never").then(|| self.moment(time));
        self.day = day;
        assert_eq!(self.state().look_again_at, expected);
        self
    }

    fn flip(&self, flip: &Flip) -> String {
        let reason = flip.reason.map_or(String::new(), |reason| format!(" {reason}"));
        let late = if flip.late_delivered { " late" } else { "" };
        format!("{}>{}{reason} {}{late}", flip.old, flip.new, self.clock(flip.at))
    }

    /// As the story writes it, with the day unless that is the first.
    fn clock(&self, moment: Timestamp) -> String {
        let local = moment.to_zoned_datetime(self.zone.clone()).datetime();
        let day = (local.date() - self.first_day).get_days() + 1;
        let time = if local.second() == 0 && local.subsec_nanosecond() == 0 {
            local.strftime("%H:%M").to_string()
        } else {
            local.time().to_string()
        };
        if day == 1 { time } else { format!("d{day} {time}") }
    }

    pub(crate) fn moment(&mut self, time: &str) -> Timestamp {
        let mut words = words(time);
        let moment = self.take_moment(&mut words);
        assert!(words.is_empty(), "what is {words:?} in {time:?}?");
        moment
    }

    fn take_moment(&mut self, words: &mut Vec<String>) -> Timestamp {
        if let Some(day) = words[0].strip_prefix('d').and_then(|day| day.parse().ok()) {
            self.day = day;
            words.remove(0);
        }
        let time: Time = words.remove(0).parse().unwrap();
        let date = self.first_day + (self.day - 1).days();
        DateTime::from_parts(date, time).to_zoned_datetime(self.zone.clone()).unwrap().timestamp()
    }
}

fn part(look: &Look, name: &str) -> Option<Timestamp> {
    match name {
        "since" => Some(look.since),
        "due" => look.due,
        _ => look.next_due,
    }
}

pub(crate) fn slug() -> Slug {
    Slug::new("job").unwrap()
}

/// Runs are named by words; their order is that of the words.
pub(crate) fn run(name: &str) -> RunId {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    RunId(Uuid::from_bytes(bytes))
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn take_exit(words: &mut Vec<String>) -> Option<Exit> {
    let Kind::Fail(exit) = format!("fail-{}", words.first()?).parse().ok()? else { return None };
    words.remove(0);
    exit
}

fn in_words(notice: &tenko_core::Notice) -> String {
    let kind = match notice.kind {
        NoticeKind::Reminder(number) => format!("reminder {number}"),
        kind => format!("{kind:?}").to_lowercase(),
    };
    let brief = if notice.facts.brief { " brief" } else { "" };
    let late = if notice.facts.late_delivered { " late" } else { "" };
    format!("{kind}{brief}{late}")
}

/// A verdict that is stored.
pub(crate) fn stored(story: &Story) -> Verdict {
    story.state().stored_verdict()
}
