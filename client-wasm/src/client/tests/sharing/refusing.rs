//! Channels that the server refuses to one of several tabs.

use super::*;

#[test]
fn a_refusal_reaches_the_tab_that_asked() {
    let mut browser = Browser::open(2);
    let id = browser.subscribes(1, "secret");
    browser.refuse(0, "secret");
    assert_eq!(browser.tabs[1].settled(), [(id, Some("forbidden".to_owned()))]);
    assert_eq!(browser.tabs[1].failures()[0].code, "forbidden");
    assert!(browser.tabs[0].failures().is_empty() && browser.tabs[0].settled().is_empty());
}

#[test]
fn a_channel_refused_to_another_tab_is_asked_for_on_the_next_stream() {
    let mut browser = Browser::open(2);
    let id = browser.subscribes(1, "secret");
    let next_stream = |browser: &mut Browser| {
        browser.tabs[0].fail();
        browser.tabs[0].pass(5_000);
        browser.tabs[0].opened();
        browser.tabs[0].connected("", 10, true);
        browser.spread();
    };
    browser.refuse(0, "secret");
    assert_eq!((browser.tabs[1].settled().len(), browser.tabs[1].failures().len()), (1, 1));
    next_stream(&mut browser);
    browser.refuse(0, "secret");
    assert!(browser.tabs[1].settled().is_empty() && browser.tabs[1].failures().is_empty(), "it was told before");
    next_stream(&mut browser);
    let call = browser.tabs[0].sent_one().number;
    browser.tabs[0].subscribed(call, "secret", 12);
    browser.spread();
    assert_eq!(browser.tabs[1].settled(), [(id, None)]);
    assert_eq!(browser.tabs[1].gaps(), [(Some(patterns("secret")), vec![id])]);
    assert_eq!(browser.record(0, "secret", 13), [(1, id)]);
    assert!(browser.tabs[0].gaps().is_empty() && browser.tabs[0].settled().is_empty());
}

#[test]
fn a_channel_refused_to_another_tab_is_asked_for_when_the_server_subscribes_it() {
    let mut browser = Browser::open(2);
    let id = browser.subscribes(1, "secret");
    browser.refuse(0, "secret");
    browser.tabs[1].settled();
    let (request_id, channels) = ("server".to_owned(), patterns("secret"));
    browser.tabs[0].frame(Frame::Subscribed { request_id, channels, addressed: false, cursor: Some(at(11)) });
    browser.spread();
    let call = browser.tabs[0].sent_one().number;
    browser.tabs[0].subscribed(call, "secret", 12);
    browser.spread();
    assert_eq!(browser.tabs[1].settled(), [(id, None)]);
    assert_eq!(browser.record(0, "secret", 13), [(1, id)]);
}

#[test]
fn a_call_that_is_repeated_by_a_tab_goes_on() {
    let mut browser = Browser::open(2);
    let id = browser.subscribes(1, "secret");
    browser.refuse(0, "secret");
    let (request_id, channels) = ("server".to_owned(), patterns("secret"));
    browser.tabs[0].frame(Frame::Subscribed { request_id, channels, addressed: false, cursor: Some(at(11)) });
    browser.spread();
    let call = browser.tabs[0].sent_one().number;
    browser.tabs[0].subscribed(call, "secret", 12);
    browser.tabs[0].status(call, 200);
    // Another call is under way, and a further one would have to wait for it.
    browser.tabs[0].subscribe("other");
    browser.tabs[0].settle();
    browser.tabs[1].core.connect();
    browser.tabs[1].settle();
    browser.spread();
    assert_eq!(browser.record(0, "secret", 13), [(1, id)]);
}

#[test]
fn the_next_leader_knows_the_channels_that_were_refused_to_a_tab() {
    let mut browser = Browser::open(2);
    let id = browser.subscribes(1, "secret");
    browser.refuse(0, "secret");
    browser.tabs[1].settled();
    browser.tabs[0].core.suspend();
    browser.tabs[0].settle();
    browser.locked(1);
    browser.tabs[1].pass(200);
    browser.tabs[1].opened();
    browser.tabs[1].connected("", 10, true);
    let call = browser.tabs[1].sent_one().number;
    browser.tabs[1].subscribed(call, "secret", 12);
    assert_eq!(browser.tabs[1].settled(), [(id, None)]);
}

#[test]
fn a_leader_whose_credentials_are_refused_lets_another_try() {
    let mut browser = Browser::open(2);
    browser.tabs[0].fail();
    browser.tabs[0].pass(2_000);
    browser.spread();
    browser.tabs[0].fail();
    let check = browser.tabs[0].sent_one().number;
    browser.tabs[0].status(check, 401);
    assert!(browser.exited(0));
    assert_eq!(browser.tabs[0].core.state(), State::Waiting);
}
