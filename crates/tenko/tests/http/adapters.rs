//! The URLs of other vendors, with nothing changed but host, token and key.

use jiff::SignedDuration;
use tenko::server::intake::{Addressee, Ping, Refusal, Said};
use tenko_core::{Exit, Slug};
use uuid::Uuid;

use crate::client::{Answer, ask};
use crate::world::{ADDRESS, KEY, RUN, World};

fn address() -> Addressee {
    Addressee::Address(Uuid::try_parse(ADDRESS).unwrap())
}

fn job(name: &str) -> Addressee {
    Addressee::Job(Slug::new(name).unwrap())
}

fn undashed() -> String {
    ADDRESS.replace('-', "")
}

/// What was answered, and what was heard.
async fn send(world: &World, method: &str, path: &str, headers: &str, body: &str) -> (Answer, Ping) {
    let answer = ask(world.address, method, path, headers, body.as_bytes()).await;
    assert!(answer.status < 300, "{method} {path}: {answer:?}");
    (answer, world.hears.one())
}

/// It is refused with this answer, and nothing is heard.
async fn refused(world: &World, request: (&str, &str, &str), expected: (u16, &str)) {
    let (method, path, headers) = request;
    let answer = ask(world.address, method, path, headers, b"").await;
    assert_eq!(answer.said(), expected, "{method} {path}");
    assert!(world.hears.heard().is_empty(), "{method} {path}");
}

#[tokio::test]
async fn uptime_kuma_pushes() {
    let world = World::new().await;
    let own = format!("{KEY}-nightly");
    for (query, said, message, milliseconds) in [
        ("", Said::Success, None, None),
        ("?status=up&msg=OK&ping=", Said::Success, None, None),
        ("?status=up&msg=42%20rows&ping=1500.5", Said::Success, Some("42 rows"), Some(1500)),
        ("?status=down&msg=disk+full", Said::Fail(None), Some("disk full"), None),
        ("?status=maintenance&ping=x", Said::Fail(None), None, None),
    ] {
        for (token, to) in
            [(undashed(), address()), (ADDRESS.to_owned(), address()), (own.clone(), job("nightly"))]
        {
            let path = format!("/api/push/{token}{query}");
            for method in ["GET", "POST"] {
                let (answer, ping) = send(&world, method, &path, "", "").await;
                assert_eq!(answer.said(), (200, r#"{"ok":true}"#));
                assert!(answer.header("content-type").unwrap().starts_with("application/json"));
                assert_eq!(
                    (&ping.to, ping.said, ping.report.message.as_deref()),
                    (&to, said, message),
                    "{path}"
                );
                assert_eq!(ping.report.duration.map(|length| length.as_millis()), milliseconds, "{path}");
                assert_eq!(ping.text.as_deref(), message);
            }
        }
    }
    let unknown = (404, r#"{"ok":false,"msg":"Monitor not found or not active."}"#);
    for token in [RUN, "x", "wrong-nightly", &format!("{KEY}-unknown"), KEY] {
        refused(&world, ("GET", &format!("/api/push/{token}"), ""), unknown).await;
    }
    world.hears.refuse_next(Refusal::Stopping);
    let answer = ask(world.address, "GET", &format!("/api/push/{own}"), "", b"").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
}

#[tokio::test]
async fn gatus_reports_external_endpoints() {
    let world = World::new().await;
    let bearer = format!("Authorization: Bearer {KEY}\r\n");
    for (key, query, said, message, milliseconds) in [
        ("core_api", "success=true", Said::Success, None, None),
        ("core_api", "success=true&duration=1.5s&error=ignored", Said::Success, Some("ignored"), Some(1500)),
        ("CORE_API", "success=false&error=disk+full", Said::Fail(None), Some("disk full"), None),
        ("_nightly", "success=true&duration=1m0s", Said::Success, None, Some(60_000)),
    ] {
        let path = format!("/api/v1/endpoints/{key}/external?{query}");
        let (answer, ping) = send(&world, "POST", &path, &bearer, "").await;
        assert_eq!(answer.said(), (200, ""));
        assert_eq!(ping.to, job(&key.trim_start_matches('_').to_lowercase()));
        assert_eq!((ping.said, ping.report.message.as_deref()), (said, message), "{path}");
        assert_eq!(ping.report.duration.map(|length| length.as_millis()), milliseconds, "{path}");
    }
    let path = |query: &str| format!("/api/v1/endpoints/core_api/external?{query}");
    for (path, header, expected) in [
        (path(""), bearer.as_str(), (400, "missing or invalid success query parameter")),
        (path("success=yes"), &bearer, (400, "missing or invalid success query parameter")),
        (path("success=true"), "", (401, "invalid Authorization header")),
        (path("success=true"), "Authorization: Basic eDp5\r\n", (401, "invalid Authorization header")),
        (path("success=true"), "Authorization: Bearer \r\n", (401, "bearer token must not be empty")),
        (path("success=true"), "Authorization: Bearer wrong\r\n", (401, "invalid token")),
        (
            path("success=true&duration=soon"),
            &bearer,
            (400, r#"invalid duration: time: invalid duration "soon""#),
        ),
        ("/api/v1/endpoints/core_web/external?success=true".into(), &bearer, (404, "not found")),
    ] {
        refused(&world, ("POST", &path, header), expected).await;
    }
    assert_eq!(ask(world.address, "GET", &path("success=true"), &bearer, b"").await.status, 405);
}

#[tokio::test]
async fn cronitor_sends_telemetry() {
    let world = World::new().await;
    for (query, said) in [
        ("", Said::Success),
        ("?state=ok", Said::Success),
        ("?state=run", Said::Start),
        ("?state=complete", Said::Success),
        ("?state=complete&status_code=0", Said::Exit(0)),
        ("?state=complete&status_code=3", Said::Exit(3)),
        ("?state=complete&status_code=-1", Said::Exit(255)),
        ("?state=fail", Said::Fail(None)),
        ("?state=fail&status_code=3", Said::Fail(Some(Exit::Code(3)))),
    ] {
        let (answer, ping) = send(&world, "GET", &format!("/p/{KEY}/nightly{query}"), "", "").await;
        assert_eq!(answer.said(), (200, "OK"));
        assert_eq!((ping.to, ping.said, ping.rid), (job("nightly"), said, None), "{query}");
    }
    let query = "state=complete&series=run-7&host=web-1&message=a%20b&metric=count:5&metric=duration:4.5&stamp=1764205200.5";
    let (_, ping) = send(&world, "POST", &format!("/p/{KEY}/nightly?{query}"), "", "").await;
    assert_eq!(ping.report.host.as_deref(), Some("web-1"));
    assert_eq!(ping.report.message.as_deref(), Some("a b"));
    assert_eq!(ping.report.duration, Some(SignedDuration::from_millis(4500)));
    assert_eq!(ping.at, Some("2025-11-27T01:00:00.5Z".parse().unwrap()));
    let series = |world| async move {
        send(world, "GET", &format!("/p/{KEY}/nightly?state=run&series=run-7"), "", "").await.1.rid
    };
    assert!(ping.rid.is_some());
    assert_eq!(series(&world).await, ping.rid);
    let (_, ping) =
        send(&world, "GET", &format!("/p/{KEY}/nightly?series={RUN}&env=production"), "", "").await;
    assert_eq!((ping.rid, ping.to), (Some(Uuid::try_parse(RUN).unwrap()), job("nightly")));
    let (_, ping) = send(&world, "GET", &format!("/p/{KEY}/nightly?env=staging"), "", "").await;
    assert_eq!(ping.to, job("nightly-staging"));
    let (_, ping) = send(&world, "GET", &format!("/p/{KEY}/New%20Job?create=1"), "", "").await;
    assert_eq!((ping.to, ping.create), (job("new-job"), true));
    refused(&world, ("GET", "/p/wrong/nightly", ""), (404, "not found")).await;
    refused(&world, ("GET", &format!("/p/{KEY}/unknown"), ""), (404, "not found")).await;
    let states = (400, "state must be run, complete, fail or ok");
    refused(&world, ("GET", &format!("/p/{KEY}/nightly?state=x"), ""), states).await;
}

#[tokio::test]
async fn dead_mans_snitch_checks_in() {
    let world = World::new().await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    for (query, body, said, message) in [
        ("", "", Said::Success, None),
        ("?m=just+checking+in", "", Said::Success, Some("just checking in")),
        ("?s=", "", Said::Success, None),
        ("?s=0", "m=done", Said::Exit(0), Some("done")),
        ("", "s=3&m=a%20b", Said::Exit(3), Some("a b")),
        ("?s=oops", "", Said::Fail(None), None),
    ] {
        for (token, to) in [(undashed(), address()), (format!("{KEY}-nightly"), job("nightly"))] {
            let (answer, ping) = send(&world, "POST", &format!("/{token}{query}"), form, body).await;
            assert_eq!(answer.said(), (202, "Got it, thanks!"));
            assert_eq!((ping.to, ping.said), (to, said), "{query} {body}");
            assert_eq!(ping.report.message.as_deref(), message, "{query} {body}");
        }
    }
    for path in [&format!("/{RUN}"), "/c2354d53d2", "/favicon.ico"] {
        refused(&world, ("GET", path, ""), (404, "not found")).await;
    }
}

#[tokio::test]
async fn better_stack_beats() {
    let world = World::new().await;
    for (end, said) in
        [("", Said::Success), ("/fail", Said::Fail(None)), ("/0", Said::Exit(0)), ("/137", Said::Exit(137))]
    {
        for (token, to) in [(undashed(), address()), (format!("{KEY}-nightly"), job("nightly"))] {
            let path = format!("/api/v1/heartbeat/{token}{end}");
            let (answer, ping) = send(&world, "POST", &path, "", "last words").await;
            assert_eq!(answer.said(), (200, "OK"));
            assert_eq!((ping.to, ping.said, ping.text.as_deref()), (to, said, Some("last words")), "{path}");
        }
    }
    for path in [RUN.to_owned(), format!("{ADDRESS}/256"), format!("{ADDRESS}/stop"), "x/fail".into()] {
        refused(&world, ("GET", &format!("/api/v1/heartbeat/{path}"), ""), (404, "not found")).await;
    }
}

#[tokio::test]
async fn sentry_checks_in() {
    let world = World::new().await;
    let path = format!("/api/4501/cron/nightly/{KEY}/");
    let run = Uuid::try_parse(RUN).unwrap();
    for (query, body, said, rid) in [
        ("?status=in_progress", "", Said::Start, None),
        ("?status=ok", "", Said::Success, None),
        (&*format!("?status=error&check_in_id={RUN}"), "", Said::Fail(None), Some(run)),
        ("?status=ok&check_in_id=00000000-0000-0000-0000-000000000000", "", Said::Success, None),
        ("", r#"{"status":"ok","monitor_config":{"schedule":{"type":"crontab"}}}"#, Said::Success, None),
        ("", &*format!(r#"{{"status":"error","check_in_id":"{RUN}"}}"#), Said::Fail(None), Some(run)),
    ] {
        for path in [path.as_str(), path.trim_end_matches('/')] {
            let (answer, ping) = send(&world, "POST", &format!("{path}{query}"), "", body).await;
            assert_eq!(answer.said(), (202, ""));
            assert_eq!((ping.to, ping.said, ping.rid), (job("nightly"), said, rid), "{query} {body}");
        }
    }
    let (_, ping) =
        send(&world, "GET", &format!("{path}?status=ok&environment=staging&duration=1.5"), "", "").await;
    assert_eq!(
        (ping.to, ping.report.duration),
        (job("nightly-staging"), Some(SignedDuration::from_millis(1500)))
    );
    refused(&world, ("GET", &path, ""), (400, "status must be in_progress, ok or error")).await;
    refused(
        &world,
        ("GET", &format!("{path}?status=missed"), ""),
        (400, "status must be in_progress, ok or error"),
    )
    .await;
    refused(&world, ("GET", &format!("/api/1/cron/unknown/{KEY}/?status=ok"), ""), (404, "not found")).await;
    assert_eq!(ask(world.address, "GET", "/api/1/cron/nightly/wrong/?status=ok", "", b"").await.status, 403);
    assert_eq!(ask(world.address, "POST", &path, "", b"{").await.said(), (400, "invalid JSON"));
}

#[tokio::test]
async fn without_adapters_nobody_is_heard_there() {
    let world = World::with(|options| options.adapters = false).await;
    for path in [format!("/{ADDRESS}"), format!("/api/push/{ADDRESS}"), format!("/p/{KEY}/nightly")] {
        refused(&world, ("GET", &path, ""), (404, "not found")).await;
    }
}
