//! Japanese.

use jiff::civil::Weekday;
use jiff::{SignedDuration, ZonedDateTime};

use super::words::{self, Cause, Label, Miss, Words, clock, down_for, largest, thousands, zone, zoned};
use crate::Exit;
use crate::message::signal;
use crate::notice::{Notice, NoticeKind};

#[derive(Debug)]
pub(super) struct Japanese;

impl Words for Japanese {
    fn title(&self, notice: &Notice) -> String {
        let job = &notice.job;
        match notice.kind {
            NoticeKind::Down => format!("{job} 異常: {}", what(notice)),
            NoticeKind::Reminder(number) => {
                format!("{job} 異常が継続中: {}（再通知{number}回目）", what(notice))
            }
            NoticeKind::Up if notice.facts.late_delivered => {
                format!("{job} 正常: 時間内に実行されていました（記録の到着遅れ）")
            }
            NoticeKind::Up if notice.facts.brief => format!("{job} 一時的に異常でしたが復旧済みです"),
            NoticeKind::Up => format!("{job} 復旧しました"),
            NoticeKind::Unknown => format!("{job} 実行の有無を確認できません"),
            NoticeKind::Known => format!("{job} 実行の記録を再び確認できるようになりました"),
            NoticeKind::Unstored => format!("{job} 実行されましたが記録を保存できませんでした"),
            NoticeKind::Test => format!("{job} テスト通知"),
        }
    }

    fn sentence(&self, notice: &Notice) -> String {
        let length = down_for(notice).map(|length| self.duration(length));
        let span = length.unwrap_or_else(|| "しばらく".to_owned());
        match notice.kind {
            NoticeKind::Down => self.cause(notice),
            NoticeKind::Reminder(_) => format!("異常が{span}続いています。{}", self.cause(notice)),
            NoticeKind::Up if notice.facts.late_delivered => {
                format!(
                    "ジョブは時間内に実行されており、記録の到着だけが遅れました。{span}の間、異常と表示されていました。"
                )
            }
            NoticeKind::Up if notice.facts.brief => {
                format!("{span}の間異常でしたが、通知する前に復旧しました。{}", self.cause(notice))
            }
            NoticeKind::Up => format!("{span}の間異常でした。{}", self.cause(notice)),
            NoticeKind::Unknown => format!(
                "実行の記録を{span}読み取れていません。ジョブ自体に異常があるとは限りません。判定はこれまでのものを保ちます。"
            ),
            NoticeKind::Known => {
                format!("実行の記録を{span}読み取れませんでしたが、再び読み取れるようになりました。")
            }
            NoticeKind::Unstored => {
                "ジョブの実行は下記のとおり終わっています。記録が保存されるまで、点呼では未実行と報告されることがあります。\
                 空きがあれば記録は実行ホストに残し、後で送信します。"
                    .to_owned()
            }
            NoticeKind::Test => {
                format!("通知先 {} のテストです。これが読めれば、通知は届いています。", notice.channel)
            }
        }
    }

    fn label(&self, label: Label) -> &'static str {
        match label {
            Label::Job => "ジョブ",
            Label::Schedule => "スケジュール",
            Label::Due => "予定時刻",
            Label::DownSince => "異常発生",
            Label::UpSince => "復旧",
            Label::UnreadableSince => "読み取れなくなった時刻",
            Label::LastSuccess => "最後の成功",
            Label::Ended => "終了状態",
            Label::Took => "所要時間",
            Label::Host => "ホスト",
            Label::Remark => "備考",
            Label::StoreSaid => "ストアの応答",
        }
    }

    fn moment(&self, at: &ZonedDateTime) -> String {
        format!("{}({}) {} {}", at.strftime("%Y年%-m月%-d日"), weekday(at.weekday()), clock(at), zone(at))
    }

    fn duration(&self, length: SignedDuration) -> String {
        if length < SignedDuration::from_secs(1) {
            return format!("{}ミリ秒", length.as_millis().max(0));
        }
        let units: [&dyn Fn(u64) -> String; 4] =
            [&|n| format!("{n}日"), &|n| format!("{n}時間"), &|n| format!("{n}分"), &|n| {
                format!("{n}秒")
            }];
        largest(length, "", units)
    }

    fn ago(&self, length: SignedDuration) -> String {
        format!("{}前", self.duration(length))
    }

    fn exit(&self, exit: Exit) -> String {
        match (exit, signal(exit)) {
            (Exit::Code(code), _) => format!("終了コード {code}"),
            (Exit::Signal(number), name) => {
                format!("シグナル {} により強制終了", name.unwrap_or_else(|| number.to_string()))
            }
        }
    }

    fn never(&self) -> &'static str {
        "記録なし"
    }

    fn omitted(&self, bytes: u64) -> String {
        format!("［… 出力 {} バイトを省略 …］", thousands(bytes))
    }

    fn more(&self, count: usize) -> String {
        format!("… ほか {} 件", thousands(count as u64))
    }

    fn digest(&self, down: usize, up: usize, all: usize) -> String {
        let count = |n: usize| thousands(n as u64);
        format!("通知 {} 件: 異常 {} 件、復旧 {} 件", count(all), count(down), count(up))
    }
}

impl Japanese {
    fn cause(&self, notice: &Notice) -> String {
        match words::cause(notice) {
            Cause::Missed => self.missed(notice),
            Cause::TimedOut => "制限時間を超えたため、実行を打ち切りました。".to_owned(),
            Cause::Exited(Exit::Code(code)) => format!("終了コード {code} で失敗しました。"),
            Cause::Exited(exit) => format!("{}しました。", self.exit(exit)),
            Cause::Failed => "失敗が報告されました。".to_owned(),
            Cause::Overran => "最長実行時間を過ぎても終了しませんでした。".to_owned(),
            Cause::TooQuick => {
                "最短実行時間より早く終了しました。何も処理していない可能性があります。".to_owned()
            }
            Cause::BadEvidence => "実行の記録はありますが、条件を満たしていません。".to_owned(),
            Cause::Untold => String::new(),
        }
    }

    fn missed(&self, notice: &Notice) -> String {
        let facts = &notice.facts;
        let due = facts.due.map(|due| zoned(facts, due));
        let was_due = due
            .as_ref()
            .map_or(String::new(), |due| format!("{} に実行される予定でしたが、", self.moment(due)));
        let by = |until| {
            let until = zoned(facts, until);
            let same_day = due.as_ref().is_some_and(|due| due.date() == until.date());
            if same_day { clock(&until) } else { self.moment(&until) }
        };
        match words::miss(facts) {
            Miss::Success(until) => format!("{was_due}{} までに成功が確認できませんでした。", by(until)),
            Miss::Start(until) => format!("{was_due}{} までに開始されませんでした。", by(until)),
            Miss::Open => format!("{was_due}期限までに成功が確認できませんでした。"),
        }
    }
}

/// What happened, in a few words.
fn what(notice: &Notice) -> String {
    let facts = &notice.facts;
    match words::cause(notice) {
        Cause::Missed => match words::miss(facts) {
            Miss::Success(until) => format!("{} までに成功なし", clock(&zoned(facts, until))),
            Miss::Start(until) => format!("{} までに開始なし", clock(&zoned(facts, until))),
            Miss::Open => "期限までに成功なし".to_owned(),
        },
        Cause::TimedOut => "制限時間超過で打ち切り".to_owned(),
        Cause::Exited(Exit::Code(code)) => format!("終了コード {code} で失敗"),
        Cause::Exited(exit) => Japanese.exit(exit),
        Cause::Failed => "失敗".to_owned(),
        Cause::Overran => "実行時間超過".to_owned(),
        Cause::TooQuick => "終了が早すぎます".to_owned(),
        Cause::BadEvidence => "記録が条件を満たしません".to_owned(),
        Cause::Untold => "理由不明".to_owned(),
    }
}

fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "月",
        Weekday::Tuesday => "火",
        Weekday::Wednesday => "水",
        Weekday::Thursday => "木",
        Weekday::Friday => "金",
        Weekday::Saturday => "土",
        Weekday::Sunday => "日",
    }
}
