use super::*;

fn via(peer: Option<&str>, headers: &[(&str, &str)]) -> (String, String) {
    let trusted = ["10.0.0.0/8", "127.0.0.1", "fd00::/8"].map(|text| text.parse().unwrap());
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    let peer = Peer { address: peer.map(|peer| peer.parse().unwrap()), tls: false };
    let via = Senders::new(trusted.to_vec()).via(peer, "GET", &map);
    (via.from, via.scheme)
}

#[test]
fn prefixes_are_read_and_contain_what_begins_like_them() {
    let ten: Prefix = "10.0.0.0/8".parse().unwrap();
    assert!(ten.contains("10.255.0.1".parse().unwrap()) && !ten.contains("11.0.0.1".parse().unwrap()));
    assert!(ten.contains("::ffff:10.1.2.3".parse().unwrap()) && !ten.contains("::1".parse().unwrap()));
    let all: Prefix = "::/0".parse().unwrap();
    assert!(all.contains("2001:db8::1".parse().unwrap()) && !all.contains("10.0.0.1".parse().unwrap()));
    for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/-1", "example.com"] {
        assert!(bad.parse::<Prefix>().unwrap_err().contains(bad));
    }
}

#[test]
fn the_sender_is_the_nearest_who_is_not_trusted() {
    for (peer, said, expected) in [
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "198.51.100.7:1234", "198.51.100.7"),
        ("10.0.0.1", "[2001:db8::7]:1234", "2001:db8::7"),
        ("10.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, unknown", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, <script>, 10.0.0.2", "10.0.0.2"),
    ] {
        assert_eq!(via(Some(peer), &[("x-forwarded-for", said)]).0, expected, "{peer} says {said:?}");
    }
}

#[test]
fn several_headers_are_one_list() {
    let said = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "198.51.100.7, 10.0.0.2")];
    assert_eq!(via(Some("127.0.0.1"), &said).0, "198.51.100.7");
}

#[test]
fn the_scheme_is_believed_of_those_who_are_trusted() {
    for (peer, said, expected) in
        [("192.0.2.1", "https", "http"), ("10.0.0.1", "https", "https"), ("10.0.0.1", "gopher", "http")]
    {
        let said = [("x-forwarded-for", "198.51.100.7"), ("x-forwarded-proto", said)];
        assert_eq!(via(Some(peer), &said).1, expected);
    }
    assert_eq!(via(Some("10.0.0.1"), &[("x-forwarded-proto", "https")]), ("10.0.0.1".into(), "https".into()));
}

#[test]
fn the_standard_header_is_understood_too() {
    let said = r#"for=203.0.113.9;proto=http, For="[2001:db8::7]:4711";proto=https;by=10.0.0.9"#;
    assert_eq!(via(Some("10.0.0.1"), &[("forwarded", said)]), ("2001:db8::7".into(), "https".into()));
    assert_eq!(via(Some("192.0.2.1"), &[("forwarded", said)]), ("192.0.2.1".into(), "http".into()));
    assert_eq!(via(Some("10.0.0.1"), &[("forwarded", "for=_hidden")]).0, "10.0.0.1");
}

#[test]
fn whoever_comes_through_a_unix_socket_is_believed() {
    assert_eq!(via(None, &[("x-forwarded-for", "198.51.100.7")]).0, "198.51.100.7");
    assert_eq!(via(None, &[]).0, "");
}

#[test]
fn two_hundred_characters_of_what_a_client_calls_itself_are_kept() {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, "é".repeat(300).parse().unwrap());
    assert_eq!(agent(&headers), "é".repeat(200));
    headers.insert(USER_AGENT, hyper::header::HeaderValue::from_bytes(b"curl\xff").unwrap());
    assert_eq!(agent(&headers), "curl\u{fffd}");
}
