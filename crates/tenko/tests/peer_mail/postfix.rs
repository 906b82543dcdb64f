//! Postfix, from Debian's package but not installed: everything that it needs and does is in a temporary directory.
//!
//! It gives up root for two users that every Debian has. Who may log in it asks a socket in the protocol of Dovecot
//! (<https://doc.dovecot.org/2.3/developer_manual/design/auth_protocol/>), behind which a thread of the test sits.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use tenko_store::testkit_peers::{PeerProcess, free_ports};

/// `daemon`, who owns the queue, and `games`, the group that nothing else needs here.
const OWNER_ID: u32 = 1;
const GROUP_ID: u32 = 60;
/// `nobody`, who owns the mailboxes.
const NOBODY: u32 = 65534;

/// The server. It ends with this, and by itself after two minutes.
pub(crate) struct Postfix {
    /// Where STARTTLS is offered, and demanded.
    pub(crate) starttls: u16,
    /// Where TLS comes first.
    pub(crate) implicit: u16,
    process: PeerProcess,
}

impl Postfix {
    pub(crate) fn start() -> Self {
        let place = PeerProcess::place();
        let [starttls, implicit] = free_ports();
        prepare(place.path());
        configure(place.path(), [starttls, implicit]);
        let root = root();
        let mut master = Command::new(root.join("usr/lib/postfix/sbin/master"));
        master.arg("-c").arg(place.path().join("etc")).args(["-d", "-e", "120"]);
        master.env_clear().env("LD_LIBRARY_PATH", root.join("usr/lib/postfix"));
        let server = Self { starttls, implicit, process: PeerProcess::start(&mut master, place) };
        server.wait_until_it_serves();
        server
    }

    /// The mails that were delivered to somebody, once there are so many of them.
    pub(crate) fn mailbox(&self, name: &str, count: usize) -> Vec<String> {
        let directory = self.process.directory().join("mail").join(name).join("new");
        for _ in 0..200 {
            let files: Vec<_> = fs::read_dir(&directory).into_iter().flatten().flatten().collect();
            if files.len() >= count {
                return files.iter().map(|file| fs::read_to_string(file.path()).unwrap()).collect();
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("{name} did not get {count} mails:\n{}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.process.directory().join("log/mail")).unwrap_or_default()
    }

    fn wait_until_it_serves(&self) {
        for _ in 0..200 {
            let serves =
                [self.starttls, self.implicit].map(|port| std::net::TcpStream::connect(("127.0.0.1", port)));
            if serves.iter().all(Result::is_ok) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("Postfix did not serve within ten seconds (it has to be started by root):\n{}", self.log());
    }
}

fn root() -> PathBuf {
    let venv = std::env::var_os("TENKO_PEERS").expect("TENKO_PEERS names the virtualenv with the peers");
    PathBuf::from(venv).join("postfix")
}

/// The directories of the queue, as `postfix-files` of the package describes them.
fn prepare(place: &Path) {
    let make = |name: &str, owner: u32, group: u32, mode: u32| {
        let path = place.join(name);
        fs::create_dir(&path).unwrap();
        chown(&path, Some(owner), Some(group)).expect("this test must be run by root");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::set_permissions(place, fs::Permissions::from_mode(0o755)).unwrap();
    make("etc", 0, 0, 0o755);
    make("log", 0, 0, 0o755);
    make("data", OWNER_ID, 0, 0o700);
    make("mail", NOBODY, NOBODY, 0o700);
    make("queue", 0, 0, 0o755);
    make("queue/pid", 0, 0, 0o755);
    make("queue/maildrop", OWNER_ID, GROUP_ID, 0o730);
    make("queue/public", OWNER_ID, GROUP_ID, 0o710);
    for name in [
        "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved",
        "trace",
    ] {
        make(&format!("queue/{name}"), OWNER_ID, 0, 0o700);
    }
    let socket = place.join("queue/private/auth");
    let listener = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || decide(&stream));
        }
    });
}

/// Whoever is `tenko` with the password `right` may log in.
fn decide(mut stream: &UnixStream) -> std::io::Result<()> {
    stream.write_all(b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t0123\nDONE\n")?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let words: Vec<&str> = line.split('\t').collect();
        if words[0] != "AUTH" {
            continue;
        }
        let response = words.iter().find_map(|word| word.strip_prefix("resp=")).unwrap_or_default();
        let granted = BASE64_STANDARD.decode(response).is_ok_and(|said| said == b"\0tenko\0right");
        let verdict = if granted { "OK" } else { "FAIL" };
        stream.write_all(format!("{verdict}\t{}\tuser=tenko\n", words[1]).as_bytes())?;
    }
    Ok(())
}

fn configure(place: &Path, [starttls, implicit]: [u16; 2]) {
    let main = include_str!("main.cf")
        .replace("PLACE", &place.display().to_string())
        .replace("ROOT", &root().display().to_string())
        .replace("TLS", concat!(env!("CARGO_MANIFEST_DIR"), "/../store/tests/samples/tls"));
    fs::write(place.join("etc/main.cf"), main).unwrap();
    let master = include_str!("master.cf")
        .replace("STARTTLS", &starttls.to_string())
        .replace("IMPLICIT", &implicit.to_string());
    fs::write(place.join("etc/master.cf"), master).unwrap();
}
