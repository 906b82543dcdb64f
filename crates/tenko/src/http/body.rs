//! Bodies of requests: of any size and any bytes, but only for so long.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use tenko_core::Output;
use tokio::time::{Instant, Sleep, sleep, timeout_at};

/// Reads a body to its end, or as long as it may take, or until the connection breaks, and keeps of it so many bytes.
/// `None` if there is none.
pub(super) async fn keep<B: Body<Data = Bytes>>(body: B, limit: usize, within: Duration) -> Option<Output> {
    if body.is_end_stream() {
        return None;
    }
    let until = Instant::now() + within;
    let mut body = pin!(body);
    let mut kept = Kept::of(limit);
    while let Ok(Some(Ok(frame))) = timeout_at(until, body.frame()).await {
        if let Ok(data) = frame.into_data() {
            if kept.total == 0 && data.len() <= limit && body.is_end_stream() {
                return (!data.is_empty()).then(|| Output::of_bytes(&data, &[], 0));
            }
            kept.push(&data);
        }
    }
    kept.output()
}

/// The beginning and the end of what goes by: two fifths and three fifths of what may be kept.
#[derive(Debug)]
struct Kept {
    head_most: usize,
    rest_most: usize,
    head: Vec<u8>,
    rest: VecDeque<u8>,
    total: u64,
}

impl Kept {
    fn of(limit: usize) -> Self {
        let head_most = limit / 5 * 2;
        Self { head_most, rest_most: limit - head_most, head: Vec::new(), rest: VecDeque::new(), total: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.total = self.total.saturating_add(bytes.len() as u64);
        let (head, rest) = bytes.split_at(bytes.len().min(self.head_most - self.head.len()));
        self.head.extend_from_slice(head);
        let rest = &rest[rest.len().saturating_sub(self.rest_most)..];
        let surplus = (self.rest.len() + rest.len()).saturating_sub(self.rest_most);
        self.rest.drain(..surplus);
        self.rest.extend(rest);
    }

    fn output(mut self) -> Option<Output> {
        let tail = self.rest.make_contiguous();
        if self.total == 0 {
            return None;
        }
        if self.total == (self.head.len() + tail.len()) as u64 {
            self.head.extend_from_slice(tail);
            return Some(Output::of_bytes(&self.head, &[], 0));
        }
        let (head, tail) = (whole_letters_at_the_end(&self.head), whole_letters_at_the_beginning(tail));
        let omitted = self.total - (head.len() + tail.len()) as u64;
        Some(Output::of_bytes(head, tail, omitted))
    }
}

/// Without the beginning of a letter at the end, in what is text otherwise.
fn whole_letters_at_the_end(bytes: &[u8]) -> &[u8] {
    match str::from_utf8(bytes) {
        Err(why) if why.error_len().is_none() => &bytes[..why.valid_up_to()],
        _ => bytes,
    }
}

/// Without the end of a letter at the beginning, in what is text otherwise.
fn whole_letters_at_the_beginning(bytes: &[u8]) -> &[u8] {
    let cut = bytes.iter().take(3).take_while(|byte| **byte & 0b1100_0000 == 0b1000_0000).count();
    if str::from_utf8(&bytes[cut..]).is_ok() { &bytes[cut..] } else { bytes }
}

/// A body that ends with an error when it takes too long.
#[derive(Debug)]
pub(super) struct Timed<B> {
    body: B,
    within: Duration,
    end: Option<Pin<Box<Sleep>>>,
}

impl<B> Timed<B> {
    pub(super) fn new(body: B, within: Duration) -> Self {
        Self { body, within, end: None }
    }
}

/// A body took too long.
#[derive(Debug, thiserror::Error)]
#[error("the body of the request took too long")]
pub(super) struct TooSlow;

impl<B: Body<Data = Bytes> + Unpin> Body for Timed<B>
where
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
            Poll::Pending => {
                let end = this.end.get_or_insert_with(|| Box::pin(sleep(this.within)));
                end.as_mut().poll(cx).map(|()| Some(Err(TooSlow.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(limit: usize, pieces: &[Vec<u8>]) -> Option<Output> {
        let mut kept = Kept::of(limit);
        for piece in pieces {
            kept.push(piece);
        }
        kept.output()
    }

    proptest! {
        #[test]
        fn beginning_and_end_are_kept_and_every_byte_is_accounted_for(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..10), limit in 0usize..600,
        ) {
            let whole = pieces.concat();
            let Some(output) = kept(limit, &pieces) else {
                prop_assert!(whole.is_empty());
                return Ok(());
            };
            let bytes = output.bytes();
            prop_assert!(bytes.len() <= limit);
            prop_assert_eq!(bytes.len() as u64 + output.omitted, whole.len() as u64);
            if whole.len() <= limit {
                prop_assert_eq!(&*bytes, &whole[..]);
            } else {
                // Of text, up to three bytes at each side of the gap are not kept.
                prop_assert!(bytes.len() + 6 >= limit);
                prop_assert!(whole.starts_with(&bytes[..(limit / 5 * 2).saturating_sub(3)]));
                prop_assert!(whole.ends_with(&bytes[(limit / 5 * 2).min(bytes.len())..]));
            }
        }

        #[test]
        fn text_stays_text_wherever_it_is_cut(text in "[aé日𝄞]{0,200}", limit in 0usize..300) {
            let output = kept(limit, &[text.clone().into_bytes()]);
            let output = output.unwrap_or_default();
            prop_assert_eq!(&output.exact, &None);
            prop_assert!(text.starts_with(&output.head) && text.ends_with(&output.tail));
        }
    }
}
