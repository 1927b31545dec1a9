//! The events that each tab receives through the shared stream.

use super::*;

#[test]
fn a_followers_handler_is_confirmed_and_served_by_the_leaders_stream() {
    let mut browser = Browser::open(3);
    let news = browser.subscribed(0, 1, "news", 10);
    assert_eq!(browser.record(0, "news", 11), [(1, news)]);
    assert_eq!(browser.record(0, "other", 12), []);
}

#[test]
fn a_channel_of_several_tabs_is_asked_for_once_and_left_with_the_last() {
    let mut browser = Browser::open(3);
    let first = browser.subscribed(0, 1, "news", 10);
    let second = browser.tabs[2].subscribe("news");
    browser.tabs[2].settle();
    browser.spread();
    assert!(browser.tabs[0].sent().is_empty(), "the stream carries it already");
    assert_eq!(browser.record(0, "news", 11), [(1, first), (2, second)]);

    let now = browser.tabs[1].now;
    browser.tabs[1].core.unsubscribe(now, first);
    browser.tabs[1].settle();
    browser.spread();
    assert!(browser.tabs[0].sent().is_empty());
    browser.tabs[2].core.unsubscribe(now, second);
    browser.tabs[2].settle();
    browser.spread();
    assert_eq!(browser.tabs[0].sent_one().url, "/e/unsubscribe");
}

#[test]
fn the_past_that_a_follower_asks_for_reaches_it_alone() {
    let mut browser = Browser::open(2);
    let own = browser.tabs[0].subscribe("news");
    browser.tabs[0].settle();
    let call = browser.tabs[0].sent_one().number;
    browser.tabs[0].status(call, 200);
    browser.tabs[0].subscribed(call, "news", 10);

    let past = browser.tabs[1].subscribe_since("news", 3);
    browser.tabs[1].settle();
    browser.spread();
    let call = browser.tabs[0].sent_one();
    assert!(call.body.unwrap().contains(r#""since":"1.3.3""#));
    assert!(browser.tabs[0].backfill(call.number, "news", 4).is_empty());
    browser.spread();
    assert_eq!(std::mem::take(&mut browser.heard), [(1, past)]);
    browser.tabs[0].status(call.number, 200);
    browser.tabs[0].subscribed(call.number, "news", 10);
    browser.spread();
    assert_eq!(browser.record(0, "news", 11), [(0, own), (1, past)]);
}

#[test]
fn a_gap_is_told_in_every_tab() {
    let mut browser = Browser::open(2);
    let news = browser.subscribed(0, 1, "news", 10);
    browser.tabs[0].gap(None, Some(40));
    browser.spread();
    assert_eq!(browser.tabs[0].gaps(), [(None, vec![])]);
    assert_eq!(browser.tabs[1].gaps(), [(None, vec![news])]);
}

#[test]
fn an_echo_is_hidden_from_its_own_tab_alone() {
    let mut browser = Browser::open(2);
    let theirs = browser.subscribed(0, 1, "news", 10);
    browser.tabs[0].subscribe("news");
    browser.tabs[0].settle();
    let leader = &mut browser.tabs[0];
    let route = leader.core.routes().find("news", Hears::Channels);
    let except = Exclusion { user_id: "ana", session_id: Some("s0"), device_id: None };
    let mut own = Vec::new();
    leader.reading = Some((Hears::Channels, "news".into(), 11));
    leader.core.record(leader.now, route, Some(at(11)), Some(&except), &mut own);
    leader.settle();
    browser.spread();
    assert!(own.is_empty());
    assert_eq!(browser.heard, [(1, theirs)]);
    assert!(browser.tabs[0].core.hides(&except) && !browser.tabs[1].core.hides(&except));
}

#[test]
fn the_channels_of_a_tab_are_unsubscribed_when_it_is_gone() {
    let mut browser = Browser::open(2);
    assert!(!browser.names[1].is_empty());
    browser.subscribed(0, 1, "news", 10);
    browser.gone(0, 1);
    assert_eq!(browser.tabs[0].sent_one().url, "/e/unsubscribe");
}

#[test]
fn an_event_that_another_tab_receives_is_not_unhandled() {
    let mut browser = Browser::open(2);
    let route = browser.tabs[0].core.routes().find("news", Hears::Channels);
    assert!(browser.tabs[0].core.is_unheard(route));
    browser.subscribed(0, 1, "news", 10);
    let route = browser.tabs[0].core.routes().find("news", Hears::Channels);
    assert!(!browser.tabs[0].core.is_unheard(route));
}

#[test]
fn an_addressed_event_without_a_handler_in_any_tab_is_unhandled() {
    let mut browser = Browser::open(2);
    browser.tabs[1].core.on("note".parse().unwrap());
    browser.tabs[1].settle();
    browser.spread();
    for (label, is_unheard) in [("note", false), ("stray", true)] {
        let route = browser.tabs[0].core.routes().find(label, Hears::Addressed);
        assert_eq!(browser.tabs[0].core.is_unheard(route), is_unheard, "{label}");
    }
}

/// Pages of the old and the new version of an app are open side by side during a deploy, and share a stream only if
/// both understand the same messages.
#[test]
fn tabs_speak_the_messages_of_their_version() {
    let mut browser = Browser::new(1);
    browser.lead(0);
    browser.tabs[0].connected("", 10, false);
    browser.join(Browser::new(3));
    browser.follow(1, "bob");
    browser.join(Browser::new(2));
    browser.follow(2, "ana");
    let past = browser.tabs[2].subscribe_since("chat:*", 3);
    let seen = browser.tabs[2].core.presence("room".parse().unwrap());
    browser.tabs[2].settle();
    browser.spread();
    for call in browser.tabs[0].sent() {
        browser.tabs[0].status(call.number, 200);
        browser.tabs[0].backfill(call.number, "chat:7", 4);
        browser.tabs[0].subscribed(call.number, "chat:*", 10);
    }
    browser.record(0, "chat:7", 11);
    browser.tabs[0].gap(Some("chat:*"), None);
    browser.tabs[0].gap(None, Some(12));
    browser.tabs[2].core.connect();
    browser.tabs[2].core.unsubscribe(0, past);
    browser.tabs[2].core.unsubscribe(0, seen);
    browser.spread();
    browser.tabs[2].subscribe("secret");
    browser.tabs[2].settle();
    browser.spread();
    let call = browser.tabs[0].sent().pop().unwrap().number;
    let rejected = vec![Rejected { channel: "secret".parse().unwrap(), code: "forbidden".into() }];
    browser.tabs[0].answer(call, Answer { status: Some(200), rejected, ..Answer::default() });
    browser.spread();
    browser.tabs[0].frame(Frame::Closing { reason: "drain".into(), retry_ms: 500 });
    browser.tabs[0].pass(1_000);
    let now = browser.tabs[0].now;
    browser.tabs[0].core.refused(now, Answer { status: Some(503), ..Answer::default() });
    browser.tabs[0].pass(5_000);
    browser.tabs[0].connected("", 12, true);
    browser.spread();

    for (tab, name) in browser.names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        browser.said.iter_mut().for_each(|said| *said = said.replace(name, &format!("T{tab}")));
    }
    // A `|` stands for the end of a line.
    let said: Vec<_> = browser.said.iter().map(|said| said.replace('\n', "|")).collect();
    let expected = [
        "lead|T0.1|1|",
        "open|T1|1|ubob|[",
        "otherUser|T0.1|2|T1",
        "open|T2|1|uana|[",
        "welcome|T0.1|3|T2|1|1|open|0||n1|connected|1.a.a|n1|[|[|0|15000||0|0|ana",
        "subscribe|T2|2|[ chat:*|0|1.3.3",
        "answer|T0.1|4|1|2|200",
        "backfill|T0.1|5|[ 1 2",
        "frame|T0.1|6|1|subscribed|2|[ chat:*|0|1.a.a",
        "event|T0.1|7|1.b.b|[ 1",
        "frame|T0.1|8||gap||[ chat:*|0|||trimmed",
        "frame|T0.1|9||gap|1.c.c||1|||trimmed",
        "unsubscribe|T2|3|[ chat:*",
        "connect|T2",
        "answer|T0.1|10|1|3|200",
        "frame|T0.1|11||heartbeat|1.c.c",
        "subscribe|T2|4|[ secret|0|",
        "answer|T0.1|12|1|4|200",
        "refused|T0.1|13|1|[ secret forbidden",
        "status|T0.1|14|waiting|1|716|",
        "frame|T0.1|15||heartbeat|",
        "status|T0.1|16|connecting|1||",
        "status|T0.1|17|waiting|2|1738|",
        "failure|T0.1|18|unavailable|503|",
        "status|T0.1|19|connecting|2||",
        "status|T0.1|20|open|0||n1",
        "frame|T0.1|21||connected|1.c.c|n1|[|[|0|15000||0|0|ana",
        "subscribe|T2|5|[ secret|0|",
        "answer|T0.1|22|1|5|200",
    ];
    assert_eq!(said, expected, "if the tabs are to say something else, raise message::VERSION");
}

#[test]
fn a_gap_among_addressed_events_reaches_the_tabs_that_receive_them() {
    let mut browser = Browser::open(2);
    let on = browser.tabs[1].core.on("note".parse().unwrap());
    browser.tabs[1].settle();
    browser.spread();
    browser.tabs[0].gap_among_addressed("");
    browser.spread();
    let told = browser.tabs[1].take(|action| match action {
        Action::Gap { channels, addressed: true, handlers, .. } => Some((channels.clone(), handlers.clone())),
        _ => None,
    });
    assert_eq!(told, [(Some(vec![]), vec![on])]);
}
