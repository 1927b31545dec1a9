//! A tab that is behind the others.

use super::*;

#[test]
fn a_new_leader_goes_on_from_where_it_is_and_the_others_are_brought_what_they_missed() {
    let mut browser = Browser::open(3);
    let first = browser.subscribed(0, 1, "news", 10);
    let second = browser.subscribed(0, 2, "chat", 10);
    browser.record(0, "news", 11);
    // One tab does not receive the leader's last message.
    browser.tabs[0].record("news", 12);
    for post in browser.posted(0) {
        browser.tell(1, &post);
    }
    browser.heard.clear();

    browser.locked(1);
    let url = browser.tabs[1].opened();
    assert_eq!(parameter(&url, "lastEventId"), Some(at(12).to_string()));
    assert_eq!(channels_of(&url), "news");
    browser.tabs[1].connected("news", 12, true);
    browser.spread();
    assert_eq!(browser.record(1, "news", 14), [(1, first)]);

    let call = browser.asked_past(1, r#""channels":["chat"]"#, 11);
    browser.tabs[1].backfill(call, "chat", 13);
    browser.spread();
    assert_eq!(std::mem::take(&mut browser.heard), [(2, second)]);
    browser.tabs[1].subscribed(call, "chat", 14);
    browser.spread();
    assert!(browser.tabs[2].settled().is_empty(), "it was told before that it hears");
    assert_eq!(browser.record(1, "chat", 15), [(2, second)]);
}

#[test]
fn a_tab_that_returns_from_an_earlier_cursor_receives_the_addressed_events_since() {
    let (mut browser, theirs) = Browser::with_one_behind();
    assert!(!browser.tabs[0].opened_any(), "the stream goes on");
    let call = browser.asked_past(0, r#""channels":[],"addressed":true"#, 10);
    assert_eq!(browser.addressed(0, None, 13), [], "first what came before");
    assert_eq!(browser.addressed(0, Some(call), 11), [(1, theirs)]);
    browser.tabs[0].subscribed_addressed(call, 13);
    browser.spread();
    assert_eq!(browser.addressed(0, None, 14), [(1, theirs)]);
}

#[test]
fn a_tab_that_returns_at_the_cursor_of_the_stream_needs_no_call() {
    let mut browser = Browser::open(2);
    let theirs = browser.tabs[1].core.on("note".parse().unwrap());
    browser.tabs[1].settle();
    browser.spread();
    browser.leave_and_return(1);
    assert!(browser.tabs[0].sent().is_empty() && !browser.tabs[0].opened_any());
    assert_eq!(browser.addressed(0, None, 11), [(1, theirs)]);
}

#[test]
fn a_tab_that_missed_a_message_joins_again_from_its_cursor() {
    let mut browser = Browser::open(2);
    let news = browser.subscribed(0, 1, "news", 10);
    browser.tabs[0].record("news", 11);
    browser.posted(0);
    assert_eq!(browser.record(0, "news", 12), [], "the number says that something is missing");
    let call = browser.asked_past(0, r#""channels":["news"]"#, 10);
    for seq in [11, 12] {
        browser.tabs[0].backfill(call, "news", seq);
        browser.spread();
        assert_eq!(std::mem::take(&mut browser.heard), [(1, news)]);
    }
    browser.tabs[0].subscribed(call, "news", 12);
    browser.spread();
    assert_eq!(browser.record(0, "news", 13), [(1, news)]);
}

#[test]
fn a_tab_that_missed_that_the_leader_has_another_stream_reports_its_name() {
    let mut browser = Browser::open(2);
    browser.tabs[0].fail();
    browser.tabs[0].pass(2_000);
    browser.tabs[0].frame(Frame::Connected(Connected {
        id: Some(at(10)),
        connection_id: "n2".into(),
        user_id: Some("ana".into()),
        resumed: true,
        heartbeat_ms: 15_000,
        ..Connected::default()
    }));
    browser.posted(0);
    browser.tabs[0].heartbeat(10);
    browser.spread();
    let told = browser.tabs[1].take(|action| match action {
        Action::State(status) => Some((status.state, status.connection_id.clone())),
        _ => None,
    });
    assert_eq!(told, [(State::Open, Some("n2".to_owned()))]);
}

#[test]
fn a_web_page_in_place_of_the_answer_says_nothing_of_the_user() {
    let mut browser = Browser::open(1);
    browser.join(Browser::new(2));
    browser.enter(1);
    let check = browser.check(1);
    let rig = &mut browser.tabs[1];
    rig.answer(check, web_page());
    assert_eq!(rig.failures().iter().map(|one| &*one.code).collect::<Vec<_>>(), ["notFound"]);
    assert_eq!(rig.core.state(), State::Waiting);
    assert!(browser.posted(1).is_empty(), "nobody is asked for a stream as nobody in particular");
}

#[test]
fn only_the_answer_to_the_last_time_it_said_where_it_is_counts() {
    let mut browser = Browser::open(1);
    browser.join(Browser::new(2));
    browser.enter(1);
    browser.verify_unheard(1, "ana");
    let first = browser.posted(1);
    browser.tabs[1].pass(1_000);
    let second = browser.posted(1);
    browser.tell(0, &first[0]);
    for post in browser.posted(0) {
        browser.tell(1, &post);
    }
    assert_eq!(browser.tabs[1].core.state(), State::Connecting);
    browser.tell(0, &second[0]);
    browser.spread();
    assert_eq!(browser.tabs[1].core.state(), State::Open);
}

#[test]
fn a_call_that_the_leader_missed_is_made_again() {
    let mut browser = Browser::open(2);
    browser.tabs[1].subscribe("news");
    browser.tabs[1].settle();
    assert_eq!(browser.posted(1).len(), 1, "and lost");
    browser.tabs[1].pass(4_999);
    browser.spread();
    assert!(browser.tabs[0].sent().is_empty(), "it may still be on its way");
    browser.tabs[1].pass(2_001);
    browser.spread();
    let body = browser.tabs[0].sent_one().body.unwrap();
    assert!(body.contains(r#""channels":["news"]"#), "{body}");
    assert!(browser.tabs[1].failures().is_empty(), "it is nothing to tell the application");
}

#[test]
fn a_call_whose_answer_is_lost_is_asked_of_the_server_once() {
    let mut browser = Browser::open(2);
    browser.tabs[1].subscribe("news");
    browser.tabs[1].settle();
    for post in browser.posted(1) {
        browser.tell(0, &post);
        browser.tell(0, &post);
    }
    let body = browser.tabs[0].sent_one().body.unwrap();
    assert!(body.contains(r#""channels":["news"]"#), "{body}");
    assert!(browser.tabs[0].sent().is_empty());
}

#[test]
fn a_gap_of_one_that_is_behind_is_told_to_it_alone_and_the_others_go_on_where_they_are() {
    let (mut browser, theirs) = Browser::with_one_behind();
    let call = browser.asked_past(0, r#""channels":[],"addressed":true"#, 10);
    let (channels, reason, request_id) = (Some(Vec::new()), "trimmed".into(), Some(call.to_string()));
    browser.tabs[0].frame(Frame::Gap { channels, addressed: true, cursor: None, reason, request_id, id: None });
    browser.spread();
    assert_eq!(browser.tabs[1].gaps(), [(Some(vec![]), vec![theirs])]);
    assert_eq!(browser.tabs[0].gaps(), []);
    browser.tabs[0].subscribed_addressed(call, 12);
    browser.spread();
    assert_eq!(browser.addressed(0, None, 13), [(1, theirs)]);
}

#[test]
fn a_tab_that_comes_back_is_brought_what_came_before_the_stream_carried_its_channel() {
    let mut browser = Browser::open(2);
    // The stream has delivered every event up to 10, and carries the channel only from 12 on.
    browser.subscribed(0, 1, "news", 12);
    let say = |browser: &mut Browser, ask| {
        let message = Message::Ask { tab: "other".into(), ask };
        browser.tell(0, &(message.into_text(), None));
    };
    say(&mut browser, TabAsk::Open { attempt: 1, user: "uana".into(), channels: patterns("news") });
    let call = Call::Subscribe { channels: patterns("news"), addressed: false, since: Some(at(10)) };
    say(&mut browser, TabAsk::Call { number: 1, call });
    let call = browser.tabs[0].sent_one();
    let body =
        format!(r#"{{"connectionId":"n1","requestId":"{}","channels":["news"],"since":"{}"}}"#, call.number, at(10));
    assert_eq!(call.body.unwrap(), body);
}
