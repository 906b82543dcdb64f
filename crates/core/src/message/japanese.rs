//! Japanese.

use jiff::civil::Weekday;
use jiff::{SignedDuration, ZonedDateTime};

use super::words::{Count, Label, Words, clock, large_size, part_less, two_units};
use super::{Told, signal};
use crate::evidence::Exit;
use crate::flaw::{Flaw, FlawKind, Shrink};
use crate::notice::NoticeKind;
use crate::state::Reason;

pub(super) struct Japanese;

impl Words for Japanese {
    fn title(&self, told: &Told<'_>) -> String {
        let job = told.job();
        match told.notice.kind {
            NoticeKind::Down => format!("{job}: 異常{}", because(told)),
            NoticeKind::Up => format!("{job}: 復旧しました"),
            NoticeKind::Reminder(_) => format!("{job}: 異常が続いています（{}経過）", told.lasted()),
            NoticeKind::Unknown if told.is_of_all_jobs() => "ストアを読み取れません".into(),
            NoticeKind::Known if told.is_of_all_jobs() => "ストアを再び読み取れるようになりました".into(),
            NoticeKind::Unknown => format!("{job}: 状態を確認できません"),
            NoticeKind::Known => format!("{job}: 再び確認できるようになりました"),
            NoticeKind::Unstored => format!("{job}: エビデンスを保存できませんでした"),
            NoticeKind::Test => "Tenko からのテスト通知です".into(),
        }
    }

    fn sentence(&self, told: &Told<'_>) -> String {
        match told.notice.kind {
            NoticeKind::Down => down(told) + &flapping(told),
            NoticeKind::Up => up(told) + &flapping(told),
            NoticeKind::Reminder(number) => format!(
                "{} は {} から異常が続いています。{}。これは {number} 回目の再通知です。",
                told.job(),
                told.moment(told.since()),
                why(told)
            ),
            NoticeKind::Unknown => unknown(told),
            NoticeKind::Known => known(told),
            NoticeKind::Unstored => unstored(told),
            NoticeKind::Test => {
                let channel = &told.notice.channel;
                format!("通知先 {channel} のテストです。ジョブに異常があれば、ここに通知が届きます。")
            }
        }
    }

    fn label(&self, label: Label) -> &'static str {
        match label {
            Label::Description => "説明",
            Label::Due => "予定時刻",
            Label::Deadline => "期限",
            Label::DownSince => "異常発生",
            Label::UpSince => "復旧",
            Label::DownFor => "異常の継続時間",
            Label::LastSuccess => "最後の成功",
            Label::Exit => "終了状態",
            Label::Duration => "実行時間",
            Label::Host => "ホスト",
            Label::Schedule => "スケジュール",
            Label::Remark => "メッセージ",
        }
    }

    fn moment(&self, at: &ZonedDateTime) -> String {
        let date = at.strftime("%Y年%-m月%-d日");
        format!("{date}({}) {}", weekday(at.weekday()), clock(at))
    }

    fn time(&self, at: &ZonedDateTime) -> String {
        clock(at)
    }

    fn length(&self, length: SignedDuration) -> String {
        let units = two_units(length);
        if units.is_empty() {
            return format!("{}ミリ秒", length.as_millis().unsigned_abs());
        }
        let unit = |(number, unit)| format!("{number}{}", ["日", "時間", "分", "秒"][unit]);
        units.into_iter().map(unit).collect()
    }

    fn exit(&self, exit: Exit) -> String {
        match exit {
            Exit::Code(code) => format!("終了コード {code}"),
            Exit::Signal(number) => signal::name(number),
        }
    }

    fn flaw(&self, flaw: &Flaw) -> String {
        let object = &flaw.object;
        match &flaw.kind {
            FlawKind::TooSmall { size: 0, least } => {
                format!("{object} が空です。{}以上必要です", bytes(*least))
            }
            FlawKind::TooSmall { size, least } => {
                format!("{object} は {}しかありません。{}以上必要です", bytes(*size), bytes(*least))
            }
            FlawKind::TooOld { age, most } => {
                let (age, most) = (self.length(*age), self.length(*most));
                format!("{object} は予定時刻の{age}前のものです。{most}前までのものが必要です")
            }
            FlawKind::TooFew { found, counted, wanted } if found == counted => {
                format!("{object} に該当するものが {found} 個しかありません。{wanted} 個以上必要です")
            }
            FlawKind::TooFew { found, counted, wanted } => format!(
                "{object} に該当する {found} 個のうち、サイズと新しさが十分なものは {counted} 個です。{wanted} 個以上必要です"
            ),
            FlawKind::Unchanged { previous } => {
                format!("{object} の内容が {previous} と同じです。前回から変わっている必要があります")
            }
            FlawKind::Shrunk { size, previous, previous_size, at_most } => {
                let (less, most) = match at_most {
                    Shrink::Share(_) => (part_less(*size, *previous_size) + " ", at_most.to_string()),
                    Shrink::Bytes(most) => (bytes(previous_size.saturating_sub(*size)), bytes(*most)),
                };
                let (size, previous_size) = (bytes(*size), bytes(*previous_size));
                format!(
                    "{object} は {size}で、{previous}（{}）より {}小さくなっています。許容される減少は {} までです",
                    previous_size.trim_end(),
                    less,
                    most.trim_end()
                )
            }
        }
    }

    fn never(&self) -> &'static str {
        "なし"
    }

    fn digest_title(&self, counts: &[(Count, usize)]) -> String {
        let name = |count| match count {
            Count::Down => "異常",
            Count::StillDown => "異常継続",
            Count::Up => "復旧",
            Count::Unknown => "確認不能",
            Count::Known => "確認再開",
            Count::Unstored => "エビデンス未保存",
            Count::Test => "テスト",
        };
        let parts: Vec<String> =
            counts.iter().map(|(count, number)| format!("{} {number} 件", name(*count))).collect();
        let total: usize = counts.iter().map(|(_, number)| number).sum();
        format!("通知 {total} 件: {}", parts.join("、"))
    }

    fn digest_sentence(&self, number: usize) -> String {
        format!("同時に多くの変化があったため、{number} 件の通知を 1 通にまとめました。")
    }

    fn more(&self, number: usize) -> String {
        format!("… ほか {number} 件")
    }
}

/// A day of the week as one character stands for it in Japanese.
pub fn weekday(day: Weekday) -> &'static str {
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

fn bytes(count: u64) -> String {
    match large_size(count) {
        Some((number, unit)) => format!("{number} {unit} "),
        None => format!("{count} バイト"),
    }
}

fn because(told: &Told<'_>) -> &'static str {
    match told.notice.facts.reason {
        Some(Reason::Missed) => "（期限までに成功の報告なし）",
        Some(Reason::Failed) => "（失敗）",
        Some(Reason::Overran) => "（実行時間超過）",
        Some(Reason::TooQuick) => "（短時間で終了）",
        Some(Reason::BadEvidence) => "（エビデンス不良）",
        None => "",
    }
}

fn down(told: &Told<'_>) -> String {
    let (job, at) = (told.job(), told.moment(told.notice.at));
    let facts = &told.notice.facts;
    match facts.reason {
        Some(Reason::Missed) => missed(told),
        Some(Reason::Failed) => format!("{job} は {at} に{}{}。", after(told), ended(told)),
        Some(Reason::Overran) => {
            let within = told.limit().map_or_else(String::new, |limit| format!("開始から{limit}以内、"));
            format!(
                "{job} の実行が長引いています。{within}遅くとも {at} までに終わるはずでしたが、まだ終わっていません。"
            )
        }
        Some(Reason::TooQuick) => {
            let length = facts
                .duration
                .map_or_else(String::new, |length| format!("わずか{}で", told.words.length(length)));
            let least = told.limit().map_or_else(String::new, |limit| format!("（{limit}未満）"));
            format!(
                "{job} は {at} に{length}正常終了しましたが、短すぎるため{least}、処理が行われていないおそれがあります。"
            )
        }
        Some(Reason::BadEvidence) => format!("{job} の {at} のエビデンスに問題があります{}。", said(told)),
        None => format!("{job} は {at} から異常な状態です。"),
    }
}

fn missed(told: &Told<'_>) -> String {
    let job = told.job();
    let (Some(due), deadline) = (told.notice.facts.due, told.notice.facts.deadline.unwrap_or(told.notice.at))
    else {
        return format!(
            "{job} は {} までに成功するはずでしたが、報告がありません。",
            told.moment(told.notice.at)
        );
    };
    format!(
        "{job} は {} に実行される予定でしたが、期限の {} までに成功の報告がありませんでした。",
        told.moment(due),
        told.moment_after(deadline, due)
    )
}

fn ended(told: &Told<'_>) -> String {
    let facts = &told.notice.facts;
    match facts.exit {
        _ if facts.timed_out => "タイムアウトにより強制終了されました".into(),
        Some(Exit::Signal(number)) => format!("シグナル {} により終了しました", signal::name(number)),
        Some(Exit::Code(code)) => format!("終了コード {code} で失敗しました"),
        None => "失敗しました".into(),
    }
}

fn after(told: &Told<'_>) -> String {
    let length = told.notice.facts.duration;
    length.map_or_else(String::new, |length| format!("、開始から{}で", told.words.length(length)))
}

fn said(told: &Told<'_>) -> String {
    told.remark().map_or_else(String::new, |remark| format!("（{remark}）"))
}

/// Why the job is down, as a sentence of its own without a full stop.
fn why(told: &Told<'_>) -> String {
    match told.notice.facts.reason {
        Some(Reason::Missed) => "予定どおりの成功の報告がなく、その後も届いていません".into(),
        Some(Reason::Failed) => format!("最後の実行は{}", ended(told)),
        Some(Reason::Overran) => "実行が長引いています".into(),
        Some(Reason::TooQuick) => "最後の実行が短時間で終了しました".into(),
        Some(Reason::BadEvidence) => format!("エビデンスに問題があります{}", said(told)),
        None => "その後、成功の報告がありません".into(),
    }
}

fn up(told: &Told<'_>) -> String {
    let (from, until) = (told.moment(told.since()), told.moment_after(told.until(), told.since()));
    let mut text = format!(
        "{} は復旧しました。異常は {from} から {until} まで、{}続きました。",
        told.job(),
        told.lasted()
    );
    if told.notice.facts.late_delivered {
        text.push_str("遅れて届いたエビデンスにより、実際には正常に実行されていたことが確認できました。");
    }
    if told.notice.facts.brief {
        text.push_str("異常の通知より先に復旧したため、異常発生時の通知は送っていません。");
    }
    text
}

fn flapping(told: &Told<'_>) -> String {
    told.flips().map_or_else(String::new, |(count, more)| {
        let more = if more { "以上" } else { "" };
        format!("1時間以内に{count}回{more}も状態が変わっており、不安定です。")
    })
}

fn unknown(told: &Told<'_>) -> String {
    let (since, said) = (told.moment(told.since()), said(told));
    if told.is_of_all_jobs() {
        return format!(
            "{since} からストアを読み取れません{said}。読み取れるようになるまで、どのジョブの状態も確認できません。"
        );
    }
    format!(
        "{since} から {} のエビデンスを読み取れません{said}。ジョブに異常があるという意味ではありません。",
        told.job()
    )
}

fn known(told: &Told<'_>) -> String {
    let (from, lasted) = (told.moment(told.since()), told.lasted());
    let what = if told.is_of_all_jobs() {
        "ストア".to_owned()
    } else {
        format!("{} のエビデンス", told.job())
    };
    format!("{what}を再び読み取れるようになりました。{from} から {lasted}、読み取れない状態でした。")
}

fn unstored(told: &Told<'_>) -> String {
    let (job, at) = (told.job(), told.moment(told.notice.at));
    let ended =
        if told.notice.facts.up_since.is_some() { "正常に終了しました".into() } else { ended(told) };
    format!(
        "{job} は {at} に{ended}が、そのエビデンスを保存できませんでした{}。点呼では未実行と判定されることがあります。",
        said(told)
    )
}
