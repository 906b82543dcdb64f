use insta::assert_json_snapshot;
use proptest::prelude::*;
use tenko_core::Notice;
use tenko_core::evidence::Output;
use tenko_core::notice::{Facts, NoticeKind};

use super::*;
use crate::notify::sample;
use crate::notify::scripted::{Answer, Receiver};
use crate::secret::Secret;

fn told(batch: &Batch, language: Language) -> Value {
    payload(&Message::of(batch, language), language)
}

#[test]
fn what_slack_is_sent() {
    let down = sample::batch(vec![sample::failed()]);
    assert_json_snapshot!("down_en", told(&down, Language::En));
    assert_json_snapshot!("down_ja", told(&down, Language::Ja));
    assert_json_snapshot!("up_ja", told(&sample::batch(vec![sample::recovered()]), Language::Ja));
    assert_json_snapshot!("digest_en", told(&sample::several(), Language::En));
}

/// Every text in the payload with the name of its type.
fn texts(value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            if let Some(text) = map.get("text").and_then(Value::as_str) {
                let kind = map.get("type").and_then(Value::as_str).unwrap_or("mrkdwn");
                out.push((kind.to_owned(), text.to_owned()));
            }
            map.values().for_each(|value| texts(value, out));
        }
        Value::Array(list) => list.iter().for_each(|value| texts(value, out)),
        _ => {}
    }
}

fn hostile(text: &str, kind: NoticeKind) -> Notice {
    let own = || Some(text.to_owned());
    let facts = Facts {
        host: own(),
        message: own(),
        description: own(),
        schedule: own(),
        runbook: own(),
        output: Some(Output { head: text.repeat(3), ..Output::default() }),
        ..sample::failed().facts
    };
    Notice { kind, facts, ..sample::failed() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn fault_79_nothing_that_a_job_says_mentions_links_or_breaks_a_limit(
        text in "(?s:.|<!channel>|<@U123>|<https://evil.example|x>|&lt;|🔥|\u{1b}\\[){0,900}",
        kind in prop::sample::select(vec![NoticeKind::Down, NoticeKind::Unknown, NoticeKind::Unstored, NoticeKind::Up]),
    ) {
        let payload = told(&sample::batch(vec![hostile(&text, kind)]), Language::Ja);
        let mut found = Vec::new();
        texts(&payload, &mut found);
        for (kind, text) in &found {
            if kind == "mrkdwn" {
                prop_assert!(!text.contains(['<', '>']), "{text}");
            }
            prop_assert!(!text.is_empty() && text.encode_utf16().count() <= 40_000);
        }
        let blocks = payload["blocks"].as_array().unwrap();
        prop_assert!(blocks.len() <= 50);
        let units = |value: &Value| value["text"].as_str().unwrap().encode_utf16().count();
        prop_assert!(units(&blocks[0]["text"]) <= 150 && units(&blocks[1]["text"]) <= 3000);
        for fields in blocks.iter().filter_map(|block| block["fields"].as_array()) {
            prop_assert!((1..=10).contains(&fields.len()) && fields.iter().all(|field| units(field) <= 2000));
        }
    }
}

async fn deliver(answers: Vec<Answer>) -> (Delivery, Receiver) {
    let receiver = Receiver::start(answers).await;
    let url = Secret::new(format!("{}/services/T000/B000/plantedSecret", receiver.url()));
    let slack = Slack::new(SlackOptions { url }, Language::En);
    assert!(!format!("{slack:?}").contains("plantedSecret"));
    let delivery = slack.deliver(&sample::batch(vec![sample::failed()])).await;
    assert!(!format!("{delivery:?}").contains("plantedSecret"), "{delivery:?}");
    (delivery, receiver)
}

fn problem(delivery: &Delivery) -> String {
    match delivery {
        Delivery::Accepted => "accepted".into(),
        Delivery::Later { problem, retry_after } => {
            format!("later {:?}: {problem}", retry_after.map(|wait| wait.as_secs()))
        }
        Delivery::Never { problem } => format!("never: {problem}"),
    }
}

#[tokio::test]
async fn a_message_that_slack_accepts_arrives_once() {
    let (delivery, receiver) = deliver(vec![Answer::status(200, "ok")]).await;
    assert_eq!(delivery, Delivery::Accepted);
    let [request] = receiver.requests().try_into().unwrap();
    assert_eq!(request.path, "/services/T000/B000/plantedSecret");
    assert_eq!(request.header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["blocks"][0]["type"], "header");
}

#[tokio::test]
async fn what_each_answer_means() {
    let cases = [
        (
            Answer::status(429, "rate_limited").with("retry-after", "30"),
            "later Some(30): it answered 429: rate_limited",
        ),
        (Answer::status(500, "rollup_error"), "later None: it answered 500: rollup_error"),
        (
            Answer::status(404, "no_service"),
            "never: it answered 404: no_service (the webhook was removed or its app uninstalled: create a new one)",
        ),
        (
            Answer::status(403, "invalid_token"),
            "never: it answered 403: invalid_token (the webhook's URL is incomplete or was revoked)",
        ),
        (
            Answer::status(410, "channel_is_archived"),
            "never: it answered 410: channel_is_archived (the webhook's channel is archived: unarchive it or create a new webhook)",
        ),
        (
            Answer::status(400, "invalid_payload"),
            "never: it answered 400: invalid_payload (this is a defect of Tenko: please report it)",
        ),
        (
            Answer::status(302, "").with("location", "http://127.0.0.1:9/"),
            "never: it answered 302 (redirects are not followed, configure the final URL)",
        ),
        (
            Answer::status(404, "no such hook /services/T000/B000/plantedSecret"),
            "never: it answered 404: no such hook /*** (is the webhook's URL complete, and does the webhook still exist?)",
        ),
    ];
    for (answer, expected) in cases {
        assert_eq!(problem(&deliver(vec![answer]).await.0), expected);
    }
}

#[tokio::test]
async fn fault_51_a_connection_that_breaks_or_is_refused_is_tried_later() {
    let (delivery, _receiver) = deliver(vec![Answer::Reset]).await;
    assert!(matches!(delivery, Delivery::Later { .. }), "{delivery:?}");
    let url = Secret::new("http://127.0.0.1:1/services/plantedSecret");
    let refused = Slack::new(SlackOptions { url }, Language::En).deliver(&sample::several()).await;
    assert!(problem(&refused).starts_with("later None: ") && !problem(&refused).contains("plantedSecret"));
    let nonsense = Slack::new(SlackOptions { url: Secret::new("not a url") }, Language::En);
    assert!(matches!(nonsense.deliver(&sample::several()).await, Delivery::Never { .. }));
}

#[tokio::test]
async fn fault_52_an_answer_that_never_comes_is_given_up_after_ten_seconds() {
    let started = std::time::Instant::now();
    let (delivery, _receiver) = deliver(vec![Answer::Hang]).await;
    assert!(matches!(delivery, Delivery::Later { .. }), "{delivery:?}");
    assert!((9..15).contains(&started.elapsed().as_secs()));
}
