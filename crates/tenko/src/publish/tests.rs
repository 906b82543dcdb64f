//! Pages as people see them, of statuses that are made up.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tenko_core::calendar::Outcome;
use tenko_core::roll::Cursor;
use tenko_core::{Reason, Slug, Verdict};

use super::*;

const NOW: &str = "2026-11-24T05:31:00";

fn moment(text: &str) -> Timestamp {
    text.parse::<DateTime>().unwrap().to_zoned_datetime(tokyo()).unwrap().timestamp()
}

fn tokyo() -> TimeZone {
    TimeZone::get("Asia/Tokyo").unwrap()
}

/// One due a day, the last today at 05:00: `.` answered, `+` reported late, `L` late, `B` bad, `M` missed, `?` unknown,
/// `o` open, `p` paused, `-` not expected.
fn dues(outcomes: &str) -> Vec<StripDue> {
    let last = moment("2026-11-24T05:00:00");
    let count = outcomes.chars().count() as i64;
    let one = |(number, letter): (i64, char)| StripDue {
        due: last - SignedDuration::from_hours(24 * (count - 1 - number)),
        outcome: match letter {
            '.' => Outcome::Answered,
            '+' => Outcome::LateDelivered,
            'L' => Outcome::Late,
            'B' => Outcome::Bad,
            'M' => Outcome::Missed,
            '?' => Outcome::Unknown,
            'o' => Outcome::Open,
            'p' => Outcome::Paused,
            _ => Outcome::NotExpected,
        },
    };
    (0..).zip(outcomes.chars()).map(one).collect()
}

fn job(name: &str, verdict: Verdict, outcomes: &str) -> JobStatus {
    JobStatus {
        job: Slug::new(name).unwrap(),
        description: None,
        schedule: Some("0 5 * * * (Asia/Tokyo)".into()),
        time_zone: "Asia/Tokyo".into(),
        verdict,
        reason: None,
        since: moment("2026-10-30T05:04:12"),
        running: false,
        last_success: Some(moment("2026-11-24T05:04:12")),
        next_due: Some(moment("2026-11-25T05:00:00")),
        dues: dues(outcomes),
    }
}

/// A page with everything on it that a page can show.
fn everything(language: &str) -> Status {
    let jobs = vec![
        JobStatus {
            description: Some("Dump of the customer database".into()),
            ..job("backup", Verdict::Up, "-??.....+...LB.MM..pp.........")
        },
        JobStatus {
            reason: Some(Reason::Failed),
            since: moment("2026-11-18T05:03:40"),
            last_success: Some(moment("2025-12-31T23:59:00")),
            ..job("import", Verdict::Down, "-----------------------BBBBBBB")
        },
        JobStatus {
            reason: Some(Reason::Missed),
            since: moment("2026-11-22T05:30:00"),
            last_success: Some(moment("2026-11-21T05:12:00")),
            ..job("nightly-report", Verdict::Down, "...........................MMM")
        },
        JobStatus { running: true, ..job("sync", Verdict::Late, ".............................o") },
        JobStatus { next_due: None, schedule: None, last_success: None, ..job("free", Verdict::New, "") },
        job("old", Verdict::Paused, "pppppppppppp"),
        job("bucket", Verdict::Unknown, "..??"),
    ];
    let outage = |job: &str, reason, from, to: Option<&str>| Outage {
        job: Slug::new(job).unwrap(),
        reason: Some(reason),
        from: moment(from),
        to: to.map(moment),
    };
    let counts = [Verdict::New, Verdict::Up, Verdict::Late, Verdict::Paused, Verdict::Unknown];
    let mut counts: std::collections::BTreeMap<Verdict, usize> =
        counts.into_iter().map(|verdict| (verdict, 1)).collect();
    counts.insert(Verdict::Down, 2);
    Status {
        v: 1,
        title: if language == "ja" { "アクメ社のバッチ".into() } else { "Acme batch jobs".into() },
        language: language.into(),
        time_zone: "Asia/Tokyo".into(),
        called_at: moment(NOW),
        next_call_by: Some(moment("2026-11-24T05:36:00")),
        stale_after: Some(moment("2026-11-24T06:36:00")),
        counts,
        jobs,
        incidents: vec![
            outage("nightly-report", Reason::Missed, "2026-11-22T05:30:00", None),
            outage("import", Reason::Failed, "2026-11-18T05:03:40", None),
            outage("backup", Reason::Missed, "2026-11-09T05:30:00", Some("2026-11-11T05:04:00")),
            outage("backup", Reason::Overran, "2026-11-08T05:02:00", Some("2026-11-08T05:20:30")),
        ],
        called_every: Some(300),
        cursor: Cursor("17".into()),
        complete_from: Timestamp::UNIX_EPOCH,
    }
}

fn calm(language: &str) -> Status {
    let mut status = everything(language);
    status.jobs.retain(|job| job.verdict == Verdict::Up);
    status.counts.retain(|verdict, _| *verdict == Verdict::Up);
    status.incidents.clear();
    status.next_call_by = None;
    status
}

/// The page without its style, which has no news for whoever reads a snapshot.
fn body(status: &Status) -> String {
    let page = render(status).unwrap();
    let (head, rest) = page.split_once("<style>").unwrap();
    let (_, rest) = rest.split_once("</style>").unwrap();
    let (before, digest) = head.split_once("sha256-").unwrap();
    let (_, after) = digest.split_once("&#x27;").unwrap();
    format!("{before}sha256-...&#x27;{after}<style>...</style>{rest}")
}

#[test]
fn a_page_in_english() {
    insta::assert_snapshot!(body(&everything("en")));
}

#[test]
fn a_page_in_japanese() {
    insta::assert_snapshot!(body(&everything("ja")));
}

#[test]
fn a_page_on_which_all_is_well() {
    insta::assert_snapshot!(body(&calm("en")));
}

#[test]
fn a_page_without_jobs() {
    let mut status = calm("en");
    status.jobs.clear();
    status.counts.clear();
    assert!(body(&status).contains("No jobs yet"));
    status.language = "ja".into();
    assert!(body(&status).contains("ジョブはまだありません"));
}

#[test]
fn what_a_job_says_of_itself_is_escaped() {
    let hostile =
        "</style></title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}\u{202e}";
    let mut status = everything("en");
    status.title = hostile.into();
    status.jobs[0].description = Some(hostile.into());
    status.jobs[0].schedule = Some(hostile.into());
    status.jobs[0].time_zone = hostile.into();
    status.time_zone = hostile.into();
    status.language = "\"><script>".into();
    let page = render(&status).unwrap();
    assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
    assert!(page.contains("&lt;script&gt;") && page.contains("{{ 7*7 }}"));
    assert_eq!(page.matches("</style>").count(), 1);
    assert_eq!(page.matches("</title>").count(), 1);
    assert!(!page.contains('\u{202e}'), "what reorders text is replaced");
}

#[test]
fn the_policy_lets_in_this_style_and_nothing_else() {
    let page = render(&calm("en")).unwrap();
    let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let digest = <sha2::Sha256 as sha2::Digest>::digest(style);
    let digest = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest);
    // A digest has characters that HTML writes as references.
    let policy =
        page.replace("&#x2f;", "/").replace("&#x27;", "'").replace("&#x3d;", "=").replace("&#x2b;", "+");
    assert!(policy.contains(&format!("style-src 'sha256-{digest}'")), "{policy}");
    for foreign in ["http:", "https:", "//", "url(", "@import", "style=", "<script", "onclick"] {
        assert!(
            !page
                .replace("http://www.w3.org/2000/svg", "")
                .replace("http:&#x2f;&#x2f;www.w3.org", "")
                .contains(foreign),
            "{foreign}"
        );
    }
}

#[test]
fn what_is_written_is_read_again() {
    let status = everything("ja");
    let json = serde_json::to_string_pretty(&status).unwrap();
    assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status);
    insta::assert_snapshot!(serde_json::to_string_pretty(&calm("en")).unwrap());
}

#[test]
fn a_page_is_written_when_it_shows_something_else_or_is_old() {
    let before = calm("en");
    let every = SignedDuration::from_hours(1);
    let later = |minutes| {
        let called_at = before.called_at + SignedDuration::from_mins(minutes);
        Status { called_at, next_call_by: Some(called_at), ..before.clone() }
    };
    assert!(!is_due(&before, &later(5), every));
    assert!(is_due(&before, &later(60), every));
    assert!(is_due(&before, &later(-5), every), "the clock was set back");
    let mut other = later(5);
    other.jobs[0].running = true;
    assert!(is_due(&before, &other, every));
    assert!(is_due(&before, &Status { cursor: Cursor("18".into()), ..later(5) }, every));
}

/// For whoever wants to look at the pages: they are written where `TENKO_PAGES` says.
#[test]
fn pages_to_look_at() {
    let Some(place) = std::env::var_os("TENKO_PAGES") else { return };
    let place = std::path::PathBuf::from(place);
    for language in ["en", "ja"] {
        std::fs::write(place.join(format!("{language}.html")), render(&everything(language)).unwrap())
            .unwrap();
    }
    std::fs::write(place.join("calm.html"), render(&calm("en")).unwrap()).unwrap();
}
