//! What systemd is told.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::world::Place;

struct Supervisor(UnixDatagram);

impl Supervisor {
    fn hears(&self, part: &str) -> String {
        let mut seen = String::new();
        let mut buffer = [0; 4096];
        while !seen.contains(part) {
            let length = self.0.recv(&mut buffer).unwrap_or_else(|_| panic!("no {part} in {seen}"));
            seen.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
            seen.push('\n');
        }
        seen
    }
}

#[test]
fn systemd_is_told_when_it_is_ready_and_the_watchdog_is_fed() {
    let place = Place::new("[jobs.daily]\nevery = \"1d\"\n");
    let socket = place.path("notify");
    let supervisor = Supervisor(UnixDatagram::bind(&socket).unwrap());
    supervisor.0.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let server =
        place.serve_with(|command| command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "300000"));
    let told = supervisor.hears("READY=1");
    assert!(supervisor.hears("WATCHDOG=1").contains("WATCHDOG=1"));
    assert!(told.contains("STATUS=keeping sqlite://"), "{told}");
    server.tell(Signal::SIGHUP);
    let told = supervisor.hears("RELOADING=1");
    assert!(told.contains("MONOTONIC_USEC="), "{told}");
    supervisor.hears("READY=1");
    server.tell(Signal::SIGTERM);
    supervisor.hears("STOPPING=1");
    assert_eq!(server.ends().code(), Some(0));
}
