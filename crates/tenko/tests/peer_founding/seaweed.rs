//! An S3 server with one bucket and four identities, and the application that uploads.

use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

use tenko_store::testkit_peers::{Identity, SeaweedFs, peer};

/// Who asks, by the name of the access key; the secret has `-secret` behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Makes the bucket.
    Owner,
    /// May write, and nothing else.
    App,
    /// May read and list, and nothing else.
    Checker,
    /// May read, list and write: a checker whose state is in the bucket.
    Keeper,
    /// Is known, but has no right at all.
    Blind,
}

impl Who {
    const ALL: [(Self, Identity<'static>); 5] = [
        (Self::Owner, ("owner", &["Admin"])),
        (Self::App, ("app", &["Write:hoge-bucket"])),
        (Self::Checker, ("checker", &["Read:hoge-bucket", "List:hoge-bucket"])),
        (Self::Keeper, ("keeper", &["Read:hoge-bucket", "List:hoge-bucket", "Write:hoge-bucket"])),
        (Self::Blind, ("blind", &["Read:other-bucket"])),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(who, _)| *who == self).unwrap().1.0
    }

    /// The credentials, as variables of the environment.
    pub(crate) fn env(self) -> [(&'static str, String); 2] {
        let name = self.name();
        [("AWS_ACCESS_KEY_ID", name.to_owned()), ("AWS_SECRET_ACCESS_KEY", format!("{name}-secret"))]
    }
}

/// The server, which ends with this.
pub(crate) struct Seaweed(SeaweedFs);

impl Seaweed {
    /// Starts it and waits until it serves.
    pub(crate) fn start() -> Self {
        let server = Self(SeaweedFs::start(&Who::ALL.map(|(_, identity)| identity)));
        server.make_bucket();
        server
    }

    pub(crate) fn endpoint(&self) -> String {
        self.0.endpoint()
    }

    /// The application uploads under a key; says whether it could.
    pub(crate) fn upload(&self, who: Who, key: &str, text: &str) -> Output {
        self.application(who, &["upload", "hoge-bucket", key, text])
    }

    fn make_bucket(&self) {
        for _ in 0..60 {
            let made = self.application(Who::Owner, &["prepare", "hoge-bucket"]);
            // Volumes come a moment after the gateway.
            if made.status.success() && self.upload(Who::App, "ready", "yes").status.success() {
                return;
            }
            sleep(Duration::from_millis(300));
        }
        let last = self.application(Who::Owner, &["prepare", "hoge-bucket"]);
        panic!("SeaweedFS did not serve: {}", String::from_utf8_lossy(&last.stderr));
    }

    fn application(&self, who: Who, arguments: &[&str]) -> Output {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/application.py");
        let mut python = Command::new(peer("python"));
        python.arg(script).arg(self.endpoint()).args(arguments);
        python.env_clear().env("PYTHONDONTWRITEBYTECODE", "1").env("AWS_EC2_METADATA_DISABLED", "true");
        python.envs(who.env()).output().unwrap()
    }
}
