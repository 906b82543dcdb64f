//! What the page says, in each language.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tenko_core::calendar::Outcome;
use tenko_core::message::{Language, weekday, zone_name};
use tenko_core::{Reason, Verdict};

/// A language of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    English,
    Japanese,
}

/// What stands over something.
#[derive(Debug, Serialize)]
pub(super) struct Labels {
    pub(super) job: &'static str,
    pub(super) verdict: &'static str,
    pub(super) last_success: &'static str,
    pub(super) next_due: &'static str,
    pub(super) dues: &'static str,
    pub(super) jobs: &'static str,
    pub(super) now_down: &'static str,
    pub(super) recent: &'static str,
    pub(super) reason: &'static str,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) lasted: &'static str,
    pub(super) running: &'static str,
    pub(super) key: &'static str,
    pub(super) machine: &'static str,
    pub(super) no_jobs: &'static str,
}

static ENGLISH: Labels = Labels {
    job: "Job",
    verdict: "Verdict",
    last_success: "Last success",
    next_due: "Next due",
    dues: "Last 30 dues",
    jobs: "Jobs",
    now_down: "Down now",
    recent: "Recent incidents",
    reason: "Reason",
    from: "From",
    to: "To",
    lasted: "Lasted",
    running: "running",
    key: "What the bars mean",
    machine: "The same for machines",
    no_jobs: "No job is expected yet.",
};

static JAPANESE: Labels = Labels {
    job: "ジョブ",
    verdict: "状態",
    last_success: "最後の成功",
    next_due: "次の予定",
    dues: "直近 30 回の予定",
    jobs: "ジョブ一覧",
    now_down: "異常が続いているジョブ",
    recent: "最近の異常",
    reason: "理由",
    from: "発生",
    to: "復旧",
    lasted: "継続時間",
    running: "実行中",
    key: "バーの意味",
    machine: "プログラム向けの同じ内容",
    no_jobs: "まだ監視対象のジョブはありません。",
};

impl Words {
    /// The language of a tag; English, if it is not known.
    pub(super) fn of(tag: &str) -> Self {
        if tag == "ja" { Self::Japanese } else { Self::English }
    }

    pub(super) fn labels(self) -> &'static Labels {
        match self {
            Self::English => &ENGLISH,
            Self::Japanese => &JAPANESE,
        }
    }

    /// One of two texts.
    fn say(self, english: impl Into<String>, japanese: impl Into<String>) -> String {
        match self {
            Self::English => english.into(),
            Self::Japanese => japanese.into(),
        }
    }

    /// All of it in one line.
    pub(super) fn headline(self, down: usize, unknown: usize, late: usize, jobs: usize) -> String {
        let are = |count: usize| if count == 1 { "1 job is".to_owned() } else { format!("{count} jobs are") };
        match (down, unknown, late) {
            _ if jobs == 0 => self.say("No jobs yet", "ジョブはまだありません"),
            (0, 0, 0) => self.say("All jobs are well", "すべてのジョブは正常です"),
            (0, 0, late) => {
                self.say(format!("{} late", are(late)), format!("遅れているジョブが {late} 件あります"))
            }
            (0, unknown, _) => {
                let english = if unknown == 1 { "1 job" } else { &*format!("{unknown} jobs") };
                self.say(
                    format!("{english} can't be judged"),
                    format!("状態を確認できないジョブが {unknown} 件あります"),
                )
            }
            (down, ..) => {
                self.say(format!("{} down", are(down)), format!("異常のあるジョブが {down} 件あります"))
            }
        }
    }

    pub(super) fn verdict(self, verdict: Verdict) -> String {
        match verdict {
            Verdict::New => self.say("new", "未実行"),
            Verdict::Up => self.say("up", "正常"),
            Verdict::Late => self.say("late", "遅延"),
            Verdict::Down => self.say("down", "異常"),
            Verdict::Paused => self.say("paused", "停止中"),
            Verdict::Unknown => self.say("unknown", "確認不能"),
        }
    }

    pub(super) fn reason(self, reason: Reason) -> String {
        match reason {
            Reason::Missed => self.say("missed", "期限までに成功の報告なし"),
            Reason::Failed => self.say("failed", "失敗"),
            Reason::Overran => self.say("running too long", "実行時間超過"),
            Reason::TooQuick => self.say("ended too quickly", "短時間で終了"),
            Reason::BadEvidence => self.say("bad evidence", "エビデンス不良"),
        }
    }

    pub(super) fn outcome(self, outcome: Outcome) -> String {
        match outcome {
            Outcome::Answered => self.say("in time", "期限内に成功"),
            Outcome::LateDelivered => self.say("in time, reported late", "期限内に成功（報告は遅延）"),
            Outcome::Open => self.say("still open", "期限前"),
            Outcome::Paused => self.say("paused", "停止中"),
            Outcome::NotExpected => self.say("not expected yet", "監視開始前"),
            Outcome::Unknown => self.say("not known", "不明"),
            Outcome::Late => self.say("too late", "期限後に成功"),
            Outcome::Bad => self.say("ended badly", "異常終了"),
            Outcome::Missed => self.say("missed", "報告なし"),
        }
    }

    /// "28 in time, 2 missed".
    pub(super) fn counted(self, counts: &[(Outcome, usize)]) -> String {
        let one = |(outcome, count): &(Outcome, usize)| match self {
            Self::English => format!("{count} {}", self.outcome(*outcome)),
            Self::Japanese => format!("{} {count} 件", self.outcome(*outcome)),
        };
        counts.iter().map(one).collect::<Vec<_>>().join(self.comma())
    }

    fn comma(self) -> &'static str {
        match self {
            Self::English => ", ",
            Self::Japanese => "、",
        }
    }

    pub(super) fn since(self, moment: &str) -> String {
        self.say(format!("since {moment}"), format!("{moment} から"))
    }

    pub(super) fn called(self, moment: &str) -> String {
        self.say(format!("Roll called {moment}"), format!("点呼: {moment}"))
    }

    /// When a page like this has to be there, and what it means if it is not.
    pub(super) fn next(self, next: &str, stale: &str) -> String {
        self.say(
            format!("The next call is expected by {next}. If it is later than {stale} and this page still shows this call, nobody is calling the roll."),
            format!("次の点呼の予定は {next} です。{stale} を過ぎてもこの表示のままであれば、点呼が行われていません。"),
        )
    }

    pub(super) fn no_next(self) -> String {
        self.say("When the next call is to come is not known yet.", "次の点呼の予定はまだわかりません。")
    }

    pub(super) fn never(self) -> String {
        self.say("never", "なし")
    }

    pub(super) fn none(self) -> String {
        self.say("–", "–")
    }

    /// A moment in a zone; the year only where it is another than that of `now`.
    pub(super) fn moment(self, moment: Timestamp, zone: &TimeZone, now: Timestamp) -> String {
        let at = moment.to_zoned_datetime(zone.clone());
        let other_year = at.year() != now.to_zoned_datetime(zone.clone()).year();
        let clock = format!("{} {}", at.strftime("%H:%M"), zone_name(&at));
        match (self, other_year) {
            (Self::English, false) => format!("{} {clock}", at.strftime("%a %-d %b")),
            (Self::English, true) => format!("{} {clock}", at.strftime("%a %-d %b %Y")),
            (Self::Japanese, false) => {
                format!("{}({}) {clock}", at.strftime("%-m月%-d日"), weekday(at.weekday()))
            }
            (Self::Japanese, true) => {
                format!("{}({}) {clock}", at.strftime("%Y年%-m月%-d日"), weekday(at.weekday()))
            }
        }
    }

    /// A length with its two largest units.
    pub(super) fn length(self, length: SignedDuration) -> String {
        match self {
            Self::English => crate::words::length(length),
            Self::Japanese => Language::Ja.length(length),
        }
    }
}
