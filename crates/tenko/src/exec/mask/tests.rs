use proptest::prelude::*;

use super::super::capture::{Capture, CaptureLimits, Captured};
use super::*;

fn masked(text: &str) -> String {
    String::from_utf8(Masker::default().mask(text.as_bytes())).unwrap()
}

fn captured(text: &[u8], head: usize, tail: usize) -> Captured {
    let mut capture = Capture::new(CaptureLimits { head, tail });
    capture.push(text);
    capture.finish(false)
}

fn contains(text: &[u8], piece: &[u8]) -> bool {
    text.windows(piece.len()).any(|window| window == piece)
}

#[test]
fn fault_82_credentials_of_every_known_shape_are_masked() {
    // Joined from two halves, so that nobody's secret scanner takes this file for a leak.
    let s = |a: &str, b: &str| format!("{a}{b}");
    let secrets = [
        ("key id ", s("AKIA", "IOSFODNN7EXAMPLE"), " used"),
        ("aws_secret_access_key = ", s("wJalrXUtnFEMI/K7MDENG", "/bPxRfiCYEXAMPLEKEY"), "\n"),
        ("AWS_SECRET_ACCESS_KEY='", s("wJalrXUtnFEMI/K7MDENG", "/bPxRfiCYEXAMPLEKEY"), "'\n"),
        ("AWS_SESSION_TOKEN=", s("FwoGZXIvYXdzEBYaD", "Hh4x+//////////w=="), "\n"),
        ("POST https://hooks.slack.com/services/", s("T0001/B0002/", "XXXXXXXXabcdef"), " 200"),
        ("slack ", s("xoxb-", "123456789012-abcdefABCDEF"), ""),
        ("slack ", s("xapp-", "1-A012-345-abcdef"), ""),
        ("https://discord.com/api/webhooks/", s("1234/", "abc-DEF_ghi"), " ok"),
        ("Authorization: Bearer ", s("abcdef", "ghijkl"), "\r\nHost: x"),
        ("authorization: Basic ", s("dXNlcjpw", "YXNz"), "\n"),
        ("curl -H 'Authorization: token ", s("0123", "456789abcdef"), "'"),
        ("sent Basic ", s("YWxhZGRpbjpvc", "GVuc2VzYW1l"), " to it"),
        ("sent bearer ", s("mF_9.", "B5f-4.1JqM"), " to it"),
        ("Set-Cookie: ", s("session=", "31d4d96e407aad42"), "\n"),
        ("password=", s("hun", "ter2"), "\n"),
        ("Password: ", s("hun", "ter2"), "\n"),
        ("passwd = ", s("p,a;s", "s)w\u{e9}rd"), "\n"),
        ("{\"password\": \"", s("with \\\"quotes\\\" and ", "spaces"), "\", \"user\": \"joe\"}"),
        ("{'secret': '", s("top ", "hidden"), "'}"),
        ("log: {\\\"token\\\": \\\"", s("abc", "defgh"), "\\\"}"),
        ("DB_PASS=", s("hun", "ter2"), " ./run"),
        ("MYSQL_PWD=", s("hun", "ter2"), " ./run"),
        ("api_key=", s("abc", "def"), ""),
        ("apiKey: ", s("abc", "def"), ""),
        ("client_secret_v2=", s("abc", "def"), ""),
        ("GITHUB_TOKEN=", s("abc", "def"), ""),
        ("AccountKey=", s("abcdefghijkl", "mnop=="), ";"),
        ("mysql --password ", s("hun", "ter2"), " -u root"),
        ("tool --api-key '", s("hunter", "2 and 3"), "' x"),
        ("postgres://", s("app:hun", "ter2"), "@db.internal:5432/x"),
        ("git clone https://", s("x-access", "-nothing"), "@github.com/a/b"),
        ("redis://", s(":hun", "ter2"), "@cache:6379"),
        ("jwt ", s("eyJhbGciOiJIUzI1NiJ9.", "eyJzdWIiOiIxIn0.abc-_123"), " ok"),
        ("gh ", s("ghp_", "0123456789abcdefghijABCDEFGHIJ012345"), ""),
        ("gh ", s("github_pat_", "0123456789abcdefghij_ABCDEFGHIJ"), ""),
        ("gl ", s("glpat-", "0123456789abcdefghij"), ""),
        ("stripe ", s("sk_live_", "0123456789abcdef"), ""),
        ("ai ", s("sk-proj-", "0123456789abcdef"), ""),
        ("google ", s("AIza", "SyA0123456789abcdefghijklmnopqrstuv"), ""),
        ("vault ", s("hvs.", "CAESIJ0123456789abcdef"), ""),
        ("bot ", s("123456789:", "AAabcdefghijklmnopqrstuvwxyz0123456"), ""),
        ("https://x.blob.core.windows.net/c?sv=1&sig=", s("abc%2F", "def%3D"), "&se=2"),
        ("", s("-----BEGIN RSA PRIVATE KEY-----\nMIIEow", "IBAAKCAQEA\n-----END RSA PRIVATE KEY-----"), "\n"),
        ("", s("-----BEGIN PRIVATE KEY-----\nMIIEow", "IBAAKCAQEA\nno end"), ""),
    ];
    for (before, secret, after) in secrets {
        let got = masked(&format!("{before}{secret}{after}"));
        assert!(got.contains("***"), "{got}");
        assert!(!got.contains(&secret), "{got}");
        let words = secret.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 3);
        words.for_each(|word| assert!(!got.contains(word), "{word} in {got}"));
    }
}

#[test]
fn fault_82_a_message_stays_readable() {
    let text = "connecting to postgres://app:hunter2@db:5432/x\nexport DB_PASSWORD=hunter2 && ./run\nexit 3";
    assert_eq!(
        masked(text),
        "connecting to postgres://***@db:5432/x\nexport DB_PASSWORD=*** && ./run\nexit 3"
    );
}

#[test]
fn ordinary_output_is_left_alone() {
    for text in [
        "backup of 12 tables done in 3.2 s",
        "GET https://example.com/a@b?x=1 200",
        "basic configuration loaded, bearer of news",
        "mail from joe@example.com: see /srv/data:/var/x",
        "the token has expired; no password given",
        "2026-11-24T05:00:00Z INFO tokio::runtime started",
        "compass: north, bypass=no",
    ] {
        assert_eq!(masked(text), text);
    }
}

#[test]
fn named_values_are_masked_wherever_they_are_and_in_any_encoding() {
    let masker = Masker::new([&b"s\xff\x00cret"[..], b"", b"abab", b"line one of key\nline two of key\n"]);
    let text = b"a s\xff\x00cret, ababab, line two of key \xfe\xff";
    assert_eq!(masker.mask(text), b"a ***, ***, *** \xfe\xff");
}

#[test]
fn debug_shows_no_value() {
    assert_eq!(format!("{:?}", Masker::new(["hunter2"])), "Masker { literals: 1 }");
}

#[test]
fn a_key_cut_at_both_ends_is_masked_to_the_edges() {
    let body = "MIIEowIBAAKCAQEAxyzzy\n".repeat(2000);
    let text = format!("start\n-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----\nend\n");
    let (head, tail) = Masker::default().mask_captured(&captured(text.as_bytes(), 2048, 8192));
    assert_eq!(String::from_utf8(head).unwrap(), "start\n***");
    assert!(String::from_utf8(tail).unwrap().starts_with("***END PRIVATE KEY-----\nend"));
}

#[test]
fn ten_kilobytes_of_anything_are_masked_in_no_time() {
    let values = Masker::new(["a".repeat(5000), format!("{}b", "a".repeat(4000))]);
    for piece in
        ["a", "a://", "eyJ", "password", "-----BEGIN PRIVATE KEY-----", "token=\"", "\\", "basic A", "\0"]
    {
        let text = piece.repeat(20_000 / piece.len());
        let start = std::time::Instant::now();
        drop(values.mask(text.as_bytes()));
        assert!(start.elapsed().as_secs() < 5, "{piece} took {:?}", start.elapsed());
    }
}

proptest! {
    #[test]
    fn no_byte_of_a_value_remains_wherever_the_capture_cuts(
        before in 0usize..400, after in 0usize..9000, head in 0usize..300, tail in 0usize..300, repeat in 1usize..3,
    ) {
        // Letters that occur in the value only.
        let secret = "QRSTUVWXYZ".repeat(3);
        let text = format!("{}{}{}", "-".repeat(before), format!("{secret}.").repeat(repeat), "-".repeat(after));
        let (head, tail) = Masker::new([&secret]).mask_captured(&captured(text.as_bytes(), head, tail));
        prop_assert!(!head.iter().chain(&tail).any(u8::is_ascii_uppercase));
    }

    #[test]
    fn a_known_shape_is_masked_wherever_the_capture_cuts(
        before in 0usize..400, after in 0usize..9000, head in 0usize..300, tail in 0usize..300,
    ) {
        let text = format!("{} AKIAQRSTUVWXYZQRSTUV {}", "-".repeat(before), "-".repeat(after));
        let (head, tail) = Masker::default().mask_captured(&captured(text.as_bytes(), head, tail));
        prop_assert!(!head.iter().chain(&tail).any(u8::is_ascii_uppercase));
    }

    #[test]
    fn any_bytes_pass_and_only_secrets_change(text in prop::collection::vec(any::<u8>(), 0..2000), value in "[a-c]{1,4}") {
        let got = Masker::new([&value]).mask(&text);
        prop_assert!(!contains(&got, value.as_bytes()));
    }
}
