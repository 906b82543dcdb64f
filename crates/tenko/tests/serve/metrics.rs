//! `/metrics`.

use crate::world::Place;

#[test]
fn metrics_have_both_forms_and_tell_of_jobs_and_pings() {
    let place = Place::new("metrics = { jobs = 1 }\n[jobs.a]\nevery = \"1d\"\n[jobs.b]\nevery = \"1d\"\n");
    let server = place.serve();
    server.ping("a");
    server.ping("a/fail");
    let text = server.get("/metrics");
    assert!(text.contains("content-type: text/plain; version=0.0.4"), "{text}");
    for line in ["tenko_job_up{job=\"a\"} 0.0", "tenko_pings_total{kind=\"fail\"} 1", "tenko_flips_total 2"] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert!(!text.contains("job=\"b\""), "only so many jobs have series of their own");
    let asked = "GET /metrics HTTP/1.1\r\nHost: t\r\nAccept: application/openmetrics-text\r\nConnection: close\r\n\r\n";
    let open = server.request(asked);
    assert!(open.contains("application/openmetrics-text") && open.contains("# EOF"), "{open}");
    server.stop();
}

#[test]
fn metrics_can_need_a_key_or_be_off() {
    let place = Place::new("metrics = { key = \"env:KEY\" }\n");
    let mut server = place.serve();
    assert!(server.get("/metrics").starts_with("HTTP/1.1 401"));
    let with = |key: &str| {
        server.request(&format!(
            "GET /metrics HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
        ))
    };
    assert!(with("wrong").starts_with("HTTP/1.1 401"));
    assert!(with(crate::world::KEY).starts_with("HTTP/1.1 200"));
    place.configure("metrics = false\n");
    server.tell(nix::sys::signal::Signal::SIGHUP);
    server.says("is read again");
    assert!(server.get("/metrics").starts_with("HTTP/1.1 404"));
    server.stop();
}
