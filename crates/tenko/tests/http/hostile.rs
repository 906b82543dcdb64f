//! Clients that are slow, huge, ambiguous or lying; and the others, who are answered meanwhile.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tenko::server::intake::Said;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::client::{Client, ask, get, post};
use crate::world::{ADDRESS, KEY, World};

const SHORT: Duration = Duration::from_millis(300);

async fn impatient() -> World {
    World::with(|options| {
        options.times.header = SHORT;
        options.times.idle = SHORT;
        options.times.body = SHORT;
        options.times.write = SHORT;
    })
    .await
}

async fn is_well(world: &World) {
    let answer = timeout(Duration::from_secs(5), get(world.address, &format!("/ping/{ADDRESS}"))).await;
    assert_eq!(answer.expect("a good ping waits").status, 200);
}

/// Memory of this process, in megabytes.
fn megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// Sends this, then one byte after the other, until the server has had enough.
async fn drip(address: SocketAddr, begin: String, byte: &'static [u8]) -> (Duration, String) {
    let mut client = Client::connect(address).await;
    let began = Instant::now();
    client.send(begin).await;
    let (reader, mut writer) = client.stream.into_split();
    let dripping = tokio::spawn(async move {
        while writer.write_all(byte).await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    });
    let mut said = String::new();
    let mut reader = tokio::io::BufReader::new(reader);
    // A reset is an end, too.
    drop(
        timeout(Duration::from_secs(10), tokio::io::AsyncReadExt::read_to_string(&mut reader, &mut said))
            .await
            .expect("it goes on"),
    );
    dripping.abort();
    (began.elapsed(), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_60_slow_clients_are_closed_in_time_and_the_others_are_answered() {
    let world = impatient().await;
    let ping = format!("/ping/{ADDRESS}");
    let mut slow = Vec::new();
    for _ in 0..50 {
        slow.push(tokio::spawn(drip(world.address, String::new(), b"")));
        slow.push(tokio::spawn(drip(world.address, format!("GET {ping} HTTP/1.1\r\nX-Slow: "), b"x")));
    }
    for _ in 0..20 {
        is_well(&world).await;
    }
    for closed in slow {
        let (after, said) = closed.await.unwrap();
        assert!(after >= SHORT && after < Duration::from_secs(4), "closed after {after:?}");
        assert_eq!(said, "");
    }
    assert_eq!(world.figures.snapshot().overdue, 100);
    world.hears.heard();

    // Whoever has got an answer may stay as long as he may wait, and no longer.
    let mut client = Client::connect(world.address).await;
    for _ in 0..3 {
        sleep(SHORT / 2).await;
        client.send(format!("GET {ping} HTTP/1.1\r\n\r\n")).await;
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
    let began = Instant::now();
    assert_eq!(client.rest().await, "");
    assert!(began.elapsed() >= SHORT - Duration::from_millis(50));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_60_a_slow_body_ends_in_time_and_the_ping_counts() {
    let world = impatient().await;
    let begin = format!("POST /ping/{ADDRESS}/start HTTP/1.1\r\nContent-Length: 10000\r\n\r\nbegun");
    let (after, said) = drip(world.address, begin, b".").await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert!(after >= SHORT && after < Duration::from_secs(4), "after {after:?}");
    let ping = world.hears.one();
    assert_eq!(ping.said, Said::Start);
    assert!(ping.text.unwrap().starts_with("begun."));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_60_a_client_that_does_not_read_is_closed() {
    let world = impatient().await;
    let stream = TcpStream::connect(world.address).await.unwrap();
    let request = format!("GET /ping/{ADDRESS} HTTP/1.1\r\n\r\n").repeat(1000);
    let flood = async {
        let mut stream = stream;
        while stream.write_all(request.as_bytes()).await.is_ok() {}
    };
    timeout(Duration::from_secs(20), flood).await.expect("the server reads for ever");
    is_well(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_60_ten_thousand_idle_connections_cost_little_and_keep_nobody_waiting() {
    let (soft, hard) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let files = hard.max(soft);
    // Both ends are in this process.
    let many = usize::try_from(files.saturating_sub(300) / 2).unwrap().min(10_000);
    let world = World::with(|options| {
        options.limits.connections = many + 100;
        options.limits.connections_per_address = many + 100;
    })
    .await;
    is_well(&world).await;
    let before = megabytes();
    let mut idle = Vec::with_capacity(many);
    while idle.len() < many {
        let Ok(stream) = TcpStream::connect(world.address).await else { break };
        idle.push(stream);
    }
    assert_eq!(idle.len(), many);
    let began = Instant::now();
    for _ in 0..50 {
        is_well(&world).await;
    }
    let each = began.elapsed() / 50;
    let grown = megabytes().saturating_sub(before);
    println!("{many} idle connections: {grown} MB for both ends, {each:?} for a ping");
    assert!(grown <= 20 + many as u64 / 100, "{grown} MB for {many} connections");
    assert!(each < Duration::from_millis(100), "{each:?}");
    assert_eq!(world.figures.snapshot().open as usize / 10, many / 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_61_a_huge_body_counts_and_costs_no_memory() {
    let world = World::new().await;
    let before = megabytes();
    let mut client = Client::connect(world.address).await;
    let length = 64 * 1024 * 1024;
    client.send(format!("POST /ping/{ADDRESS} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n")).await;
    for _ in 0..length / 65536 {
        client.send([b'x'; 65536]).await;
    }
    assert_eq!(client.answer().await.unwrap().said(), (200, "OK"));
    let output = world.hears.one().report.output.unwrap();
    assert_eq!((output.head.len(), output.tail.len()), (4000, 6000));
    assert_eq!(output.omitted, length - 10_000);
    assert!(megabytes() < before + 16, "{} MB from {before}", megabytes());
    // The connection is as good as before.
    client.send(format!("GET /ping/{ADDRESS} HTTP/1.1\r\n\r\n")).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_61_a_body_without_end_counts_when_its_time_is_over() {
    let world = impatient().await;
    let begin = format!("POST /ping/{ADDRESS}/fail HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    let (after, said) = drip(world.address, begin, b"5\r\nagain\r\n").await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert!(after < Duration::from_secs(4), "{after:?}");
    let ping = world.hears.one();
    assert_eq!(ping.said, Said::Fail(None));
    assert!(ping.text.unwrap().starts_with("againagain"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_61_a_body_that_breaks_off_counts_with_what_came() {
    let world = World::new().await;
    let mut client = Client::connect(world.address).await;
    client.send(format!("POST /ping/{ADDRESS} HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")).await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert_eq!(world.hears.one().text.as_deref(), Some("half"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_62_huge_heads_are_refused_and_cost_no_memory() {
    let world = World::new().await;
    let before = megabytes();
    let path = format!("/ping/{ADDRESS}");
    let long = "x".repeat(2_000_000);
    for (what, head) in [
        ("a header of two megabytes", format!("GET {path} HTTP/1.1\r\nX-Long: {long}\r\n\r\n")),
        ("a query of two megabytes", format!("GET {path}?{long} HTTP/1.1\r\n\r\n")),
        ("a path of two megabytes", format!("GET /{long} HTTP/1.1\r\n\r\n")),
        ("a method of two megabytes", format!("{} {path} HTTP/1.1\r\n\r\n", &long[..2_000_000])),
        ("a million parameters", format!("GET {path}?{} HTTP/1.1\r\n\r\n", "a&".repeat(1_000_000))),
        ("ten thousand headers", format!("GET {path} HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(10_000))),
        ("a hundred and twenty headers", format!("GET {path} HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(120))),
    ] {
        let mut client = Client::connect(world.address).await;
        // The server may have had enough before all of it is sent.
        drop(client.stream.write_all(head.as_bytes()).await);
        let answer = client.answer().await.unwrap_or_else(|| panic!("{what}: no answer"));
        assert!(matches!(answer.status, 414 | 431), "{what}: {answer:?}");
        assert_eq!(client.rest().await, "", "{what}");
        is_well(&world).await;
    }
    assert_eq!(world.hears.heard().len(), 7);
    assert!(megabytes() < before + 32, "{} MB from {before}", megabytes());
    let parameters = "a&".repeat(5000);
    assert_eq!(get(world.address, &format!("{path}?{parameters}")).await.status, 200);
}

#[tokio::test]
async fn fault_63_bodies_that_are_no_text_count_and_keep_their_bytes() {
    let world = World::new().await;
    for method in ["POST", "PUT", "GET"] {
        for body in [
            b"\xff\xfe\0\x01".to_vec(),
            b"half a letter: \xe6\x97".to_vec(),
            vec![0; 9000],
            (0..=255).collect(),
            b"\xed\xa0\x80 lone surrogate".to_vec(),
        ] {
            let answer = ask(world.address, method, &format!("/ping/{ADDRESS}"), "", &body).await;
            assert_eq!(answer.status, 200);
            let ping = world.hears.one();
            assert_eq!(ping.report.output.unwrap().bytes(), body);
            assert_eq!(ping.text.unwrap(), String::from_utf8_lossy(&body));
        }
    }
    // Cut inside of a letter.
    let body = format!("{}ā", "a".repeat(9999));
    assert_eq!(post(world.address, &format!("/ping/{ADDRESS}"), &body).await.status, 200);
    let output = world.hears.one().report.output.unwrap();
    assert_eq!((output.head.len(), output.tail.len(), output.omitted, output.exact), (4000, 6000, 1, None));
    let body = "日".repeat(5000);
    assert_eq!(post(world.address, &format!("/ping/{ADDRESS}"), &body).await.status, 200);
    let output = world.hears.one().report.output.unwrap();
    assert_eq!((output.head, output.tail), ("日".repeat(1333), "日".repeat(2000)));
    assert_eq!((output.omitted, output.exact), (15_000 - 3999 - 6000, None));
}

#[tokio::test]
async fn fault_64_requests_of_two_meanings_are_refused_after_those_before_them() {
    let world = World::new().await;
    let good = format!("GET /ping/{ADDRESS}/log HTTP/1.1\r\nHost: tenko\r\n\r\n");
    let smuggled = format!("GET /ping/{ADDRESS}/fail HTTP/1.1\r\nHost: tenko\r\n\r\n");
    let length = smuggled.len();
    let post = format!("POST /ping/{ADDRESS} HTTP/1.1\r\nHost: tenko\r\n");
    let both = format!("{post}Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    let either = format!("{post}Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n0\r\n\r\n");
    for bad in [
        both,
        either,
        format!("{post}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n"),
        format!("{post}Content-Length: {length}\r\nContent-Length: {length}\r\n\r\n"),
        format!("{post}Content-Length: 0, {length}\r\n\r\n"),
        format!("{post}Content-Length: +0\r\n\r\n"),
        format!("{post}Content-Length: 0x0\r\n\r\n"),
        format!("{post}Content-Length : {length}\r\n\r\n"),
        format!("{post}Content-Length: 18446744073709551616\r\n\r\n"),
        format!("{post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding:\u{b}chunked\r\n\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
        format!("POST /ping/{ADDRESS} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("{post}X: a\r\n Content-Length: {length}\r\n\r\n"),
        format!("{post}X: a\r\n\tb\r\n\r\n"),
        format!("{post}X: a\nContent-Length: {length}\r\n\r\n"),
        format!("POST /ping/{ADDRESS} HTTP/1.1\nHost: tenko\n\n"),
        format!("{post}X: a\rContent-Length: {length}\r\n\r\n"),
        format!("{post}: a\r\n\r\n"),
        format!("{post}no colon\r\n\r\n"),
        format!("{post}X: a\0b\r\n\r\n"),
        format!("POST /ping/{ADDRESS} HTTP/1.1 x\r\n\r\n"),
        format!("POST  /ping/{ADDRESS} HTTP/1.1\r\n\r\n"),
        format!("POST /ping/{ADDRESS}\r\n\r\n"),
        format!("P\u{7f}ST /ping/{ADDRESS} HTTP/1.1\r\n\r\n"),
        format!("POST /ping/{ADDRESS} HTTP/3.0\r\n\r\n"),
    ] {
        let mut client = Client::connect(world.address).await;
        client.send(format!("{good}{bad}{smuggled}")).await;
        assert_eq!(client.answer().await.expect(&bad).status, 200, "{bad}");
        let answer = client.answer().await.unwrap_or_else(|| panic!("no answer: {bad}"));
        assert_eq!(answer.status, 400, "{bad}");
        assert_eq!(client.rest().await, "", "{bad}");
        assert_eq!(world.hears.one().said, Said::Log, "{bad}");
    }
    assert!(world.figures.snapshot().ambiguous >= 10);
}

#[tokio::test]
async fn fault_64_chunks_of_two_meanings_end_the_body_and_the_connection() {
    let world = World::new().await;
    for bad in [
        "5;\nab\r\nabcde\r\n0\r\n\r\n",
        "5\nabcde\r\n0\r\n\r\n",
        "5\r\nabcdeXX0\r\n\r\n",
        "-5\r\nabcde\r\n0\r\n\r\n",
    ] {
        let mut client = Client::connect(world.address).await;
        let head = format!("POST /ping/{ADDRESS} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
        client.send(format!("{head}{bad}GET /ping/{ADDRESS}/fail HTTP/1.1\r\n\r\n")).await;
        let answers = client.rest().await;
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{bad}: {answers}");
        assert!(world.hears.heard().iter().all(|ping| ping.said == Said::Success), "{bad}");
    }
}

#[tokio::test]
async fn fault_65_what_speaks_something_else_is_refused_at_once() {
    let world = World::new().await;
    for hello in [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 a client hello of TLS".to_vec(),
        b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
        b"\0\0\0\0\0\0\0\0\r\n\r\n".to_vec(),
    ] {
        let mut client = Client::connect(world.address).await;
        client.send(&hello).await;
        let said = client.rest().await;
        assert!(said.starts_with("HTTP/1.1 400"), "{hello:?}: {said:?}");
        is_well(&world).await;
    }
    // Nobody is led to speak HTTP/2.
    let upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n";
    assert_eq!(ask(world.address, "GET", &format!("/ping/{ADDRESS}"), upgrade, b"").await.status, 200);
}

#[tokio::test]
async fn fault_66_what_is_unknown_is_told_in_the_same_words_whatever_is_wrong() {
    let world = World::new().await;
    let unknown = get(world.address, "/ping/7d1ba3ae-2a5b-4f43-8d5e-0c1f5a0b9d11").await;
    assert_eq!(unknown.said(), (404, "not found"));
    let almost = format!("{}x/nightly", &KEY[..KEY.len() - 1]);
    for path in ["wrong/nightly", &almost, &format!("{KEY}/unknown"), "wrong/unknown", "nonsense"] {
        let mut answer = get(world.address, &format!("/ping/{path}")).await;
        answer.headers.retain(|(name, _)| name != "date");
        let mut expected = unknown.clone();
        expected.headers.retain(|(name, _)| name != "date");
        assert_eq!(answer, expected, "{path}");
    }
}

#[tokio::test]
async fn fault_67_a_ping_tells_its_method_so_that_what_follows_links_can_be_ignored() {
    let world = World::new().await;
    for method in ["GET", "HEAD", "POST"] {
        ask(world.address, method, &format!("/ping/{ADDRESS}/fail"), "User-Agent: Googlebot/2.1\r\n", b"")
            .await;
        let via = world.hears.one().report.via.unwrap();
        assert_eq!((via.method.as_str(), via.agent.as_str()), (method, "Googlebot/2.1"));
    }
    // And whoever looks for what may be followed is told what not to keep.
    let answer = get(world.address, &format!("/ping/{ADDRESS}")).await;
    assert!(answer.header("cache-control").unwrap().contains("no-store"));
}

#[tokio::test]
async fn fault_68_forged_addresses_are_neither_believed_nor_a_way_around_a_limit() {
    let world = World::with(|options| {
        options.rate = Some(tenko::http::RateLimit { per_minute: 1, burst: 3 });
        options.limits.connections_per_address = 2;
    })
    .await;
    let mut statuses = Vec::new();
    for n in 0..6 {
        let forged = format!("X-Forwarded-For: 198.51.100.{n}\r\nForwarded: for=203.0.113.{n}\r\n");
        statuses.push(ask(world.address, "GET", &format!("/ping/{ADDRESS}"), &forged, b"").await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429, 429]);
    for ping in world.hears.heard() {
        assert_eq!(ping.report.via.unwrap().from, "127.0.0.1");
    }
}

#[tokio::test]
async fn a_thousand_requests_at_once_are_answered_in_their_order() {
    let world = World::new().await;
    let mut client = Client::connect(world.address).await;
    let requests =
        (0..1000).map(|n| format!("GET /ping/{ADDRESS}/{} HTTP/1.1\r\nHost: tenko\r\n\r\n", n % 256));
    let (mut sent, expected) = (requests.collect::<String>(), 1000);
    sent.push_str("GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n");
    let (answers, ()) = tokio::join!(
        async {
            let (reader, writer) = client.stream.split();
            let mut writer = writer;
            writer.write_all(sent.as_bytes()).await.unwrap();
            let mut said = String::new();
            tokio::io::AsyncReadExt::read_to_string(&mut { reader }, &mut said).await.unwrap();
            said
        },
        async {}
    );
    assert_eq!(answers.matches("HTTP/1.1 200").count(), expected + 1);
    assert!(answers.ends_with("alive\n"));
    let heard: Vec<_> = world.hears.heard().into_iter().map(|ping| ping.said).collect();
    let in_order: Vec<_> = (0..1000u16).map(|n| Said::Exit(u8::try_from(n % 256).unwrap())).collect();
    assert_eq!(heard, in_order);
}

#[tokio::test]
async fn targets_of_every_form_are_answered() {
    let world = World::new().await;
    for (target, status) in [
        (&*format!("GET http://tenko.example/ping/{ADDRESS}"), 200),
        (&format!("GET https://tenko.example:8443/ping/{ADDRESS}?rid=x"), 400),
        ("GET http://elsewhere.example/", 404),
        ("OPTIONS *", 400),
        ("GET *", 400),
        ("CONNECT elsewhere.example:443", 400),
        ("GET elsewhere.example", 400),
        ("GET ping", 400),
        ("GET //ping//", 404),
        ("GET /ping/../livez", 404),
        ("GET /ping/%", 400),
        ("GET /ping/%00%00", 404),
        ("GET /livez%", 404),
        ("GET /%zz/%zz", 404),
        ("GET /livez#fragment", 200),
        ("GET /livez?%zz", 200),
        ("GET /api/push/%zz", 404),
    ] {
        let mut client = Client::connect(world.address).await;
        client.send(format!("{target} HTTP/1.1\r\nHost: tenko\r\n\r\n")).await;
        let answer = client.answer().await.unwrap_or_else(|| panic!("{target}: no answer"));
        assert_eq!(answer.status, status, "{target}: {answer:?}");
    }
}
