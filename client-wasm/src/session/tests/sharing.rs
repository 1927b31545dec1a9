//! Several tabs and one stream. The browser, which hands out locks and carries what the tabs post, is the test.

use super::*;

/// A message as it is carried, and the event that goes with it: its kind, channel and number.
type Posted = (String, Option<(Hears, String, u64)>);

/// Tabs of one browser.
struct House {
    tabs: Vec<Rig>,
    /// What they call themselves.
    names: Vec<String>,
    /// Who heard what was relayed since the last look.
    heard: Vec<(usize, HandlerId)>,
    /// All that was carried.
    said: Vec<String>,
}

impl House {
    fn new(tabs: usize) -> Self {
        let tab = |index: usize| {
            let identity = Identity { device_id: "d1".into(), session_id: format!("s{index}") };
            let config = Config { share: true, ..Config::new("/e") };
            let session = Session::new(config, identity, index as u64);
            Rig { session, ..Rig::new() }
        };
        Self {
            tabs: (0..tabs).map(tab).collect(),
            names: vec![String::new(); tabs],
            heard: Vec::new(),
            said: Vec::new(),
        }
    }

    /// The first tab leads, with an open stream at 10; the others follow, as the same user.
    fn open(tabs: usize) -> Self {
        let mut house = Self::new(tabs);
        house.lead(0);
        house.tabs[0].connected("", 10, false);
        for tab in 1..tabs {
            house.follow(tab, "ana");
            assert_eq!(house.tabs[tab].session.state(), State::Open);
        }
        house.tabs.iter_mut().for_each(|tab| tab.done.clear());
        house
    }

    fn enter(&mut self, tab: usize) {
        self.tabs[tab].session.connect();
        self.tabs[tab].settle();
        assert_eq!(self.entered(tab), [None]);
    }

    /// One more tab.
    fn join(&mut self, mut other: Self) {
        self.tabs.extend(other.tabs.pop());
        self.names.push(String::new());
    }

    fn lead(&mut self, tab: usize) {
        self.enter(tab);
        self.locked(tab);
    }

    /// It finds the lock taken; the server says whose it is.
    fn follow(&mut self, tab: usize, user: &str) {
        self.enter(tab);
        self.verify(tab, user);
    }

    fn verify(&mut self, tab: usize, user: &str) {
        let rig = &mut self.tabs[tab];
        rig.session.held(rig.now);
        rig.settle();
        let check = rig.sent_one();
        assert_eq!(check.url, "/e/check?deviceId=d1&protocol=2");
        rig.answer(check.number, &Answer { status: Some(200), user_id: Some(user.into()), ..Answer::default() });
        self.spread();
    }

    /// Somebody looks at the tab.
    fn visible(&mut self, tab: usize) {
        let rig = &mut self.tabs[tab];
        rig.session.visible(rig.now);
        rig.settle();
    }

    fn locked(&mut self, tab: usize) {
        let rig = &mut self.tabs[tab];
        rig.session.locked(rig.now);
        rig.settle();
        self.spread();
    }

    /// The groups that a tab asked for since the last look.
    fn entered(&mut self, tab: usize) -> Vec<Option<String>> {
        let entered = self.tabs[tab].take(|action| match action {
            Action::Enter { tab, user } => Some((tab.clone(), user.clone())),
            _ => None,
        });
        if let Some((name, _)) = entered.first() {
            self.names[tab].clone_from(name);
        }
        entered.into_iter().map(|(_, user)| user).collect()
    }

    fn exited(&mut self, tab: usize) -> bool {
        !self.tabs[tab].take(|action| (*action == Action::Exit).then_some(())).is_empty()
    }

    fn stole(&mut self, tab: usize) -> bool {
        !self.tabs[tab].take(|action| (*action == Action::Steal).then_some(())).is_empty()
    }

    /// What a tab has posted since the last look, as it is carried.
    fn posted(&mut self, tab: usize) -> Vec<Posted> {
        let rig = &mut self.tabs[tab];
        let posts = rig.take(|action| match action {
            Action::Post { message, with_frame } => Some((message.clone().into_text(), *with_frame)),
            _ => None,
        });
        posts.into_iter().map(|(text, with)| (text, with.then(|| rig.posted.pop_front()).flatten())).collect()
    }

    /// Carries what was posted to all other tabs, until nobody says anything.
    fn spread(&mut self) {
        loop {
            let posts: Vec<_> = (0..self.tabs.len())
                .flat_map(|tab| self.posted(tab).into_iter().map(move |post| (tab, post)))
                .collect();
            if posts.is_empty() {
                return;
            }
            for (from, post) in posts {
                self.said.push(post.0.clone());
                for to in (0..self.tabs.len()).filter(|to| *to != from) {
                    self.tell(to, &post);
                }
            }
        }
    }

    fn tell(&mut self, tab: usize, (text, frame): &Posted) {
        let rig = &mut self.tabs[tab];
        let relayed = rig.session.on_message(rig.now, Message::from_text(text).unwrap());
        rig.settle();
        if let Some(Relayed { calls, .. }) = relayed {
            let (hears, channel, seq) = frame.as_ref().unwrap();
            let calls: Vec<_> = if calls.is_empty() { vec![None] } else { calls.into_iter().map(Some).collect() };
            let heard = calls.into_iter().flat_map(|call| rig.read(call, *hears, channel, *seq));
            self.heard.extend(heard.map(|id| (tab, id)));
        }
    }

    /// A handler in a tab, which the others have heard of.
    fn subscribes(&mut self, tab: usize, channel: &str) -> HandlerId {
        let id = self.tabs[tab].subscribe(channel);
        self.tabs[tab].settle();
        self.spread();
        id
    }

    /// The server refuses the leader's only call.
    fn refuse(&mut self, leader: usize, channel: &str) {
        let call = self.tabs[leader].sent_one().number;
        let rejected = vec![Rejected { channel: channel.parse().unwrap(), code: "forbidden".into() }];
        self.tabs[leader].answer(call, &Answer { status: Some(200), rejected, ..Answer::default() });
        self.spread();
    }

    /// A handler in a tab, confirmed on the leader's stream at this position.
    fn subscribed(&mut self, leader: usize, tab: usize, channel: &str, at: u64) -> HandlerId {
        let id = self.subscribes(tab, channel);
        let call = self.tabs[leader].sent_one();
        self.tabs[leader].status(call.number, 200);
        self.tabs[leader].subscribed(call.number, channel, at);
        self.spread();
        assert_eq!(self.tabs[tab].settled(), [(id, None)]);
        id
    }

    /// A record on the leader's stream; who heard it, in which tab.
    fn record(&mut self, leader: usize, channel: &str, seq: u64) -> Vec<(usize, HandlerId)> {
        let own = self.tabs[leader].record(channel, seq);
        self.spread();
        own.into_iter().map(|id| (leader, id)).chain(std::mem::take(&mut self.heard)).collect()
    }

    /// An event for the user, live on the leader's stream or brought by a call; who heard it, in which tab.
    fn addressed(&mut self, leader: usize, call: Option<u32>, seq: u64) -> Vec<(usize, HandlerId)> {
        let own = self.tabs[leader].read(call, Hears::Addressed, "note", seq);
        self.spread();
        own.into_iter().map(|id| (leader, id)).chain(std::mem::take(&mut self.heard)).collect()
    }

    /// The leader's only call, which asks for this from there on.
    fn asked_past(&mut self, leader: usize, what: &str, since: u64) -> u32 {
        let call = self.tabs[leader].sent_one();
        let (number, since) = (call.number, at(since));
        let body = format!(r#"{{"connectionId":"n1","requestId":"{number}",{what},"since":"{since}"}}"#);
        assert_eq!(call.body.unwrap(), body);
        number
    }

    /// A tab's page goes into the back/forward cache and comes back.
    fn leave_and_return(&mut self, tab: usize) {
        let rig = &mut self.tabs[tab];
        rig.session.suspend();
        rig.settle();
        assert!(self.exited(tab));
        self.gone(0, tab);
        let rig = &mut self.tabs[tab];
        rig.session.resume(rig.now);
        rig.settle();
        self.entered(tab);
        self.verify(tab, "ana");
    }

    /// A tab was away while the leader's stream went on from 10 to 12; it has a handler of what is addressed to its user.
    fn with_one_behind() -> (Self, HandlerId) {
        let mut house = Self::open(2);
        house.tabs[0].subscribe("news");
        house.tabs[0].settle();
        let call = house.tabs[0].sent_one().number;
        house.tabs[0].status(call, 200);
        house.tabs[0].subscribed(call, "news", 10);
        let theirs = house.tabs[1].session.on("note".parse().unwrap());
        house.tabs[1].settle();
        house.spread();
        house.tabs[1].session.suspend();
        house.tabs[1].settle();
        assert!(house.exited(1));
        house.gone(0, 1);
        house.record(0, "news", 12);
        let rig = &mut house.tabs[1];
        rig.session.resume(rig.now);
        rig.settle();
        house.entered(1);
        house.verify(1, "ana");
        house.tabs.iter_mut().for_each(|tab| drop(tab.settled()));
        (house, theirs)
    }

    fn gone(&mut self, leader: usize, tab: usize) {
        let rig = &mut self.tabs[leader];
        rig.session.gone(&self.names[tab]);
        rig.settle();
    }
}

#[test]
fn the_first_tab_opens_its_stream_at_once_and_names_no_session() {
    let mut house = House::new(1);
    house.lead(0);
    assert_eq!(house.tabs[0].opened(), "/e?deviceId=d1");
    assert!(house.tabs[0].sent().is_empty());
}

#[test]
fn one_that_comes_later_follows_without_a_stream() {
    let mut house = House::new(2);
    house.lead(0);
    house.tabs[0].connected("", 10, false);
    house.follow(1, "ana");
    assert!(!house.tabs[1].opened_any());
    let status = house.tabs[1].statuses().pop().unwrap();
    assert_eq!((status.state, status.connection_id.as_deref()), (State::Open, Some("n1")));
    assert_eq!(house.tabs[1].session.user_id(), Some("ana"));
}

#[test]
fn one_that_comes_while_the_first_connects_is_taken_in_when_it_is_known_whose_the_stream_is() {
    let mut house = House::new(2);
    house.lead(0);
    house.follow(1, "ana");
    assert_eq!(house.tabs[1].session.state(), State::Connecting);
    house.tabs[0].connected("", 10, false);
    house.spread();
    assert_eq!(house.tabs[1].session.state(), State::Open);
}

#[test]
fn another_users_tab_goes_to_a_group_of_its_own_and_hears_nothing() {
    let mut house = House::open(1);
    house.join(House::new(2));
    house.follow(1, "bob");
    assert!(house.exited(1));
    assert_eq!(house.entered(1), [Some("ubob".to_owned())]);
    house.tabs[1].session.on("note".parse().unwrap());
    house.tabs[1].settle();
    assert_eq!(house.addressed(0, None, 11), []);
    house.locked(1);
    assert_eq!(house.tabs[1].opened(), "/e?deviceId=d1");
}

#[test]
fn a_followers_handler_is_confirmed_and_hears_by_the_leaders_stream() {
    let mut house = House::open(3);
    let news = house.subscribed(0, 1, "news", 10);
    assert_eq!(house.record(0, "news", 11), [(1, news)]);
    assert_eq!(house.record(0, "other", 12), []);
}

#[test]
fn a_channel_of_several_tabs_is_asked_for_once_and_left_with_the_last() {
    let mut house = House::open(3);
    let first = house.subscribed(0, 1, "news", 10);
    let second = house.tabs[2].subscribe("news");
    house.tabs[2].settle();
    house.spread();
    assert!(house.tabs[0].sent().is_empty(), "the stream carries it already");
    assert_eq!(house.record(0, "news", 11), [(1, first), (2, second)]);

    let now = house.tabs[1].now;
    house.tabs[1].session.unsubscribe(now, first);
    house.tabs[1].settle();
    house.spread();
    assert!(house.tabs[0].sent().is_empty());
    house.tabs[2].session.unsubscribe(now, second);
    house.tabs[2].settle();
    house.spread();
    assert_eq!(house.tabs[0].sent_one().url, "/e/unsubscribe");
}

#[test]
fn the_past_that_a_follower_asks_for_reaches_it_alone() {
    let mut house = House::open(2);
    let own = house.tabs[0].subscribe("news");
    house.tabs[0].settle();
    let call = house.tabs[0].sent_one().number;
    house.tabs[0].status(call, 200);
    house.tabs[0].subscribed(call, "news", 10);

    let past = house.tabs[1].subscribe_since("news", 3);
    house.tabs[1].settle();
    house.spread();
    let call = house.tabs[0].sent_one();
    assert!(call.body.unwrap().contains(r#""since":"1.3.3""#));
    assert!(house.tabs[0].backfill(call.number, "news", 4).is_empty());
    house.spread();
    assert_eq!(std::mem::take(&mut house.heard), [(1, past)]);
    house.tabs[0].status(call.number, 200);
    house.tabs[0].subscribed(call.number, "news", 10);
    house.spread();
    assert_eq!(house.record(0, "news", 11), [(0, own), (1, past)]);
}

#[test]
fn a_refusal_reaches_the_tab_that_asked() {
    let mut house = House::open(2);
    let id = house.subscribes(1, "secret");
    house.refuse(0, "secret");
    assert_eq!(house.tabs[1].settled(), [(id, Some("forbidden".to_owned()))]);
    assert_eq!(house.tabs[1].failures()[0].code, "forbidden");
    assert!(house.tabs[0].failures().is_empty() && house.tabs[0].settled().is_empty());
}

#[test]
fn what_another_tab_was_refused_is_asked_for_on_the_next_stream_and_told_where_it_is_granted() {
    let mut house = House::open(2);
    let id = house.subscribes(1, "secret");
    let next_stream = |house: &mut House| {
        house.tabs[0].fail();
        house.tabs[0].pass(5_000);
        house.tabs[0].opened();
        house.tabs[0].connected("", 10, true);
        house.spread();
    };
    house.refuse(0, "secret");
    assert_eq!((house.tabs[1].settled().len(), house.tabs[1].failures().len()), (1, 1));
    next_stream(&mut house);
    house.refuse(0, "secret");
    assert!(house.tabs[1].settled().is_empty() && house.tabs[1].failures().is_empty(), "it was told before");
    next_stream(&mut house);
    let call = house.tabs[0].sent_one().number;
    house.tabs[0].subscribed(call, "secret", 12);
    house.spread();
    assert_eq!(house.tabs[1].settled(), [(id, None)]);
    assert_eq!(house.tabs[1].gaps(), [(Some(patterns("secret")), vec![id])]);
    assert_eq!(house.record(0, "secret", 13), [(1, id)]);
    assert!(house.tabs[0].gaps().is_empty() && house.tabs[0].settled().is_empty());
}

#[test]
fn what_another_tab_was_refused_is_asked_for_when_the_server_gives_it() {
    let mut house = House::open(2);
    let id = house.subscribes(1, "secret");
    house.refuse(0, "secret");
    house.tabs[1].settled();
    let (request_id, channels) = ("server".to_owned(), patterns("secret"));
    house.tabs[0].frame(Frame::Subscribed { request_id, channels, addressed: false, cursor: Some(at(11)) });
    house.spread();
    let call = house.tabs[0].sent_one().number;
    house.tabs[0].subscribed(call, "secret", 12);
    house.spread();
    assert_eq!(house.tabs[1].settled(), [(id, None)]);
    assert_eq!(house.record(0, "secret", 13), [(1, id)]);
}

#[test]
fn what_a_tab_asks_for_again_while_it_is_told_that_it_hears_it_goes_on() {
    let mut house = House::open(2);
    let id = house.subscribes(1, "secret");
    house.refuse(0, "secret");
    let (request_id, channels) = ("server".to_owned(), patterns("secret"));
    house.tabs[0].frame(Frame::Subscribed { request_id, channels, addressed: false, cursor: Some(at(11)) });
    house.spread();
    let call = house.tabs[0].sent_one().number;
    house.tabs[0].subscribed(call, "secret", 12);
    house.tabs[0].status(call, 200);
    // Another call is under way, behind which one for it would have to wait.
    house.tabs[0].subscribe("other");
    house.tabs[0].settle();
    house.tabs[1].session.connect();
    house.tabs[1].settle();
    house.spread();
    assert_eq!(house.record(0, "secret", 13), [(1, id)]);
}

#[test]
fn what_a_tab_was_refused_is_known_to_the_one_that_leads_next() {
    let mut house = House::open(2);
    let id = house.subscribes(1, "secret");
    house.refuse(0, "secret");
    house.tabs[1].settled();
    house.tabs[0].session.suspend();
    house.tabs[0].settle();
    house.locked(1);
    house.tabs[1].pass(200);
    house.tabs[1].opened();
    house.tabs[1].connected("", 10, true);
    let call = house.tabs[1].sent_one().number;
    house.tabs[1].subscribed(call, "secret", 12);
    assert_eq!(house.tabs[1].settled(), [(id, None)]);
}

#[test]
fn a_gap_is_told_in_every_tab() {
    let mut house = House::open(2);
    let news = house.subscribed(0, 1, "news", 10);
    house.tabs[0].gap(None, Some(40));
    house.spread();
    assert_eq!(house.tabs[0].gaps(), [(None, vec![])]);
    assert_eq!(house.tabs[1].gaps(), [(None, vec![news])]);
}

#[test]
fn an_echo_is_hidden_from_its_own_tab_alone() {
    let mut house = House::open(2);
    let theirs = house.subscribed(0, 1, "news", 10);
    house.tabs[0].subscribe("news");
    house.tabs[0].settle();
    let leader = &mut house.tabs[0];
    let route = leader.session.routes().find("news", Hears::Channels);
    let except = Exclusion { user_id: "ana", session_id: Some("s0"), device_id: None };
    let mut own = Vec::new();
    leader.reading = Some((Hears::Channels, "news".into(), 11));
    leader.session.record(leader.now, route, Some(at(11)), Some(&except), &mut own);
    leader.settle();
    house.spread();
    assert!(own.is_empty());
    assert_eq!(house.heard, [(1, theirs)]);
    assert!(house.tabs[0].session.hides(&except) && !house.tabs[1].session.hides(&except));
}

#[test]
fn a_new_leader_goes_on_from_where_it_is_and_the_others_are_brought_what_they_missed() {
    let mut house = House::open(3);
    let first = house.subscribed(0, 1, "news", 10);
    let second = house.subscribed(0, 2, "chat", 10);
    house.record(0, "news", 11);
    // One of them does not get what the leader posts last.
    house.tabs[0].record("news", 12);
    for post in house.posted(0) {
        house.tell(1, &post);
    }
    house.heard.clear();

    house.locked(1);
    let url = house.tabs[1].opened();
    assert_eq!(parameter(&url, "lastEventId"), Some(at(12).to_string()));
    assert_eq!(channels_of(&url), "news");
    house.tabs[1].connected("news", 12, true);
    house.spread();
    assert_eq!(house.record(1, "news", 14), [(1, first)]);

    let call = house.asked_past(1, r#""channels":["chat"]"#, 11);
    house.tabs[1].backfill(call, "chat", 13);
    house.spread();
    assert_eq!(std::mem::take(&mut house.heard), [(2, second)]);
    house.tabs[1].subscribed(call, "chat", 14);
    house.spread();
    assert!(house.tabs[2].settled().is_empty(), "it was told before that it hears");
    assert_eq!(house.record(1, "chat", 15), [(2, second)]);
}

#[test]
fn one_that_returns_from_further_back_is_brought_what_was_addressed_to_its_user_meanwhile() {
    let (mut house, theirs) = House::with_one_behind();
    assert!(!house.tabs[0].opened_any(), "the stream goes on");
    let call = house.asked_past(0, r#""channels":[],"addressed":true"#, 10);
    assert_eq!(house.addressed(0, None, 13), [], "first what came before");
    assert_eq!(house.addressed(0, Some(call), 11), [(1, theirs)]);
    house.tabs[0].subscribed_addressed(call, 13);
    house.spread();
    assert_eq!(house.addressed(0, None, 14), [(1, theirs)]);
}

#[test]
fn a_tab_that_comes_while_a_gap_is_awaited_waits_for_it() {
    let mut house = House::open(1);
    house.tabs[0].fail();
    house.tabs[0].pass(2_000);
    house.join(House::new(2));
    house.tabs[1].session.on("note".parse().unwrap());
    house.follow(1, "ana");
    // The stream does not go on from 10, and what was missed is about to be told; not to this tab.
    house.tabs[0].connected("", 30, false);
    house.spread();
    assert!(house.tabs[1].settled().is_empty());
    house.tabs[0].gap(None, Some(30));
    house.spread();
    assert_eq!(house.tabs[1].settled().len(), 1);
    assert!(house.tabs[1].gaps().is_empty());
}

#[test]
fn one_that_returns_from_where_the_stream_is_needs_no_call() {
    let mut house = House::open(2);
    let theirs = house.tabs[1].session.on("note".parse().unwrap());
    house.tabs[1].settle();
    house.spread();
    house.leave_and_return(1);
    assert!(house.tabs[0].sent().is_empty() && !house.tabs[0].opened_any());
    assert_eq!(house.addressed(0, None, 11), [(1, theirs)]);
}

#[test]
fn one_that_missed_a_word_says_where_it_is_and_gets_it_again() {
    let mut house = House::open(2);
    let news = house.subscribed(0, 1, "news", 10);
    house.tabs[0].record("news", 11);
    house.posted(0);
    assert_eq!(house.record(0, "news", 12), [], "the number says that something is missing");
    let call = house.asked_past(0, r#""channels":["news"]"#, 10);
    for seq in [11, 12] {
        house.tabs[0].backfill(call, "news", seq);
        house.spread();
        assert_eq!(std::mem::take(&mut house.heard), [(1, news)]);
    }
    house.tabs[0].subscribed(call, "news", 12);
    house.spread();
    assert_eq!(house.record(0, "news", 13), [(1, news)]);
}

#[test]
fn only_the_answer_to_the_last_time_it_said_where_it_is_counts() {
    let mut house = House::open(1);
    house.join(House::new(2));
    house.enter(1);
    let rig = &mut house.tabs[1];
    rig.session.held(rig.now);
    rig.settle();
    let check = rig.sent_one().number;
    rig.answer(check, &Answer { status: Some(200), user_id: Some("ana".into()), ..Answer::default() });
    let first = house.posted(1);
    house.tabs[1].pass(1_000);
    let second = house.posted(1);
    house.tell(0, &first[0]);
    for post in house.posted(0) {
        house.tell(1, &post);
    }
    assert_eq!(house.tabs[1].session.state(), State::Connecting);
    house.tell(0, &second[0]);
    house.spread();
    assert_eq!(house.tabs[1].session.state(), State::Open);
}

#[test]
fn a_leader_that_says_nothing_is_robbed_and_follows_when_it_wakes() {
    let mut house = House::open(2);
    let mut waited = 0;
    // Without being asked.
    while !house.stole(1) {
        house.tabs[1].pass(500);
        waited += 500;
        assert!(waited < 60_000);
    }
    assert!((37_500..40_000).contains(&waited), "{waited}");
    house.locked(1);
    house.tabs[0].session.lost(1_000_000);
    house.tabs[0].settle();
    assert!(house.tabs[0].done.contains(&Action::Close));
    assert!(house.exited(0));
    assert_eq!(house.entered(0), [None]);
    house.verify(0, "ana");
    house.tabs[1].connected("", 10, true);
    house.spread();
    assert_eq!(house.tabs[0].session.state(), State::Open);
}

#[test]
fn a_leader_that_does_not_answer_loses_the_lead_to_the_tab_that_asked() {
    for ask in [Session::online, Session::visible] {
        let mut house = House::open(2);
        let rig = &mut house.tabs[1];
        ask(&mut rig.session, rig.now);
        rig.settle();
        rig.pass(1_999);
        assert!(!house.stole(1));
        house.tabs[1].pass(1);
        assert!(house.stole(1));
    }
}

#[test]
fn a_leader_that_answers_keeps_the_lead() {
    let mut house = House::open(2);
    for _ in 0..10 {
        house.visible(1);
        house.tabs[1].pass(1_500);
        // It is hidden: no timer of its own runs.
        house.spread();
    }
    assert!(!house.stole(1));
    assert_eq!(house.tabs[1].session.state(), State::Open);
}

#[test]
fn a_tab_that_slept_asks_again_before_it_takes_the_lead() {
    let mut house = House::open(2);
    house.visible(1);
    house.posted(1);
    house.tabs[1].now += 600_000;
    let rig = &mut house.tabs[1];
    rig.session.wake(rig.now);
    rig.settle();
    assert!(!house.stole(1));
    assert!(house.posted(1).iter().any(|post| post.0.starts_with("probe\n")));
    house.tabs[1].pass(2_000);
    assert!(house.stole(1));
}

#[test]
fn a_tab_that_comes_to_a_leader_that_does_not_answer_takes_the_lead_after_2_s() {
    let mut house = House::open(1);
    house.join(House::new(2));
    house.enter(1);
    let rig = &mut house.tabs[1];
    rig.session.held(rig.now);
    rig.settle();
    let check = rig.sent_one();
    rig.answer(check.number, &Answer { status: Some(200), user_id: Some("ana".into()), ..Answer::default() });
    rig.pass(1_999);
    assert!(!house.stole(1));
    house.tabs[1].pass(1);
    assert!(house.stole(1));
}

#[test]
fn a_tab_that_has_to_wait_is_told_that_somebody_leads() {
    let mut house = House::new(2);
    house.lead(0);
    // Whose the leader's stream is, is not known before the server says it.
    house.follow(1, "ana");
    for _ in 0..20 {
        house.tabs[1].pass(1_000);
        house.spread();
    }
    assert!(!house.stole(1));
}

#[test]
fn a_lock_that_is_taken_and_never_handed_over_is_done_without() {
    let mut house = House::open(2);
    house.visible(1);
    let mut thefts = 0;
    for _ in 0..20 {
        house.tabs[1].pass(1_000);
        thefts += u32::from(house.stole(1));
    }
    assert_eq!(thefts, 3);
    assert!(house.exited(1));
    house.tabs[1].opened();
}

#[test]
fn a_browser_that_does_not_say_who_has_the_lock_is_not_waited_for() {
    let mut house = House::new(1);
    house.enter(0);
    house.tabs[0].pass(4_999);
    assert!(!house.tabs[0].opened_any());
    house.tabs[0].pass(1);
    assert!(house.exited(0));
    assert_eq!(house.tabs[0].opened(), "/e?deviceId=d1&sessionId=s0");
}

#[test]
fn a_tab_that_slept_waits_for_the_lock_once_more() {
    let mut house = House::new(1);
    house.enter(0);
    house.tabs[0].now += 60_000;
    let rig = &mut house.tabs[0];
    rig.session.wake(rig.now);
    rig.settle();
    assert!(!rig.opened_any());
    house.locked(0);
    assert_eq!(house.tabs[0].opened(), "/e?deviceId=d1");
}

#[test]
fn connect_asks_for_the_lock_anew() {
    let mut house = House::new(1);
    house.enter(0);
    house.tabs[0].pass(1_000);
    house.tabs[0].session.connect();
    house.tabs[0].settle();
    assert!(house.exited(0));
    assert_eq!(house.entered(0), [None]);
}

#[test]
fn a_leader_that_waits_for_the_server_still_says_that_it_is_there() {
    let mut house = House::open(2);
    for _ in 0..20 {
        for tab in &mut house.tabs {
            tab.pass(5_000);
        }
        house.tabs[0].heartbeat(10);
        house.spread();
    }
    assert!(!house.stole(1));
}

#[test]
fn what_a_tab_heard_is_left_when_it_is_gone() {
    let mut house = House::open(2);
    assert!(!house.names[1].is_empty());
    house.subscribed(0, 1, "news", 10);
    house.gone(0, 1);
    assert_eq!(house.tabs[0].sent_one().url, "/e/unsubscribe");
}

#[test]
fn a_page_that_goes_away_gives_the_lead_up() {
    let mut house = House::open(2);
    house.tabs[0].session.suspend();
    house.tabs[0].settle();
    assert!(house.tabs[0].done.contains(&Action::Close) && house.exited(0));
}

#[test]
fn disconnecting_is_each_tabs_own_affair() {
    let mut house = House::open(2);
    house.tabs[1].session.disconnect();
    house.tabs[1].settle();
    assert!(house.exited(1));
    assert_eq!(house.tabs[1].session.state(), State::Closed);
    assert_eq!(house.tabs[0].session.state(), State::Open);
}

#[test]
fn a_reset_leaves_the_group_and_forgets_whose_it_was() {
    let mut house = House::open(1);
    house.join(House::new(2));
    house.follow(1, "bob");
    house.tabs[1].session.reset("s9".into());
    house.tabs[1].settle();
    assert!(house.exited(1));
    assert_eq!(house.tabs[1].session.user_id(), None);
    house.entered(1);
    house.enter(1);
}

#[test]
fn when_the_leaders_user_changes_all_say_anew_whose_they_are() {
    let mut house = House::open(2);
    house.tabs[0].fail();
    house.tabs[0].pass(2_000);
    house.spread();
    house.tabs[0].frame(Frame::Connected(Connected {
        id: Some(at(10)),
        connection_id: "n2".into(),
        user_id: Some("bob".into()),
        resumed: true,
        ..Connected::default()
    }));
    house.spread();
    let check = house.tabs[1].sent_one();
    assert_eq!(check.url, "/e/check?deviceId=d1&protocol=2");
    let ana = Answer { status: Some(200), user_id: Some("ana".into()), ..Answer::default() };
    house.tabs[1].answer(check.number, &ana);
    house.spread();
    assert_eq!(house.entered(1), [Some("uana".to_owned())]);
}

#[test]
fn a_leader_whose_credentials_are_refused_lets_another_try() {
    let mut house = House::open(2);
    house.tabs[0].fail();
    house.tabs[0].pass(2_000);
    house.spread();
    house.tabs[0].fail();
    let check = house.tabs[0].sent_one().number;
    house.tabs[0].status(check, 401);
    assert!(house.exited(0));
    assert_eq!(house.tabs[0].session.state(), State::Waiting);
}

#[test]
fn connecting_in_a_follower_makes_the_leader_try_at_once() {
    let mut house = House::open(2);
    house.tabs[0].fail();
    house.spread();
    assert_eq!(house.tabs[1].session.state(), State::Waiting);
    house.tabs[1].session.connect();
    house.tabs[1].settle();
    house.spread();
    assert!(house.tabs[0].opened_any());
}

#[test]
fn without_locks_each_has_a_stream_of_its_own() {
    let mut house = House::new(1);
    house.enter(0);
    let rig = &mut house.tabs[0];
    rig.session.unshared(rig.now);
    rig.settle();
    assert_eq!(rig.opened(), "/e?deviceId=d1&sessionId=s0");
}

#[test]
fn a_call_that_the_leader_missed_is_made_again() {
    let mut house = House::open(2);
    house.tabs[1].subscribe("news");
    house.tabs[1].settle();
    assert_eq!(house.posted(1).len(), 1, "and lost");
    house.tabs[1].pass(4_999);
    house.spread();
    assert!(house.tabs[0].sent().is_empty(), "it may still be on its way");
    house.tabs[1].pass(2_001);
    house.spread();
    let body = house.tabs[0].sent_one().body.unwrap();
    assert!(body.contains(r#""channels":["news"]"#), "{body}");
    assert!(house.tabs[1].failures().is_empty(), "it is nothing to tell the application");
}

#[test]
fn a_call_whose_answer_is_lost_is_asked_of_the_server_once() {
    let mut house = House::open(2);
    house.tabs[1].subscribe("news");
    house.tabs[1].settle();
    for post in house.posted(1) {
        house.tell(0, &post);
        house.tell(0, &post);
    }
    let body = house.tabs[0].sent_one().body.unwrap();
    assert!(body.contains(r#""channels":["news"]"#), "{body}");
    assert!(house.tabs[0].sent().is_empty());
}

#[test]
fn a_gap_of_one_that_is_behind_is_told_to_it_alone_and_the_others_go_on_where_they_are() {
    let (mut house, theirs) = House::with_one_behind();
    let call = house.asked_past(0, r#""channels":[],"addressed":true"#, 10);
    let (channels, reason, request_id) = (Some(Vec::new()), "trimmed".into(), Some(call.to_string()));
    house.tabs[0].frame(Frame::Gap { channels, addressed: true, cursor: None, reason, request_id, id: None });
    house.spread();
    assert_eq!(house.tabs[1].gaps(), [(Some(vec![]), vec![theirs])]);
    assert_eq!(house.tabs[0].gaps(), []);
    house.tabs[0].subscribed_addressed(call, 12);
    house.spread();
    assert_eq!(house.addressed(0, None, 13), [(1, theirs)]);
}

#[test]
fn what_another_tab_hears_is_not_unheard() {
    let mut house = House::open(2);
    let route = house.tabs[0].session.routes().find("news", Hears::Channels);
    assert!(house.tabs[0].session.is_unheard(route));
    house.subscribed(0, 1, "news", 10);
    let route = house.tabs[0].session.routes().find("news", Hears::Channels);
    assert!(!house.tabs[0].session.is_unheard(route));
}

#[test]
fn what_is_addressed_to_the_user_and_no_tab_hears_is_unheard() {
    let mut house = House::open(2);
    house.tabs[1].session.on("note".parse().unwrap());
    house.tabs[1].settle();
    house.spread();
    for (label, is_unheard) in [("note", false), ("stray", true)] {
        let route = house.tabs[0].session.routes().find(label, Hears::Addressed);
        assert_eq!(house.tabs[0].session.is_unheard(route), is_unheard, "{label}");
    }
}

/// Pages of the app as it was before a deploy and as it is now are open side by side, and share only what both understand.
#[test]
fn what_the_tabs_say_is_that_of_its_version() {
    let mut house = House::new(1);
    house.lead(0);
    house.tabs[0].connected("", 10, false);
    house.join(House::new(3));
    house.follow(1, "bob");
    house.join(House::new(2));
    house.follow(2, "ana");
    let past = house.tabs[2].subscribe_since("chat:*", 3);
    let seen = house.tabs[2].session.presence("room".parse().unwrap());
    house.tabs[2].settle();
    house.spread();
    for call in house.tabs[0].sent() {
        house.tabs[0].status(call.number, 200);
        house.tabs[0].backfill(call.number, "chat:7", 4);
        house.tabs[0].subscribed(call.number, "chat:*", 10);
    }
    house.record(0, "chat:7", 11);
    house.tabs[0].gap(Some("chat:*"), None);
    house.tabs[0].gap(None, Some(12));
    house.tabs[2].session.connect();
    house.tabs[2].session.unsubscribe(0, past);
    house.tabs[2].session.unsubscribe(0, seen);
    house.spread();
    house.tabs[2].subscribe("secret");
    house.tabs[2].settle();
    house.spread();
    let call = house.tabs[0].sent().pop().unwrap().number;
    let rejected = vec![Rejected { channel: "secret".parse().unwrap(), code: "forbidden".into() }];
    house.tabs[0].answer(call, &Answer { status: Some(200), rejected, ..Answer::default() });
    house.spread();
    house.tabs[0].frame(Frame::Closing { reason: "drain".into(), retry_ms: 500 });
    house.tabs[0].pass(1_000);
    let now = house.tabs[0].now;
    house.tabs[0].session.refused(now, &Answer { status: Some(503), ..Answer::default() });
    house.tabs[0].pass(5_000);
    house.tabs[0].connected("", 12, true);
    house.spread();

    for (tab, name) in house.names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        house.said.iter_mut().for_each(|said| *said = said.replace(name, &format!("T{tab}")));
    }
    // A stroke stands for the end of a line.
    let said: Vec<_> = house.said.iter().map(|said| said.replace('\n', "|")).collect();
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
fn a_tab_that_comes_back_is_brought_what_came_before_the_stream_carried_its_channel() {
    let mut house = House::open(2);
    // The stream has brought all up to 10, and carries the channel only from 12 on.
    house.subscribed(0, 1, "news", 12);
    let say = |house: &mut House, ask| {
        let message = Message::Ask { tab: "other".into(), ask };
        house.tell(0, &(message.into_text(), None));
    };
    say(&mut house, TabAsk::Open { attempt: 1, user: "uana".into(), channels: patterns("news") });
    let call = Call::Subscribe { channels: patterns("news"), addressed: false, since: Some(at(10)) };
    say(&mut house, TabAsk::Call { number: 1, call });
    let call = house.tabs[0].sent_one();
    let body =
        format!(r#"{{"connectionId":"n1","requestId":"{}","channels":["news"],"since":"{}"}}"#, call.number, at(10));
    assert_eq!(call.body.unwrap(), body);
}

#[test]
fn a_gap_among_addressed_events_reaches_the_tabs_that_hear_them() {
    let mut house = House::open(2);
    let on = house.tabs[1].session.on("note".parse().unwrap());
    house.tabs[1].settle();
    house.spread();
    house.tabs[0].gap_among_addressed("");
    house.spread();
    let told = house.tabs[1].take(|action| match action {
        Action::Gap { channels, addressed: true, handlers, .. } => Some((channels.clone(), handlers.clone())),
        _ => None,
    });
    assert_eq!(told, [(Some(vec![]), vec![on])]);
}
