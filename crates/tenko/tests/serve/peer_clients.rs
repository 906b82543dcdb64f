//! What others make of the server: nginx in front of it, the parsers of Prometheus, Python's mail client, systemd's own check
//! of the unit.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tenko_store::testkit_peers::free_ports;

use crate::world::{KEY, Place, Served};

fn peers() -> PathBuf {
    let target = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers");
    std::env::var_os("TENKO_PEERS").map_or_else(target, PathBuf::from)
}

fn python(script: &str, args: &[&str]) -> String {
    let output = Command::new(peers().join("bin/python")).arg("-c").arg(script).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs prometheus_client for Python"]
fn both_forms_of_metrics_are_read_by_the_parsers_of_prometheus() {
    const SCRIPT: &str = r"
import sys, urllib.request
from prometheus_client.parser import text_string_to_metric_families as text
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
for accept, parse in (('text/plain', text), ('application/openmetrics-text', openmetrics)):
    request = urllib.request.Request(sys.argv[1], headers={'Accept': accept})
    families = {f.name: f for f in parse(urllib.request.urlopen(request).read().decode())}
    pings = [s for f in families.values() for s in f.samples if s.name == 'tenko_pings_total']
    assert sum(s.value for s in pings) == 2, pings
    lag = families['tenko_commit_seconds']
    assert lag.type == 'histogram' and families['process_cpu_seconds'].type == 'counter', families
    assert all(f.documentation for f in families.values())
print(len(families))
";
    let place = Place::new("[jobs.daily]\nevery = \"1d\"\n");
    let server = place.serve();
    server.ping("daily/start");
    server.ping("daily");
    let families = python(SCRIPT, &[&format!("http://{}/metrics", server.http)]);
    assert!(families.trim().parse::<u32>().unwrap() > 20, "{families}");
    server.stop();
}

#[test]
#[ignore = "needs Python"]
fn a_mail_client_of_others_pings_a_job() {
    const SCRIPT: &str = r"
import smtplib, sys
from email.message import EmailMessage
host, port, to = sys.argv[1:]
mail = EmailMessage()
mail['Subject'], mail['From'], mail['To'] = 'Sicherung für db: erledigt', 'cron@client.example', to
mail.set_content('all done\n.\nnot the end\n')
mail.add_alternative('<p>all done</p>', subtype='html')
with smtplib.SMTP(host, int(port)) as client:
    client.send_message(mail)
    try:
        client.sendmail('cron@client.example', ['root@other.example'], b'x')
        sys.exit('it relayed')
    except smtplib.SMTPRecipientsRefused as refused:
        assert refused.recipients['root@other.example'] == (550, b'5.1.1 Recipient rejected'), refused
";
    let mail = "mail = { listen = \"127.0.0.1:0\", domain = \"ping.example\" }\n";
    let place = Place::new(&format!("{mail}[jobs.daily]\nevery = \"1d\"\n"));
    let server = place.serve();
    let said = server.said();
    let at = said.lines().find(|line| line.contains("by e-mail")).unwrap();
    let (host, port) = at.rsplit(' ').next().unwrap().rsplit_once(':').unwrap();
    python(SCRIPT, &[host, port, &format!("{KEY}+daily@ping.example")]);
    server.stop();
    assert!(place.ok(&["jobs"]).contains("daily  up"));
}

/// nginx with the configuration of `deploy/compose`, in front of these servers. Dropped, it ends.
struct Nginx {
    child: Child,
    http: String,
    _dir: tempfile::TempDir,
}

impl Nginx {
    fn before(servers: &[&Served]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [port] = free_ports();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let shipped = std::fs::read_to_string(root.join("deploy/compose/nginx.conf")).unwrap();
        let site = shipped
            .replace("tenko-1:8000", &servers[0].http)
            .replace("tenko-2:8000", &servers[1].http)
            .replace("listen 8080", &format!("listen 127.0.0.1:{port}"));
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {kind};"))
            .join("\n");
        let text = format!(
            "daemon off; master_process off; pid pid; error_log stderr;\nevents {{}}\nhttp {{ access_log off;\n{paths}\n{site}\n}}"
        );
        std::fs::write(dir.path().join("nginx.conf"), text).unwrap();
        let mut command = Command::new(peers().join("nginx/usr/sbin/nginx"));
        command.arg("-p").arg(dir.path()).args(["-c", "nginx.conf", "-e", "stderr"]);
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        let http = format!("127.0.0.1:{port}");
        let began = Instant::now();
        while TcpStream::connect(&http).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "nginx does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, http, _dir: dir }
    }

    fn ping(&self, rest: &str) -> String {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        let text = format!(
            "GET /ping/{KEY}/{rest} HTTP/1.1\r\nHost: t\r\nX-Forwarded-For: 198.51.100.66\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
#[ignore = "needs nginx"]
fn behind_nginx_one_of_two_servers_may_die_and_every_ping_is_heard() {
    let place = Place::new("trusted_proxies = \"127.0.0.1\"\n[jobs.daily]\nevery = \"1d\"\n");
    let (one, other) = (place.serve(), place.serve());
    let nginx = Nginx::before(&[&one, &other]);
    for _ in 0..20 {
        assert_eq!(nginx.ping("daily"), "HTTP/1.1 200 OK");
    }
    drop(one);
    for _ in 0..40 {
        assert_eq!(nginx.ping("daily"), "HTTP/1.1 200 OK");
    }
    place.ok(&["backup", "b.tenko"]);
    let text = zstd_text(&place.path("b.tenko"));
    assert_eq!(text.matches("\"from\":\"127.0.0.1\"").count(), 60, "whom nginx saw, and nobody else");
    assert!(!text.contains("198.51.100.66"), "what a client says of itself is not believed");
    other.stop();
}

fn zstd_text(file: &Path) -> String {
    use tenko_store::backup::BackupReader;
    let reader = BackupReader::begin(std::fs::File::open(file).unwrap()).unwrap();
    let pieces = reader.map(|piece| format!("{:?}\n", piece.unwrap()));
    pieces.collect::<String>().replace("from: \"", "\"from\":\"")
}

#[test]
#[ignore = "needs systemd-analyze"]
fn the_unit_is_understood_by_systemd_and_exposes_little() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shipped = std::fs::read_to_string(root.join("deploy/systemd/tenko.service")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let unit = dir.path().join("tenko.service");
    let text = shipped.replace("/usr/local/bin/tenko", env!("CARGO_BIN_EXE_tenko"));
    std::fs::write(&unit, text).unwrap();
    let verified = Command::new("systemd-analyze").arg("verify").arg(&unit).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    let about_it: Vec<_> = said.lines().filter(|line| line.contains("tenko.service")).collect();
    assert!(about_it.is_empty(), "{about_it:?}");
    let judged = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=20"])
        .arg(&unit)
        .output()
        .unwrap();
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout));
}
