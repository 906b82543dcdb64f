//! Whether each request has one meaning: where it ends, and what is a line of it.
//!
//! hyper, as it should, goes by `Transfer-Encoding` where a request has `Content-Length` too, drops the latter, and takes lines
//! that end without CR; a proxy in front may see it the other way round, and then one's body is the other's request. So
//! the bytes are looked at before hyper sees them, and what is ambiguous is made unreadable: hyper then answers 400 in its
//! turn, after the requests before it, and closes the connection.

use memchr::memchr;

/// Follows the bytes of a connection from request to request.
#[derive(Debug)]
pub(super) struct Gate {
    at: At,
    head: Head,
    /// The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
    longest_line: usize,
}

/// Where in a request a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Between,
    Head,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    Refused,
}

/// What the lines of a head said of the body.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    length: Option<u64>,
    chunked: bool,
}

/// Where a connection is, as far as waiting goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between two requests.
    Between,
    /// In the first lines of one.
    Head,
    /// In the body of one.
    Body,
    /// Behind something that can be read in two ways.
    Refused,
}

/// Something can be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ambiguous;

impl Gate {
    /// At the beginning of a connection whose lines are shorter than this.
    pub(super) fn new(longest_line: usize) -> Self {
        Self { at: At::Between, head: Head::default(), begun: Vec::new(), longest_line }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.at {
            At::Between if self.begun.is_empty() => Phase::Between,
            At::Between | At::Head => Phase::Head,
            At::Refused => Phase::Refused,
            _ => Phase::Body,
        }
    }

    /// Lets the next bytes pass, and makes unreadable what is ambiguous and all that follows.
    pub(super) fn pass(&mut self, bytes: &mut [u8]) {
        let mut from = 0;
        while from < bytes.len() && self.at != At::Refused {
            match self.step(&bytes[from..]) {
                Ok(passed) => from += passed,
                Err(Ambiguous) => self.at = At::Refused,
            }
        }
        bytes[from..].fill(0);
    }

    /// Goes on by one line, or by some bytes of a body.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Ambiguous> {
        match self.at {
            At::Body(left) => Ok(self.skip(left, bytes.len(), At::Body, At::Between)),
            At::Chunk(left) => Ok(self.skip(left, bytes.len(), At::Chunk, At::ChunkEnd)),
            _ => self.line(bytes),
        }
    }

    fn skip(&mut self, left: u64, there: usize, still: fn(u64) -> At, then: At) -> usize {
        let there = there as u64;
        self.at = if left > there { still(left - there) } else { then };
        usize::try_from(left.min(there)).unwrap_or(usize::MAX)
    }

    fn line(&mut self, bytes: &[u8]) -> Result<usize, Ambiguous> {
        let end = memchr(b'\n', bytes);
        let upto = &bytes[..end.unwrap_or(bytes.len())];
        if self.begun.len() + upto.len() > self.longest_line {
            return Err(Ambiguous);
        }
        if end.is_none() {
            self.begun.extend_from_slice(upto);
            return Ok(bytes.len());
        }
        if self.begun.is_empty() {
            self.take(upto)?;
        } else {
            let mut line = std::mem::take(&mut self.begun);
            line.extend_from_slice(upto);
            self.take(&line)?;
        }
        Ok(upto.len() + 1)
    }

    fn take(&mut self, line: &[u8]) -> Result<(), Ambiguous> {
        let line = line.strip_suffix(b"\r").ok_or(Ambiguous)?;
        self.at = match (self.at, line) {
            (At::Between, b"") => At::Between,
            (At::Between, b"PRI * HTTP/2.0") => return Err(Ambiguous),
            (At::Between, _) => {
                self.head = Head::default();
                At::Head
            }
            (At::Head, b"") => self.head.body(),
            (At::Head, _) => {
                self.head.field(line)?;
                At::Head
            }
            (At::ChunkSize, _) => match chunk_size(line)? {
                0 => At::Trailers,
                size => At::Chunk(size),
            },
            (At::ChunkEnd, b"") => At::ChunkSize,
            (At::Trailers, b"") => At::Between,
            (At::Trailers, _) => At::Trailers,
            (At::ChunkEnd | At::Body(_) | At::Chunk(_) | At::Refused, _) => return Err(Ambiguous),
        };
        Ok(())
    }
}

impl Head {
    fn body(self) -> At {
        match self.length {
            _ if self.chunked => At::ChunkSize,
            None | Some(0) => At::Between,
            Some(length) => At::Body(length),
        }
    }

    /// Reads a line of a head that is not the first.
    fn field(&mut self, line: &[u8]) -> Result<(), Ambiguous> {
        match line[0] {
            // A line that goes on in the next one.
            b' ' | b'\t' => Err(Ambiguous),
            b'c' | b'C' => self.length(line),
            b't' | b'T' => self.encoding(line),
            _ => Ok(()),
        }
    }

    fn length(&mut self, line: &[u8]) -> Result<(), Ambiguous> {
        let Some(value) = value_of(line, b"content-length") else { return Ok(()) };
        if self.length.is_some() || self.chunked || !value.iter().all(u8::is_ascii_digit) {
            return Err(Ambiguous);
        }
        let text = str::from_utf8(value).map_err(|_| Ambiguous)?;
        self.length = Some(text.parse().map_err(|_| Ambiguous)?);
        Ok(())
    }

    fn encoding(&mut self, line: &[u8]) -> Result<(), Ambiguous> {
        let Some(value) = value_of(line, b"transfer-encoding") else { return Ok(()) };
        if self.length.is_some() || self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Ambiguous);
        }
        self.chunked = true;
        Ok(())
    }
}

/// The value of a field, if this is its line.
fn value_of<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let (found, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":").filter(|_| found.eq_ignore_ascii_case(name))?;
    Some(value.trim_ascii())
}

fn chunk_size(line: &[u8]) -> Result<u64, Ambiguous> {
    let digits = &line[..memchr(b';', line).unwrap_or(line.len())];
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Ambiguous);
    }
    let text = str::from_utf8(digits).map_err(|_| Ambiguous)?;
    u64::from_str_radix(text, 16).map_err(|_| Ambiguous)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Passes a text in pieces of this length, and says where it became ambiguous, and where the gate is then.
    fn pass(text: &str, piece: usize) -> (Option<usize>, Phase) {
        let mut gate = Gate::new(10_000);
        let mut passed = Vec::new();
        for part in text.as_bytes().chunks(piece) {
            let mut part = part.to_vec();
            gate.pass(&mut part);
            passed.extend(part);
        }
        (passed.iter().position(|byte| *byte == 0), gate.phase())
    }

    const GOOD: &[&str] = &[
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nCookie: a\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab\ncd",
        "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\na\nb\r\n0A;x=y\r\n0123456789\r\n0\r\nA: b\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length:0\r\n\r\nGET / HTTP/1.1\r\nTe: trailers\r\n\r\n",
    ];

    const BAD: &[&str] = &[
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
        "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\nabcde",
        "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\nabcde",
        "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\nabcde",
        "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];

    #[test]
    fn requests_with_one_meaning_pass_unchanged_however_they_are_cut() {
        for text in GOOD {
            for piece in 1..=text.len() {
                assert_eq!(pass(text, piece), (None, Phase::Between), "{text:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn requests_with_two_meanings_become_unreadable_before_their_end_however_they_are_cut() {
        for text in BAD {
            for piece in 1..=text.len() {
                let (refused, phase) = pass(text, piece);
                assert_eq!(phase, Phase::Refused, "{text:?} in pieces of {piece}");
                assert!(refused.is_some(), "{text:?} in pieces of {piece}");
            }
        }
    }

    proptest! {
        #[test]
        fn it_follows_whole_requests_whatever_is_in_their_bodies(
            bodies in prop::collection::vec(prop::collection::vec(1u8.., 0..300), 1..5), piece in 1usize..500,
        ) {
            let mut text = Vec::new();
            for body in &bodies {
                text.extend(format!("PUT /x HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len()).bytes());
                text.extend(body);
            }
            let mut gate = Gate::new(1000);
            for part in text.chunks(piece) {
                let mut passed = part.to_vec();
                gate.pass(&mut passed);
                prop_assert_eq!(passed, part);
            }
            prop_assert_eq!(gate.phase(), Phase::Between);
        }

        #[test]
        fn no_bytes_whatsoever_are_too_much_for_it(bytes in any::<Vec<u8>>()) {
            let mut passed = bytes.clone();
            Gate::new(100).pass(&mut passed);
            prop_assert_eq!(passed.len(), bytes.len());
        }
    }
}
