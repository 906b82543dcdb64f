use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::Value;

use super::*;
use crate::notify::sample;
use crate::notify::scripted::{Answer, Receiver};
use crate::secret::Secret;

fn options(url: &str) -> WebhookOptions {
    WebhookOptions {
        url: Secret::new(url),
        headers: vec![("Authorization".into(), Secret::new("Bearer plantedSecret"))],
        signing_key: Some(Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")),
        body: None,
        content_type: "application/json".into(),
    }
}

fn body(template: Option<&str>, content_type: &str, batch: &Batch) -> Result<String, String> {
    let options = WebhookOptions {
        body: template.map(str::to_owned),
        content_type: content_type.into(),
        ..options("http://127.0.0.1/")
    };
    Webhook::new(options, Language::En).body(batch).map_err(|error| chain(&error))
}

fn templated(template: &str) -> String {
    match body(Some(template), "application/json", &sample::batch(vec![sample::failed()])) {
        Ok(body) => body,
        Err(problem) => format!("error: {problem}"),
    }
}

#[test]
fn the_signature_of_the_specification() {
    let signature = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        r#"{"test": 2432232314}"#,
    );
    assert_eq!(signature.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert!(sign("whsec_%%%", "id", 0, "").is_err());
    assert_eq!(sign("plain", "id", 0, "").unwrap(), sign("whsec_cGxhaW4=", "id", 0, "").unwrap());
}

#[test]
fn the_json_of_notices() {
    let json = |batch: &Batch| {
        serde_json::from_str::<Value>(&body(None, "application/json", batch).unwrap()).unwrap()
    };
    assert_json_snapshot!("down", json(&sample::batch(vec![sample::failed()])));
    assert_json_snapshot!("up", json(&sample::batch(vec![sample::recovered()])));
    assert_eq!(json(&sample::several())["notices"].as_array().unwrap().len(), 6);
}

#[test]
fn a_template_is_filled_and_its_mistakes_are_named() {
    assert_snapshot!(templated("{\"summary\": {{ message.title | tojson }}, \"host\": {{ notices[0].facts.host | tojson }}}"),
        @r#"{"summary": "daily-report is down: failed", "host": "batch-1 \u003c!channel\u003e"}"#);
    assert_snapshot!(templated("{\"a\":\n{{ mesage.title | tojson }}}"));
    assert_snapshot!(templated("{% for n in notices %}"));
    assert_snapshot!(templated(
        "{% for a in range(9000) %}{% for b in range(9000) %}{% endfor %}{% endfor %}"
    ));
    assert_snapshot!(templated("{\"output\": \"{{ message.output }}\"}"));
    assert_eq!(templated("[{{ message.runbuk | tojson }}]"), "[null]");
    let text = body(Some("{{ message.title }}"), "text/plain", &sample::batch(vec![sample::failed()]));
    assert_eq!(text.unwrap(), "daily-report is down: failed");
}

#[tokio::test]
async fn a_request_is_signed_and_repeated_under_the_same_id() {
    let receiver =
        Receiver::start(vec![Answer::status(503, "").with("retry-after", "7"), Answer::status(204, "")])
            .await;
    let webhook =
        Webhook::new(options(&format!("{}/hook?token=plantedSecret", receiver.url())), Language::En);
    assert!(!format!("{webhook:?}").contains("plantedSecret"));
    let batch = sample::batch(vec![sample::failed()]);
    let first = webhook.deliver(&batch).await;
    assert_eq!(
        first,
        Delivery::Later {
            problem: "it answered 503".into(),
            retry_after: Some(jiff::SignedDuration::from_secs(7))
        }
    );
    assert_eq!(webhook.deliver(&batch).await, Delivery::Accepted);
    let [before, after] = receiver.requests().try_into().unwrap();
    let id = batch.id().to_string();
    for request in [&before, &after] {
        assert_eq!(request.header("webhook-id"), Some(id.as_str()));
        assert_eq!(request.header("idempotency-key"), Some(id.as_str()));
        assert_eq!(request.header("authorization"), Some("Bearer plantedSecret"));
        assert!(request.header("user-agent").unwrap().starts_with("tenko/"));
        let seconds = request.header("webhook-timestamp").unwrap().parse().unwrap();
        let body = std::str::from_utf8(&request.body).unwrap();
        let expected = sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &id, seconds, body).unwrap();
        assert_eq!(request.header("webhook-signature"), Some(expected.as_str()));
    }
}

#[tokio::test]
async fn an_answer_that_repeats_a_secret_does_not_show_it() {
    let receiver = Receiver::start(vec![Answer::status(
        401,
        "bad token Bearer plantedSecret for /hook?token=plantedSecret",
    )])
    .await;
    let url = format!("{}/hook?token=plantedSecret", receiver.url());
    let delivery = Webhook::new(options(&url), Language::En).deliver(&sample::several()).await;
    assert_eq!(delivery, Delivery::Never { problem: "it answered 401: bad token *** for /***?***".into() });
}

#[tokio::test]
async fn a_header_from_outside_the_alphabet_of_headers_is_refused() {
    let headers = vec![("X-Key".to_owned(), Secret::new("plantedSecret\r\nx-evil: 1"))];
    let webhook = Webhook::new(WebhookOptions { headers, ..options("http://127.0.0.1:1/") }, Language::En);
    let delivery = webhook.deliver(&sample::several()).await;
    assert_eq!(delivery, Delivery::Never { problem: "the header \"X-Key\" can't be sent".into() });
}
