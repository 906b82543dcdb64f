//! Channels against receivers in the same process.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use std::time::Duration;

use axum::http::StatusCode;
use tenko::notify::options::{ChannelConfig, ChannelOptions, CommandOptions, SlackOptions};
use tenko::notify::webhook::{Key, payload, render};
use tenko::notify::{channel, email, slack};
use tenko::secret::Secret;
use tenko_core::evidence::{Exit, Output};
use tenko_core::message::{Language, compose, digest};
use tenko_core::outbox::{Batch, Delivery};
use tenko_core::{ChannelName, Notice, NoticeKind, Reason, Slug};

fn failed(hostile: &str) -> Notice {
    let name = ChannelName::new("ops").unwrap();
    let now = "2026-11-23T20:31:05Z".parse().unwrap();
    let mut notice = Notice::test(name, Slug::new("daily-report").unwrap(), now);
    notice.kind = NoticeKind::Down;
    notice.facts.time_zone = "Asia/Tokyo".into();
    notice.facts.reason = Some(Reason::Failed);
    notice.facts.exit = Some(Exit::Signal(9));
    notice.facts.down_since = Some(now);
    notice.facts.host = Some(hostile.into());
    notice.facts.message = Some(hostile.into());
    notice.facts.runbook = Some(hostile.into());
    notice.facts.output = Some(Output { head: hostile.into(), tail: hostile.into(), omitted: 1234 });
    notice
}

fn batch(notice: Notice) -> Batch {
    Batch { channel: notice.channel.clone(), notices: vec![notice] }
}

async fn delivered(options: ChannelOptions) -> Delivery {
    let name = ChannelName::new("ops").unwrap();
    let channel = channel(&ChannelConfig { name, language: Language::En, options }).unwrap();
    channel.deliver(&batch(failed("x"))).await
}

async fn slack_that_answers(status: u16, retry_after: &'static str, body: &'static str) -> Delivery {
    let status = StatusCode::from_u16(status).unwrap();
    let answer = move || async move { (status, [("retry-after", retry_after)], body) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/services/T0/planted-secret", listener.local_addr().unwrap());
    let server =
        tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    let delivery = delivered(ChannelOptions::Slack(SlackOptions { url: Secret::new(url) })).await;
    server.abort();
    delivery
}

#[tokio::test]
async fn slack_accepts_on_200_waits_on_429_and_gives_up_on_404() {
    assert_eq!(slack_that_answers(200, "", "ok").await, Delivery::Accepted);
    let Delivery::Later { retry_after, .. } = slack_that_answers(429, "30", "").await else { panic!() };
    assert_eq!(retry_after.map(|wait| wait.as_secs()), Some(30));
    assert!(matches!(slack_that_answers(500, "", "").await, Delivery::Later { .. }));
    let Delivery::Never { problem } = slack_that_answers(404, "", "no_service").await else { panic!() };
    assert_eq!(
        problem,
        "status 404: no_service (the webhook was removed or disabled; make a new one and configure its URL)"
    );
}

#[tokio::test]
async fn an_unreachable_slack_is_later_and_shows_no_url() {
    let url = Secret::new("http://127.0.0.1:1/services/planted-secret");
    let delivery = delivered(ChannelOptions::Slack(SlackOptions { url })).await;
    assert!(matches!(delivery, Delivery::Later { .. }) && !format!("{delivery:?}").contains("planted"));
}

async fn command(script: &str) -> Delivery {
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    delivered(ChannelOptions::Command(CommandOptions { command, timeout: Duration::from_secs(1) })).await
}

#[tokio::test]
async fn a_command_is_accepted_tried_again_or_given_up_by_its_exit_code() {
    assert_eq!(command("grep -q daily-report").await, Delivery::Accepted);
    let Delivery::Later { problem, .. } = command("echo no such host >&2; exit 75").await else { panic!() };
    assert_eq!(problem, "exit status: 75: no such host");
    assert!(matches!(command("exit 78").await, Delivery::Never { .. }));
    assert!(matches!(command("sleep 60 & sleep 60").await, Delivery::Later { .. }));
}

#[test]
fn the_signature_is_that_of_the_standard_webhooks_test_vector() {
    let key = Key::new(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
    let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn nothing_of_a_job_is_live_in_slack_or_html() {
    let hostile = "<!channel> <@U1> <http://x|y> <script>\u{1b}[31m\r\nBcc: a@b\u{202e}```&".repeat(300);
    for language in [Language::En, Language::Ja] {
        let message = compose(&failed(&hostile), language);
        let sent = slack::payload(&message).to_string();
        let html = email::html(&message);
        for live in ["<!channel", "<@U1", "<http", "<script", "\u{1b}", "\u{202e}"] {
            assert!(!sent.contains(live) && !html.contains(live), "{live:?}");
        }
        let from: lettre::message::Mailbox = "Tenko <tenko@example.org>".parse().unwrap();
        let mail = email::mail(&batch(failed(&hostile)), &from, std::slice::from_ref(&from), language);
        let mail = String::from_utf8_lossy(&mail.unwrap().formatted()).into_owned();
        let headers = mail.split("\r\n\r\n").next().unwrap();
        assert!(!headers.contains("\r\nBcc") && headers.contains("Auto-Submitted: auto-generated"));
    }
}

#[test]
fn messages_in_both_languages() {
    let mut missed = failed("web1");
    missed.facts.reason = Some(Reason::Missed);
    missed.facts.due = Some("2026-11-23T20:00:00Z".parse().unwrap());
    missed.facts.deadline = Some("2026-11-23T20:30:00Z".parse().unwrap());
    let all = [Language::En, Language::Ja].map(|language| {
        let one = compose(&failed("web1"), language);
        let several = digest(&vec![failed("web1"); 23], language);
        (one, compose(&missed, language).sentence, several.title)
    });
    insta::assert_json_snapshot!(all);
}

#[test]
fn templates_are_rendered_and_bounded() {
    let payload = payload(&batch(failed("a\"b")), Language::En);
    let body = render("{\"text\": {{ notices[0].facts.host | tojson }}}", &payload).unwrap();
    assert_eq!(body, "{\"text\": \"a\\\"b\"}");
    let endless = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
    assert!(render(endless, &payload).is_err());
}
