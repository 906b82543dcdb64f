//! What credentials look like.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder};

/// Names after which a value is a secret: `DB_PASSWORD=x`, `"apiKey": "x"`, `token => x`.
const ASSIGNED: &str = r#"(?i)(?:passw(?:or)?d|passphrase|(?:\b|_)pwd|(?:\b|_)pass|secret|token|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|signature|credentials?)[a-z0-9_.-]{0,64}\\?["']?\s*(?::=|=>|=|:)\s*(?P<secret>"(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?|[^\s"']\S*)"#;

/// In each, the group `secret` is what must not be seen.
const SHAPES: [&str; 17] = [
    ASSIGNED,
    // The same names as options, with the value as the next word.
    r#"(?i)--?[a-z0-9-]{0,64}(?:password|passwd|passphrase|token|secret|api-?key|access-?key)\s+(?P<secret>"[^"\n]*"?|'[^'\n]*'?|[^\s-]\S*)"#,
    r"\b(?P<secret>(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,})",
    r#"(?i)hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/(?P<secret>[^\s"'<>]+)"#,
    r#"(?i)discord(?:app)?\.com/api/(?:v\d+/)?webhooks/(?P<secret>[^\s"'<>]+)"#,
    r#"(?i)\.(?:webhook\.office|logic\.azure)\.com(?::\d+)?/(?P<secret>[^\s"'<>]+)"#,
    r"\b(?P<secret>xox[a-z]-[A-Za-z0-9-]{8,}|xapp-[A-Za-z0-9-]{8,}|xoxe\.[A-Za-z0-9.-]{8,})",
    r#"(?i)\b(?:proxy-)?authorization["']?\s*[:=]\s*["']?(?P<secret>[^\r\n"']+)"#,
    r"(?i)\bbearer\s+(?P<secret>[a-z0-9._~+/=-]{8,})",
    // In prose the word is followed by words; credentials in base64 have a digit, a sign or a capital within.
    r"\b[Bb]asic\s+(?P<secret>[A-Za-z0-9+/]*[a-z0-9+/][A-Z0-9+/=][A-Za-z0-9+/]*={0,2})",
    r#"(?i)\b(?:set-)?cookie2?["']?\s*:\s*(?P<secret>[^\r\n]+)"#,
    r#"(?i)\b[a-z][a-z0-9+.-]{0,32}://(?P<secret>[^\s/?#"'<>]+)@"#,
    r"(?s)(?P<secret>-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----|\z))",
    r"\b(?P<secret>eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*){0,3})",
    r"\b(?P<secret>gh[opusr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}|gl[a-z]{2,6}-[A-Za-z0-9_-]{16,}|npm_[A-Za-z0-9]{20,}|pypi-[A-Za-z0-9_-]{20,}|dop_v1_[a-f0-9]{20,})",
    r"\b(?P<secret>sk-[A-Za-z0-9_-]{16,}|[rs]k_(?:live|test)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9+/=]{16,}|AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_.-]{16,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|AGE-SECRET-KEY-1[A-Z0-9]{16,}|hvs\.[A-Za-z0-9_-]{16,}|\d{8,10}:[A-Za-z0-9_-]{35})",
    // Signed URLs of Azure and Google.
    r"(?i)[?&](?:sig|x-goog-signature|x-amz-security-token)=(?P<secret>[^\s&]+)",
];

static CREDENTIALS: LazyLock<Vec<Regex>> =
    LazyLock::new(|| SHAPES.iter().map(|shape| compile(shape)).collect());
static KEY_EDGE: LazyLock<Regex> =
    LazyLock::new(|| compile(r"-----(?:BEGIN|(?P<end>END)) [A-Z0-9 ]{0,32}PRIVATE KEY"));

fn compile(pattern: &str) -> Regex {
    let mut builder = RegexBuilder::new(pattern);
    builder.unicode(false).build().expect("the patterns are constants, and a test compiles them")
}

/// Returns where credentials are, in no order.
pub(super) fn credentials(text: &[u8]) -> Vec<Range<usize>> {
    let matches = CREDENTIALS.iter().flat_map(|shape| shape.captures_iter(text));
    matches.filter_map(|found| found.name("secret").map(|secret| secret.range())).collect()
}

/// In a text whose beginning was cut off: the rest of a private key that began before it.
pub(super) fn end_of_cut_key(text: &[u8]) -> Option<Range<usize>> {
    let first = KEY_EDGE.captures(text)?;
    first.name("end").map(|end| 0..end.start())
}
