//! Bytes that a text can't hold, in records that are text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Bytes as they were; written as base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Exact(pub Vec<u8>);

impl From<Exact> for String {
    fn from(exact: Exact) -> Self {
        STANDARD.encode(exact.0)
    }
}

impl TryFrom<String> for Exact {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        STANDARD.decode(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::evidence::Output;

    proptest! {
        #[test]
        fn no_byte_of_an_output_is_lost_on_its_way_through_json(head in any::<Vec<u8>>(), tail in any::<Vec<u8>>()) {
            let output = Output::of_bytes(&head, &tail, 7);
            let read: Output = serde_json::from_str(&serde_json::to_string(&output).unwrap()).unwrap();
            prop_assert_eq!(&read, &output);
            prop_assert_eq!(read.bytes().into_owned(), [head, tail].concat());
        }
    }

    #[test]
    fn bytes_that_are_text_are_written_once() {
        let json = serde_json::to_string(&Output::of_bytes("終わり".as_bytes(), b"", 0)).unwrap();
        assert_eq!(json, r#"{"head":"終わり","omitted":0}"#);
        let json = serde_json::to_string(&Output::of_bytes(b"a\xff", b"", 0)).unwrap();
        assert_eq!(json, "{\"head\":\"a\u{fffd}\",\"omitted\":0,\"exact\":\"Yf8=\"}");
    }
}
