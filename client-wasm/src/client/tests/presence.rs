//! Presence: who is online, and being counted as online.

mod calls;

use super::*;

const ALIVE: u64 = 30_000;

impl Rig {
    /// An open stream of a server with presence. Heartbeats arrive while time passes with [`Rig::live`].
    fn present() -> Self {
        let mut rig = Self::new();
        rig.core.connect();
        rig.settle();
        rig.connected_with(ALIVE);
        rig.done.clear();
        rig
    }

    fn connected_with(&mut self, alive_ms: u64) {
        self.frame(Frame::Connected(Connected {
            id: Some(at(10)),
            connection_id: "n1".into(),
            resumed: true,
            alive_ms,
            ..Connected::default()
        }));
    }

    fn watch(&mut self, channel: &str) -> HandlerId {
        let id = self.core.presence(channel.parse().unwrap());
        self.settle();
        id
    }

    /// Delivers a presence frame of a channel; returns the handlers that received it.
    fn told(&mut self, channel: &str) -> Vec<HandlerId> {
        self.read(None, Hears::Presence, channel, 0)
    }

    /// Time passes on a stream with heartbeats.
    fn live(&mut self, ms: u64) {
        for _ in 0..ms / 10_000 {
            self.pass(10_000);
            self.heartbeat(10);
        }
    }
}

#[test]
fn presence_is_asked_for_in_one_call_and_whole_again_when_it_changes() {
    let mut rig = Rig::present();
    let first = rig.core.presence("a".parse().unwrap());
    rig.core.presence("b:*".parse().unwrap());
    rig.core.presence("a".parse().unwrap());
    rig.settle();
    let call = rig.sent_one();
    assert_eq!(call.url, "/e/presence");
    assert_eq!(call.body.unwrap(), r#"{"connectionId":"n1","revision":1,"channels":["a","b:*"]}"#);
    // While a call is under way, no other call is made.
    rig.core.unsubscribe(rig.now, first);
    rig.watch("c");
    assert!(rig.sent().is_empty());
    rig.status(call.number, 200);
    let call = rig.sent_one();
    assert_eq!(call.body.unwrap(), r#"{"connectionId":"n1","revision":2,"channels":["b:*","a","c"]}"#);
    rig.status(call.number, 200);
    assert!(rig.sent().is_empty());
}

#[test]
fn presence_changes_reach_the_watchers_of_the_channel_only() {
    let mut rig = Rig::present();
    let id = rig.core.presence("a".parse().unwrap());
    let wide = rig.watch("a:*");
    let call = rig.sent_one().number;
    // The stream may be faster than the answer.
    assert_eq!(rig.told("a"), [id]);
    assert!(rig.settled().is_empty());
    rig.status(call, 200);
    assert_eq!(rig.settled(), [(id, None), (wide, None)]);
    assert_eq!(rig.told("a:*"), [wide]);
    for other in ["a:1", "b", "*"] {
        assert_eq!(rig.told(other), [], "{other}");
    }
    assert_eq!(rig.core.heard_up_to(HandlerId(u32::MAX)), at(10).to_string(), "the stream's cursor stays");
    assert_eq!(rig.record("a", 11), [], "records are for others");
}

#[test]
fn a_new_stream_is_asked_anew() {
    let mut rig = Rig::present();
    let id = rig.watch("a");
    rig.sent();
    let url = rig.reopen();
    assert!(!url.contains("channels"), "it is no subscription: {url}");
    rig.connected_with(ALIVE);
    assert_eq!(rig.sent_one().body.unwrap(), r#"{"connectionId":"n1","revision":2,"channels":["a"]}"#);
    assert_eq!(rig.told("a"), [id]);
}

#[test]
fn the_last_handler_takes_the_channel_along_and_nothing_is_asked_for_nothing() {
    let mut rig = Rig::present();
    assert!(rig.sent().is_empty());
    let id = rig.watch("a");
    let call = rig.sent_one().number;
    rig.status(call, 200);
    rig.core.unsubscribe(rig.now, id);
    rig.settle();
    assert_eq!(rig.settled(), [(id, None)]);
    assert_eq!(rig.sent_one().body.unwrap(), r#"{"connectionId":"n1","revision":2,"channels":[]}"#);
    assert_eq!(rig.told("a"), []);
}

#[test]
fn a_refusal_is_told_to_its_handlers_and_leaves_the_subscription_to_the_channel_alone() {
    let mut rig = Rig::present();
    let (heard, seen, other) = (rig.subscribe("a"), rig.watch("a"), rig.watch("b"));
    rig.settle();
    let calls = rig.sent();
    let presence = calls.iter().find(|call| call.url.ends_with("presence")).unwrap().number;
    let subscribe = calls.iter().find(|call| call.url.ends_with("subscribe")).unwrap().number;
    rig.subscribed(subscribe, "a", 10);
    assert_eq!(rig.settled(), [(heard, None)]);
    let rejected = vec![Rejected { channel: "a".parse().unwrap(), code: "forbidden".into() }];
    rig.answer(presence, Answer { status: Some(200), rejected, ..Answer::default() });
    assert_eq!(rig.settled(), [(seen, Some("forbidden".into()))]);
    let failure = rig.failures().remove(0);
    assert_eq!((&*failure.code, failure.channel), ("forbidden", "a".parse().ok()));
    assert_eq!(rig.record("a", 11), [heard]);
    assert!(rig.told("a").is_empty());

    let call = rig.sent_one().number;
    rig.status(call, 200);
    assert_eq!(rig.settled(), [(other, None)]);
    assert_eq!(rig.told("b"), [other]);
    let ended = Rejected { channel: "b".parse().unwrap(), code: "forbidden".into() };
    rig.frame(Frame::PresenceRefused(ended));
    assert_eq!(rig.settled(), [(other, Some("forbidden".into()))], "it is told that it no longer does");
    assert_eq!(rig.failures()[0].channel, "b".parse().ok());
    assert!(rig.told("b").is_empty());
    // The application may have been granted presence meanwhile.
    rig.core.connect();
    rig.settle();
    assert!(rig.sent_one().body.unwrap().ends_with(r#""channels":["a","b"]}"#));
}

#[test]
fn refused_presence_is_asked_for_again_on_the_next_stream() {
    let mut rig = Rig::present();
    let id = rig.watch("a");
    let call = rig.sent_one().number;
    let refusal = || Answer {
        status: Some(200),
        rejected: vec![Rejected { channel: "a".parse().unwrap(), code: "forbidden".into() }],
        ..Answer::default()
    };
    rig.answer(call, refusal());
    assert_eq!((rig.settled().len(), rig.failures().len()), (1, 1));
    rig.reopen();
    rig.connected_with(ALIVE);
    let call = rig.sent_one();
    assert!(call.body.unwrap().ends_with(r#""channels":["a"]}"#));
    rig.answer(call.number, refusal());
    assert!(rig.settled().is_empty() && rig.failures().is_empty(), "it was told before");
    rig.reopen();
    rig.connected_with(ALIVE);
    let call = rig.sent_one().number;
    rig.status(call, 200);
    assert_eq!(rig.settled(), [(id, None)]);
    assert!(rig.gaps().is_empty(), "the list comes in full");
    assert_eq!(rig.told("a"), [id]);
}

#[test]
fn presence_is_reason_enough_to_connect_and_to_stay() {
    let mut rig = Rig::with(Config { idle_ms: Some(5_000), ..Config::new("/e") });
    let id = rig.watch("a");
    rig.opened();
    rig.connected_with(ALIVE);
    rig.live(10_000);
    assert_eq!(rig.core.state(), State::Open);
    rig.core.unsubscribe(rig.now, id);
    rig.settle();
    rig.pass(5_000);
    assert_eq!(rig.core.state(), State::Idle);
}

/// Passes each tab's messages to the other until both are silent; returns the handlers of the second tab that received
/// the frames in them.
fn converse(leader: &mut Rig, follower: &mut Rig) -> Vec<HandlerId> {
    let mut heard = Vec::new();
    loop {
        let posts = |rig: &mut Rig| {
            rig.take(|action| match action {
                Action::Post { message, .. } => Some(message.clone()),
                _ => None,
            })
        };
        let mut frames = std::mem::take(&mut leader.posted);
        let (down, up) = (posts(leader), posts(follower));
        if down.is_empty() && up.is_empty() {
            return heard;
        }
        for message in up {
            leader.core.on_message(leader.now, message);
            leader.settle();
        }
        for message in down {
            let relayed = follower.core.on_message(follower.now, message);
            follower.settle();
            if let Some(Relayed { calls, .. }) = relayed {
                let (hears, channel, seq) = frames.pop_front().unwrap();
                heard.extend(follower.read(calls.first().copied(), hears, &channel, seq));
            }
        }
    }
}

/// A tab that has the stream for all tabs.
fn leader() -> Rig {
    let mut rig = Rig::with(Config { share: true, ..Config::new("/e") });
    rig.core.connect();
    rig.settle();
    rig.core.locked(rig.now);
    rig.settle();
    rig.connected_with(ALIVE);
    rig.done.clear();
    rig
}

/// A tab that watches a channel through another tab's stream.
fn follower(channel: &str, leader: &mut Rig) -> (Rig, HandlerId) {
    let mut rig = Rig::with(Config { share: true, ..Config::new("/e") });
    // Each tab has a random name of its own.
    rig.core = ClientCore::new(
        Config { share: true, ..Config::new("/e") },
        Identity { device_id: "d1".into(), session_id: "s2".into() },
        43,
    );
    let id = rig.watch(channel);
    rig.core.held(rig.now);
    rig.settle();
    let check = rig.sent_one().number;
    rig.status(check, 200);
    converse(leader, &mut rig);
    (rig, id)
}

#[test]
fn a_tab_without_a_stream_sees_through_the_one_that_has_it() {
    let mut leader = leader();
    let own = leader.watch("a");
    let call = leader.sent_one().number;
    leader.status(call, 200);
    let (mut follower, theirs) = follower("a", &mut leader);
    // The tab knows none of the earlier presence frames, so the whole list is sent again.
    let call = leader.sent_one();
    assert!(call.body.unwrap().ends_with(r#""channels":["a"]}"#));
    assert_eq!(leader.told("a"), [own]);
    assert_eq!(converse(&mut leader, &mut follower), [theirs]);
    leader.status(call.number, 200);
    converse(&mut leader, &mut follower);
    assert_eq!(follower.settled(), [(theirs, None)]);

    let another = follower.watch("b");
    converse(&mut leader, &mut follower);
    let call = leader.sent_one();
    assert!(call.body.unwrap().ends_with(r#""channels":["a","b"]}"#));
    let rejected = vec![Rejected { channel: "b".parse().unwrap(), code: "forbidden".into() }];
    leader.answer(call.number, Answer { status: Some(200), rejected, ..Answer::default() });
    converse(&mut leader, &mut follower);
    assert_eq!(follower.settled(), [(another, Some("forbidden".into()))]);
    assert!(leader.settled().iter().all(|(id, _)| *id == own), "it is nobody else's refusal");

    follower.core.unsubscribe(follower.now, theirs);
    follower.settle();
    converse(&mut leader, &mut follower);
    let call = leader.sent_one();
    assert!(call.body.unwrap().ends_with(r#""channels":["a"]}"#));
    leader.status(call.number, 200);
    leader.core.unsubscribe(leader.now, own);
    leader.settle();
    assert!(leader.sent_one().body.unwrap().ends_with(r#""channels":[]}"#));
}

#[test]
fn the_end_of_presence_on_a_channel_is_reported_to_the_tab_that_watched_it() {
    let mut leader = leader();
    let (mut follower, theirs) = follower("a", &mut leader);
    let call = leader.sent_one().number;
    leader.status(call, 200);
    converse(&mut leader, &mut follower);
    follower.settled();
    leader.frame(Frame::PresenceRefused(Rejected { channel: "a".parse().unwrap(), code: "forbidden".into() }));
    converse(&mut leader, &mut follower);
    assert_eq!(follower.settled(), [(theirs, Some("forbidden".into()))]);
    assert!(leader.failures().is_empty());
}

#[test]
fn a_tab_that_takes_the_stream_over_asks_anew() {
    let mut leader = leader();
    let (mut follower, theirs) = follower("a", &mut leader);
    let call = leader.sent_one().number;
    leader.status(call, 200);
    converse(&mut leader, &mut follower);
    follower.core.locked(follower.now);
    follower.settle();
    follower.pass(200);
    follower.opened();
    follower.connected_with(ALIVE);
    assert!(follower.sent_one().body.unwrap().ends_with(r#""channels":["a"]}"#));
    assert_eq!(follower.told("a"), [theirs]);
}
