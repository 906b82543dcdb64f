//! Receivers that hang, refuse, fail and hang up, as a server meets them.

use std::time::{Duration, Instant};

use crate::account::all_is_told;
use crate::home::{Home, KEY};
use crate::node::until;
use crate::receiver::{Mood, Receiver};

/// A receiver that behaves so once, and then accepts everything; how long it takes at least until it is asked again.
fn that(mood: Mood, seconds: u64) -> (Receiver, Duration) {
    let receiver = Receiver::new();
    receiver.behave(&[mood]);
    (receiver, Duration::from_secs(seconds))
}

#[test]
#[ignore = "takes long; run by ./test"]
fn fault_52_receivers_that_hang_refuse_fail_and_hang_up_are_told_in_the_end_and_delay_nobody() {
    let home = Home::sqlite();
    let others = [
        ("hangs", that(Mood::Hangs, 15)),
        ("is-busy", that(Mood::Says("429 Too Many Requests\r\nretry-after: 13"), 13)),
        ("fails", that(Mood::Says("500 Internal Server Error"), 7)),
        ("hangs-up", that(Mood::Resets, 7)),
    ];
    let mut text =
        "[jobs.job]\nevery = \"1d\"\nnotify = [\"hangs\", \"is-busy\", \"fails\", \"hangs-up\", \"ops\"]\n"
            .to_owned();
    for (name, (receiver, _)) in &others {
        text += &format!("[channels.{name}]\nwebhook = \"{}\"\n", receiver.url());
    }
    home.configure(&text);
    let node = home.serve();
    let began = Instant::now();
    let answer = node.get(&format!("/ping/{KEY}/job/fail"));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    until("the well one is told", || home.receiver.requests().len() == 1);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    until("all are told", || all_is_told(&home));
    for (name, (receiver, least)) in &others {
        let requests = receiver.requests();
        let [first, second] = &requests[..] else { panic!("{name}: {requests:#?}") };
        assert_eq!((first.id, &first.notices), (second.id, &second.notices), "{name}");
        assert!(second.at - first.at >= *least, "{name}: {:?}", second.at - first.at);
    }
    assert_eq!(home.receiver.requests().len(), 1);
    node.stop();
}
