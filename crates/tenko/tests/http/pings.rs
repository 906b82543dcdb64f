//! Pings, row by row of what clients of Healthchecks send and expect.

use std::sync::Arc;

use jiff::SignedDuration;
use tenko::server::intake::{Addressee, Refusal, Said};
use tenko_core::{Slug, Via};
use tenko_store::StoreError;
use uuid::Uuid;

use crate::client::{Client, ask, get, post};
use crate::world::{ADDRESS, KEY, RUN, World};

fn address() -> Addressee {
    Addressee::Address(Uuid::try_parse(ADDRESS).unwrap())
}

fn job(name: &str) -> Addressee {
    Addressee::Job(Slug::new(name).unwrap())
}

/// Each form of a URL with what it says.
fn forms() -> Vec<(String, Addressee, Said)> {
    let ends = [
        ("", Said::Success),
        ("/start", Said::Start),
        ("/fail", Said::Fail(None)),
        ("/log", Said::Log),
        ("/0", Said::Exit(0)),
        ("/1", Said::Exit(1)),
        ("/255", Said::Exit(255)),
    ];
    let mut forms = vec![(format!("{ADDRESS}/"), address(), Said::Success)];
    for (end, said) in ends {
        forms.push((format!("{ADDRESS}{end}"), address(), said));
        forms.push((format!("{KEY}/nightly{end}"), job("nightly"), said));
        forms.push((format!("{KEY}/start{end}"), job("start"), said));
    }
    forms
}

#[tokio::test]
async fn each_form_of_a_url_is_heard_with_each_method() {
    let world = World::new().await;
    for (path, to, said) in forms() {
        for method in ["GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "REPORT"] {
            let answer = ask(world.address, method, &format!("/ping/{path}"), "", b"").await;
            let body = if method == "HEAD" { "" } else { "OK" };
            assert_eq!(answer.said(), (200, body), "{method} {path}");
            let ping = world.hears.one();
            assert_eq!(
                (&ping.to, ping.said, ping.rid, ping.create),
                (&to, said, None, false),
                "{method} {path}"
            );
            assert_eq!((&ping.report.output, &ping.text, ping.at), (&None, &None, None));
            assert_eq!(ping.report.via.unwrap().method, method);
        }
    }
}

#[tokio::test]
async fn a_good_answer_has_the_headers_that_clients_look_for() {
    let world = World::with(|options| options.body_limit = 12_345).await;
    for (path, status) in [(format!("{KEY}/nightly"), 200), (format!("{KEY}/new?create=1"), 201)] {
        let answer = get(world.address, &format!("/ping/{path}")).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("ping-body-limit"), Some("12345"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        let never = "max-age=0, no-cache, no-store, must-revalidate, private";
        assert_eq!(answer.header("cache-control"), Some(never));
        assert!(answer.header("expires").is_some() && answer.header("date").is_some());
    }
    let answer = ask(world.address, "HEAD", &format!("/ping/{ADDRESS}"), "", b"").await;
    assert_eq!(answer.header("ping-body-limit"), Some("12345"));
    assert_eq!(answer.header("content-length"), Some("2"));
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_order_of_healthchecks() {
    let world = World::new().await;
    let upper = ADDRESS.to_uppercase();
    let undashed = ADDRESS.replace('-', "");
    let unknown = RUN;
    let (url, rid, none) = ((400, "invalid url format"), (400, "invalid uuid format"), (404, "not found"));
    for (path, expected) in [
        (format!("{ADDRESS}/256"), url),
        (format!("{ADDRESS}/99999999999999999999"), url),
        (format!("{ADDRESS}/256?rid=x"), url),
        (format!("{unknown}/256"), none),
        (format!("{ADDRESS}?rid="), rid),
        (format!("{ADDRESS}?rid=x"), rid),
        (format!("{ADDRESS}?rid={}", RUN.replace('-', "")), rid),
        (format!("{ADDRESS}?rid=%7B{RUN}%7D"), rid),
        (format!("{ADDRESS}?rid=urn:uuid:{RUN}"), rid),
        (format!("{ADDRESS}/start?rid={RUN}0"), rid),
        (format!("{unknown}?rid=x"), none),
        (unknown.to_owned(), none),
        (format!("{unknown}/start"), none),
        (upper, none),
        (undashed, none),
        (format!("{ADDRESS}/stop"), none),
        (format!("{ADDRESS}/start/"), none),
        (format!("{ADDRESS}/start/start"), none),
        (format!("{KEY}/Nightly"), url),
        (format!("{KEY}/nightlY/start?rid=x"), url),
        ("wrong-key/Nightly".to_owned(), url),
        ("wrong-key/nightly".to_owned(), none),
        ("wrong-key/nightly/256".to_owned(), none),
        ("wrong-key/nightly?create=1".to_owned(), none),
        (format!("{KEY}/unknown"), none),
        (format!("{KEY}/unknown/256"), none),
        (format!("{KEY}/unknown?rid=x"), none),
        (format!("{KEY}/unknown?create=true"), none),
        (format!("{KEY}/unknown?create="), none),
        (format!("{KEY}/unknown?create=1&create=0"), none),
        (format!("{KEY}/nightly/256"), url),
        (format!("{KEY}/nightly?rid=x"), rid),
        (format!("{KEY}/unknown/256?create=1"), url),
        (format!("{KEY}/unknown?create=1&rid=x"), rid),
        (format!("{KEY}/-unknown?create=1"), url),
        (format!("{KEY}/{}?create=1", "x".repeat(101)), url),
        (format!("{KEY}/_unknown"), none),
        (format!("{KEY}/nightly/"), none),
        (format!("{KEY}/nightly/stop"), none),
        (format!("{KEY}/"), none),
        (KEY.to_owned(), none),
        (String::new(), none),
        (format!("{KEY}/nigh%74ly%zz"), url),
        (format!("{KEY}/nightly%ff"), url),
    ] {
        for method in ["GET", "POST"] {
            let answer = ask(world.address, method, &format!("/ping/{path}"), "", b"").await;
            assert_eq!(answer.said(), expected, "{method} {path}");
            assert!(answer.header("cache-control").unwrap().contains("no-store"), "{path}");
            assert_eq!(answer.header("ping-body-limit"), None, "{path}");
        }
    }
    assert!(world.hears.heard().is_empty());
}

#[tokio::test]
async fn rid_and_create_are_heard() {
    let world = World::new().await;
    let run = Uuid::try_parse(RUN).unwrap();
    for path in [
        format!("{ADDRESS}?rid={RUN}"),
        format!("{ADDRESS}/start?rid={}", RUN.to_uppercase()),
        format!("{KEY}/nightly/fail?x=y&rid={RUN}"),
        format!("{KEY}/nightly/log?rid=x&rid={RUN}"),
        format!("{KEY}/nightly/7?rid={}", RUN.replace('-', "%2D")),
    ] {
        assert_eq!(get(world.address, &format!("/ping/{path}")).await.said(), (200, "OK"), "{path}");
        assert_eq!(world.hears.one().rid, Some(run), "{path}");
    }
    let answer = get(world.address, &format!("/ping/{KEY}/new/start?create=1")).await;
    assert_eq!(answer.said(), (201, "Created"));
    assert!(world.hears.one().create);
    assert_eq!(get(world.address, &format!("/ping/{KEY}/nightly?create=1")).await.said(), (200, "OK"));
    assert!(world.hears.one().create);
    // Jobs are not created by address.
    assert_eq!(get(world.address, &format!("/ping/{ADDRESS}?create=1")).await.status, 200);
    assert!(!world.hears.one().create);
}

#[tokio::test]
async fn a_body_is_kept_with_its_head_and_tail() {
    let world = World::with(|options| options.body_limit = 1000).await;
    let path = format!("/ping/{ADDRESS}");
    assert_eq!(post(world.address, &path, "done\n").await.status, 200);
    let ping = world.hears.one();
    let output = ping.report.output.unwrap();
    assert_eq!((&*output.head, &*output.tail, output.omitted), ("done\n", "", 0));
    assert_eq!(ping.text.as_deref(), Some("done\n"));

    let long: String = (0..100_000).map(|n| char::from(b'a' + u8::try_from(n % 26).unwrap())).collect();
    assert_eq!(post(world.address, &path, &long).await.status, 200);
    let ping = world.hears.one();
    let output = ping.report.output.unwrap();
    assert_eq!((&*output.head, &*output.tail), (&long[..400], &long[99_400..]));
    assert_eq!(output.omitted, 99_000);
    assert_eq!(ping.text, Some([&long[..400], &long[99_400..]].concat()));
}

#[tokio::test]
async fn a_body_may_come_in_chunks_or_not_at_all() {
    let world = World::new().await;
    let mut client = Client::connect(world.address).await;
    let chunked = "Host: tenko\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(format!("PUT /ping/{ADDRESS} HTTP/1.1\r\n{chunked}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert_eq!(world.hears.one().text.as_deref(), Some("abcde"));
    for rest in [format!("{chunked}0\r\n\r\n"), "Content-Length: 0\r\n\r\n".into(), "\r\n".into()] {
        client.send(format!("POST /ping/{ADDRESS} HTTP/1.1\r\n{rest}")).await;
        assert_eq!(client.answer().await.unwrap().status, 200);
        let ping = world.hears.one();
        assert_eq!((ping.text, ping.report.output), (None, None));
    }
}

#[tokio::test]
async fn a_ping_tells_from_where_it_came() {
    let world = World::with(|options| options.trusted = vec!["127.0.0.0/8".parse().unwrap()]).await;
    let headers = "User-Agent: curl/8\r\nX-Forwarded-For: 198.51.100.7:99\r\nX-Forwarded-Proto: https\r\n";
    ask(world.address, "POST", &format!("/ping/{ADDRESS}"), headers, b"").await;
    let via = |scheme: &str, method: &str, from: &str, agent: &str| Via {
        scheme: scheme.into(),
        method: method.into(),
        from: from.into(),
        agent: agent.into(),
    };
    assert_eq!(world.hears.one().report.via, Some(via("https", "POST", "198.51.100.7", "curl/8")));
    get(world.address, &format!("/ping/{ADDRESS}")).await;
    assert_eq!(world.hears.one().report.via, Some(via("http", "GET", "127.0.0.1", "")));
}

#[tokio::test]
async fn what_is_not_stored_is_not_acknowledged() {
    let world = World::new().await;
    let broken = Arc::new(StoreError::new(tenko_store::ErrorKind::Unavailable, "the disk is full"));
    for (refusal, retry_after) in [
        (Refusal::Busy { retry_after: SignedDuration::from_secs(3) }, "3"),
        (Refusal::Busy { retry_after: SignedDuration::ZERO }, "1"),
        (Refusal::Stopping, "5"),
        (Refusal::Store(broken), "5"),
    ] {
        world.hears.refuse_next(refusal);
        let answer = get(world.address, &format!("/ping/{ADDRESS}")).await;
        assert_eq!(answer.said(), (503, "try again later"));
        assert_eq!(answer.header("retry-after"), Some(retry_after));
        assert_eq!(get(world.address, &format!("/ping/{ADDRESS}")).await.status, 200);
    }
    assert_eq!(world.hears.heard().len(), 4);
}

#[tokio::test]
async fn at_the_root_pings_are_heard_only_if_that_is_wanted() {
    let world = World::with(|options| options.ping_at_root = true).await;
    for (path, to, said) in forms() {
        assert_eq!(get(world.address, &format!("/{path}")).await.said(), (200, "OK"), "{path}");
        let ping = world.hears.one();
        assert_eq!((ping.to, ping.said), (to.clone(), said), "{path}");
        get(world.address, &format!("/ping/{path}")).await;
        assert_eq!(world.hears.one().to, to);
    }
    assert_eq!(get(world.address, "/livez").await.said(), (200, "alive\n"));
    assert_eq!(get(world.address, "/wrong-key/nightly").await.said(), (404, "not found"));

    let world = World::new().await;
    assert_eq!(get(world.address, &format!("/{KEY}/nightly")).await.status, 404);
    assert!(world.hears.heard().is_empty());
}

#[tokio::test]
async fn health_is_said_and_everything_else_is_not_found() {
    let world = World::new().await;
    assert_eq!(get(world.address, "/livez").await.said(), (200, "alive\n"));
    assert_eq!(get(world.address, "/readyz").await.said(), (200, "ready\n"));
    world.hears.be_unready("the store does not answer");
    assert_eq!(get(world.address, "/readyz").await.said(), (503, "the store does not answer\n"));
    assert_eq!(get(world.address, "/livez").await.status, 200);
    for path in ["/", "/index.html", "/ping", "/pingx/y", "/api/v1/checks/"] {
        let answer = get(world.address, path).await;
        assert_eq!(answer.said(), (404, "not found"), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
}

#[tokio::test]
async fn a_job_may_be_pinged_so_often_if_that_is_limited() {
    let rate = tenko::http::RateLimit { per_minute: 1, burst: 2 };
    let world = World::with(|options| options.rate = Some(rate)).await;
    for _ in 0..2 {
        assert_eq!(get(world.address, &format!("/ping/{ADDRESS}")).await.status, 200);
    }
    let answer = get(world.address, &format!("/ping/{ADDRESS}")).await;
    assert_eq!(answer.said(), (429, "too many pings"));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((55..=60).contains(&wait));
    assert_eq!(get(world.address, &format!("/ping/{KEY}/nightly")).await.status, 200);
    assert_eq!(world.hears.heard().len(), 3);
}

#[tokio::test]
async fn all_jobs_under_one_key_may_be_pinged_so_often_if_that_is_limited() {
    let rate = tenko::http::RateLimit { per_minute: 1, burst: 3 };
    let world = World::with(|options| options.key_rate = Some(rate)).await;
    for path in [format!("/ping/{KEY}/nightly"), format!("/ping/{KEY}/start"), format!("/p/{KEY}/core_api")] {
        assert_eq!(get(world.address, &path).await.status, 200, "{path}");
    }
    for path in [format!("/ping/{KEY}/other"), format!("/p/{KEY}/other"), format!("/api/push/{KEY}-other")] {
        let answer = get(world.address, &path).await;
        assert_eq!(answer.status, 429, "{path}");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((55..=60).contains(&wait));
    }
    // Who has an address needs no key.
    for _ in 0..4 {
        assert_eq!(get(world.address, &format!("/ping/{ADDRESS}")).await.status, 200);
    }
    assert_eq!(world.hears.heard().len(), 7);
    assert_eq!(world.figures.snapshot().answers, [7, 0, 3, 0]);
}

#[tokio::test]
async fn a_job_above_its_own_limit_uses_up_nothing_of_its_key() {
    let world = World::with(|options| {
        options.rate = Some(tenko::http::RateLimit { per_minute: 1, burst: 1 });
        options.key_rate = Some(tenko::http::RateLimit { per_minute: 1, burst: 2 });
    })
    .await;
    let mut statuses = Vec::new();
    for job in ["nightly", "nightly", "nightly", "start", "core_api"] {
        statuses.push(get(world.address, &format!("/ping/{KEY}/{job}")).await.status);
    }
    assert_eq!(statuses, [200, 429, 429, 200, 429]);
}
