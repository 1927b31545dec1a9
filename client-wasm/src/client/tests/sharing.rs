//! Several tabs with one stream. The test plays the browser, which hands out locks and delivers the tabs' messages.

mod joining;
mod leading;
mod leaving;
mod receiving;
mod refusing;
mod resuming;

use super::*;

/// A message in transit, and the event in it: its kind, channel and number.
type Posted = (String, Option<(Hears, String, u64)>);

/// Tabs of one browser.
struct Browser {
    tabs: Vec<Rig>,
    /// The names of the tabs.
    names: Vec<String>,
    /// The handlers that received relayed events since the last call, with their tabs.
    heard: Vec<(usize, HandlerId)>,
    /// All messages that were delivered.
    said: Vec<String>,
}

impl Browser {
    fn new(tabs: usize) -> Self {
        let tab = |index: usize| {
            let identity = Identity { device_id: "d1".into(), session_id: format!("s{index}") };
            let config = Config { share: true, ..Config::new("/e") };
            let core = ClientCore::new(config, identity, index as u64);
            Rig { core, ..Rig::new() }
        };
        Self {
            tabs: (0..tabs).map(tab).collect(),
            names: vec![String::new(); tabs],
            heard: Vec::new(),
            said: Vec::new(),
        }
    }

    /// The first tab leads, with an open stream at 10; the others follow, with the same user.
    fn open(tabs: usize) -> Self {
        let mut browser = Self::new(tabs);
        browser.lead(0);
        browser.tabs[0].connected("", 10, false);
        for tab in 1..tabs {
            browser.follow(tab, "ana");
            assert_eq!(browser.tabs[tab].core.state(), State::Open);
        }
        browser.tabs.iter_mut().for_each(|tab| tab.done.clear());
        browser
    }

    fn enter(&mut self, tab: usize) {
        self.tabs[tab].core.connect();
        self.tabs[tab].settle();
        assert_eq!(self.entered(tab), [None]);
    }

    /// Adds a tab.
    fn join(&mut self, mut other: Self) {
        self.tabs.extend(other.tabs.pop());
        self.names.push(String::new());
    }

    fn lead(&mut self, tab: usize) {
        self.enter(tab);
        self.locked(tab);
    }

    /// The tab finds the lock taken; the server reports its user.
    fn follow(&mut self, tab: usize, user: &str) {
        self.enter(tab);
        self.verify(tab, user);
    }

    fn verify(&mut self, tab: usize, user: &str) {
        self.verify_unheard(tab, user);
        self.spread();
    }

    /// The same, but the tab's messages are not delivered yet.
    fn verify_unheard(&mut self, tab: usize, user: &str) {
        let check = self.check(tab);
        let answer = Answer { status: Some(200), user_id: Some(user.into()), ..Answer::default() };
        self.tabs[tab].answer(check, answer);
    }

    /// The tab learns that the lock is taken, and asks the server for its user: returns the number of that request.
    fn check(&mut self, tab: usize) -> u32 {
        let rig = &mut self.tabs[tab];
        rig.core.held(rig.now);
        rig.settle();
        let check = rig.sent_one();
        assert_eq!(check.url, "/e/check?deviceId=d1&protocol=2");
        check.number
    }

    /// The tab becomes visible.
    fn visible(&mut self, tab: usize) {
        let rig = &mut self.tabs[tab];
        rig.core.visible(rig.now);
        rig.settle();
    }

    fn locked(&mut self, tab: usize) {
        let rig = &mut self.tabs[tab];
        rig.core.locked(rig.now);
        rig.settle();
        self.spread();
    }

    /// The groups that a tab entered since the last call.
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

    /// The messages that a tab has posted since the last call.
    fn posted(&mut self, tab: usize) -> Vec<Posted> {
        let rig = &mut self.tabs[tab];
        let posts = rig.take(|action| match action {
            Action::Post { message, with_frame } => Some((message.clone().into_text(), *with_frame)),
            _ => None,
        });
        posts.into_iter().map(|(text, with)| (text, with.then(|| rig.posted.pop_front()).flatten())).collect()
    }

    /// Delivers posted messages to all other tabs, until none is left.
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
        let relayed = rig.core.on_message(rig.now, Message::from_text(text).unwrap());
        rig.settle();
        if let Some(Relayed { calls, .. }) = relayed {
            let (hears, channel, seq) = frame.as_ref().unwrap();
            let calls: Vec<_> = if calls.is_empty() { vec![None] } else { calls.into_iter().map(Some).collect() };
            let heard = calls.into_iter().flat_map(|call| rig.read(call, *hears, channel, *seq));
            self.heard.extend(heard.map(|id| (tab, id)));
        }
    }

    /// Adds a handler in a tab, and delivers its messages.
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
        self.tabs[leader].answer(call, Answer { status: Some(200), rejected, ..Answer::default() });
        self.spread();
    }

    /// Adds a handler in a tab, confirmed on the leader's stream at this position.
    fn subscribed(&mut self, leader: usize, tab: usize, channel: &str, at: u64) -> HandlerId {
        let id = self.subscribes(tab, channel);
        let call = self.tabs[leader].sent_one();
        self.tabs[leader].status(call.number, 200);
        self.tabs[leader].subscribed(call.number, channel, at);
        self.spread();
        assert_eq!(self.tabs[tab].settled(), [(id, None)]);
        id
    }

    /// Delivers a record on the leader's stream; returns the handlers that received it, with their tabs.
    fn record(&mut self, leader: usize, channel: &str, seq: u64) -> Vec<(usize, HandlerId)> {
        let own = self.tabs[leader].record(channel, seq);
        self.spread();
        own.into_iter().map(|id| (leader, id)).chain(std::mem::take(&mut self.heard)).collect()
    }

    /// Delivers an event for the user, live on the leader's stream or through a call; returns the handlers that
    /// received it, with their tabs.
    fn addressed(&mut self, leader: usize, call: Option<u32>, seq: u64) -> Vec<(usize, HandlerId)> {
        let own = self.tabs[leader].read(call, Hears::Addressed, "note", seq);
        self.spread();
        own.into_iter().map(|id| (leader, id)).chain(std::mem::take(&mut self.heard)).collect()
    }

    /// The leader's only call, which asks for `what` after this position.
    fn asked_past(&mut self, leader: usize, what: &str, since: u64) -> u32 {
        let call = self.tabs[leader].sent_one();
        let (number, since) = (call.number, at(since));
        let body = format!(r#"{{"connectionId":"n1","requestId":"{number}",{what},"since":"{since}"}}"#);
        assert_eq!(call.body.unwrap(), body);
        number
    }

    /// A tab's page enters the back/forward cache and returns.
    fn leave_and_return(&mut self, tab: usize) {
        let rig = &mut self.tabs[tab];
        rig.core.suspend();
        rig.settle();
        assert!(self.exited(tab));
        self.gone(0, tab);
        let rig = &mut self.tabs[tab];
        rig.core.resume(rig.now);
        rig.settle();
        self.entered(tab);
        self.verify(tab, "ana");
    }

    /// A tab was away while the leader's stream advanced from 10 to 12; it has a handler for addressed events.
    fn with_one_behind() -> (Self, HandlerId) {
        let mut browser = Self::open(2);
        browser.tabs[0].subscribe("news");
        browser.tabs[0].settle();
        let call = browser.tabs[0].sent_one().number;
        browser.tabs[0].status(call, 200);
        browser.tabs[0].subscribed(call, "news", 10);
        let theirs = browser.tabs[1].core.on("note".parse().unwrap());
        browser.tabs[1].settle();
        browser.spread();
        browser.tabs[1].core.suspend();
        browser.tabs[1].settle();
        assert!(browser.exited(1));
        browser.gone(0, 1);
        browser.record(0, "news", 12);
        let rig = &mut browser.tabs[1];
        rig.core.resume(rig.now);
        rig.settle();
        browser.entered(1);
        browser.verify(1, "ana");
        browser.tabs.iter_mut().for_each(|tab| drop(tab.settled()));
        (browser, theirs)
    }

    fn gone(&mut self, leader: usize, tab: usize) {
        let rig = &mut self.tabs[leader];
        rig.core.gone(&self.names[tab]);
        rig.settle();
    }
}
