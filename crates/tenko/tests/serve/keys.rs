//! Keys and ping URLs.

use crate::world::Place;

#[test]
fn a_key_is_shown_once_and_works_until_it_is_revoked() {
    let place = Place::new("[jobs.daily]\nevery = \"1d\"\n");
    let key = place.ok(&["key", "add", "ci"]);
    let key = key.trim();
    assert_eq!(key.len(), 22);
    let listed = place.ok(&["key", "list"]);
    assert!(listed.contains("ci") && listed.contains("main") && !listed.contains(key), "{listed}");
    let database = std::fs::read(place.path("state/tenko.db")).unwrap();
    assert!(!database.windows(key.len()).any(|found| found == key.as_bytes()));
    let server = place.serve();
    assert!(server.get(&format!("/ping/{key}/daily")).starts_with("HTTP/1.1 200 OK"));
    server.stop();
    assert_eq!(place.ok(&["key", "revoke", "ci"]), "ci is revoked\n");
    let server = place.serve();
    assert!(server.get(&format!("/ping/{key}/daily")).starts_with("HTTP/1.1 404"));
    server.stop();
    let again = place.run(&["key", "revoke", "ci"]);
    assert_eq!(again.status.code(), Some(2));
}

#[test]
fn a_name_is_taken_once_and_one_of_the_configuration_is_not_revoked() {
    let place = Place::new("");
    place.ok(&["key", "add", "ci"]);
    for taken in ["ci", "main"] {
        assert_eq!(place.run(&["key", "add", taken]).status.code(), Some(2), "{taken}");
    }
    let output = place.run(&["key", "revoke", "main"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("[server.ping_keys]"), "{said}");
}

#[test]
fn a_job_keeps_the_address_that_it_had_elsewhere() {
    let uuid = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278";
    let config = format!(
        "url = \"https://t.example/\"\n[jobs.moved]\nevery = \"1d\"\nuuid = \"{uuid}\"\n[jobs.own]\nevery = \"1d\"\n"
    );
    let place = Place::new(&config);
    let mut server = place.serve();
    while !server.get(&format!("/ping/{uuid}")).starts_with("HTTP/1.1 200 OK") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let urls: std::collections::BTreeMap<String, String> =
        serde_json::from_str(&place.ok(&["jobs", "--urls", "--json"])).unwrap();
    assert_eq!(urls["moved"], format!("https://t.example/ping/{uuid}"));
    let own = urls["own"].strip_prefix("https://t.example").unwrap();
    assert!(server.get(own).starts_with("HTTP/1.1 200 OK"));
    let shown = place.ok(&["show", "moved"]);
    assert!(shown.contains(&format!("ping URL       https://t.example/ping/{uuid}")), "{shown}");
    server.tell(nix::sys::signal::Signal::SIGHUP);
    server.says("is read again");
    // Who may read what a server says can ping nothing.
    assert!(!server.said().contains(uuid) && !server.said().contains(crate::world::KEY));
    server.stop();
}

/// A channel that refuses everything for good.
fn refusing() -> String {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            drop(stream.read(&mut [0; 65536]));
            drop(
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
            );
        }
    });
    format!("http://{at}/")
}

#[test]
fn a_notice_that_could_not_be_delivered_is_settled_while_a_server_keeps_the_store() {
    let config = format!(
        "[channels.ops]\nwebhook = \"{}\"\n[jobs.daily]\nevery = \"1d\"\nnotify = [\"ops\"]\n",
        refusing()
    );
    let place = Place::new(&config);
    let server = place.serve();
    server.ping("daily/fail");
    let until = |part: &str| {
        let began = std::time::Instant::now();
        while !place.ok(&["notify", "list"]).contains(part) {
            assert!(began.elapsed().as_secs() < 20, "{}", place.ok(&["notify", "list"]));
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    until("could not be delivered");
    assert!(place.ok(&["notify", "retry"]).contains("1 notice to be tried again"));
    until("could not be delivered");
    assert!(place.ok(&["notify", "dismiss"]).contains("1 notice dismissed"));
    until("no notice is waiting");
    assert_eq!(place.run(&["notify", "dismiss"]).status.code(), Some(2));
    assert!(place.ok(&["pause", "daily"]).contains("is paused"));
    server.stop();
}
