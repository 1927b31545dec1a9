//! Reports to other nodes who is at this node's own streams, with a feed for each node that asks.
//!
//! A node asks for news, and is answered as soon as there are some, or after a while that there are none; then it asks
//! again. Its question names the rooms that it watches, as far as they have changed, and the answer that it received
//! last. So a lost answer is sent again, and a node that this one does not know (any more) is told to restart. A feed
//! is a seat in this node's presence, like that of a watching stream, and so holds no lists.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_protocol::{Pattern, frame::Presence as Frame};
use tokio::sync::watch;

use super::nodes::LEASE_MS;
use crate::{
    clock::Clock,
    peers::NodeId,
    presence::{Presence, SeatId, Wake},
};

/// How long a question waits for news.
pub(super) const HOLD: Duration = Duration::from_secs(2);
/// The approximate most bytes of an answer.
const ANSWER_BYTES: usize = 256 << 10;

/// A question of another node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FeedRequest {
    /// The node that asks.
    pub(super) node: NodeId,
    /// The number of the answer that it received last; `None` at the beginning.
    pub(super) after: Option<u64>,
    /// Rooms to report from here on, beginning with the full list of their members.
    pub(super) add: Vec<Pattern>,
    /// Rooms to report no longer.
    pub(super) remove: Vec<Pattern>,
}

/// The answer to a question.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum FeedAnswer {
    /// The news, as a watching stream would receive them.
    News {
        /// The number of the answer; it grows by one with each answer of a feed that contains news. No two feeds of a
        /// node use the same numbers.
        number: u64,
        frames: Vec<Frame>,
        /// Whether the next answer continues the same lists.
        more: bool,
    },
    /// The question does not continue at the position of a feed: the node has to restart.
    Restart,
}

/// [`FeedAnswer`], whose frames are JSON already.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Encoded<'a> {
    News { number: u64, frames: Vec<&'a RawValue>, more: bool },
    Restart,
}

impl Encoded<'_> {
    fn to_bytes(&self) -> Option<Bytes> {
        serde_json::to_vec(self).ok().map(Bytes::from)
    }
}

/// The feeds of this node, by the node that asks.
#[derive(Debug, Default)]
pub(super) struct Feeds {
    of: Mutex<HashMap<NodeId, Arc<Feed>>>,
    /// How many feeds were begun.
    begun: AtomicU64,
}

/// Each feed has so many numbers for its answers. A question that begins a feed may arrive after a later one that began
/// another; with numbers of their own, nobody takes what one of them has answered for what the other has.
const NUMBERS: u64 = 1 << 32;

#[derive(Debug)]
struct Feed {
    seat: SeatId,
    bell: Arc<Bell>,
    state: Mutex<FeedState>,
}

#[derive(Debug, Default)]
struct FeedState {
    /// The number of questions: only the last one is waited for.
    questions: u64,
    /// The number of the last answer with news, and that answer, until the node has confirmed it.
    number: u64,
    last: Option<Bytes>,
    asked_ms: u64,
}

/// Rings when there are news, or when another question arrives.
#[derive(Debug)]
struct Bell(watch::Sender<()>);

impl Wake for Bell {
    fn ring(&self) {
        self.0.send_replace(());
    }
}

impl Feeds {
    /// Answers a question; `None` if this node has no presence.
    pub(super) async fn answer(
        &self,
        presence: Option<&Presence>,
        request: FeedRequest,
        clock: &Clock,
    ) -> Option<Bytes> {
        let presence = presence?;
        let FeedRequest { node, after, add, remove } = request;
        let Some(feed) = self.feed(presence, node, after.is_none()) else { return Encoded::Restart.to_bytes() };
        let question = {
            let mut state = feed.state.lock();
            let is_received = after.is_none_or(|after| after == state.number);
            if is_received {
                state.last = None;
            } else if after.map(|after| after + 1) != Some(state.number) || state.last.is_none() {
                return Encoded::Restart.to_bytes();
            }
            state.questions += 1;
            state.asked_ms = clock.now_ms();
            state.questions
        };
        feed.bell.ring();
        presence.watch_other(feed.seat, add, &remove);
        let mut rung = feed.bell.0.subscribe();
        let hold = clock.pause(HOLD);
        tokio::pin!(hold);
        loop {
            if let Some(answer) = feed.news(presence, question) {
                return answer;
            }
            tokio::select! {
                // In a fixed order, so that a simulation can repeat itself.
                biased;
                _ = rung.changed() => {}
                () = &mut hold => return feed.nothing(),
            }
        }
    }

    /// The feed of a node. A node that begins gets a new feed.
    fn feed(&self, presence: &Presence, node: NodeId, begins: bool) -> Option<Arc<Feed>> {
        let mut feeds = self.of.lock();
        if !begins {
            return feeds.get(&node).cloned();
        }
        let bell = Arc::new(Bell(watch::Sender::new(())));
        let weak: Weak<Bell> = Arc::downgrade(&bell);
        let number = self.begun.fetch_add(1, Ordering::Relaxed).wrapping_mul(NUMBERS);
        let state = Mutex::new(FeedState { number, ..FeedState::default() });
        let feed = Arc::new(Feed { seat: presence.sit(None, weak, 0), bell, state });
        let before = feeds.insert(node, feed.clone());
        drop(feeds);
        if let Some(before) = before {
            presence.stand_up(before.seat, 0);
        }
        Some(feed)
    }

    /// Ends the feeds of nodes that have not asked for too long.
    pub(super) fn sweep(&self, presence: &Presence, now_ms: u64) {
        let is_over = |feed: &Feed| now_ms.saturating_sub(feed.state.lock().asked_ms) >= LEASE_MS;
        let over: Vec<_> = self.of.lock().extract_if(|_, feed| is_over(feed)).collect();
        for (_, feed) in over {
            presence.stand_up(feed.seat, now_ms);
        }
    }
}

impl Feed {
    /// The news for this question: `None` if it has to wait. (Presence is locked meanwhile, which never waits for a
    /// feed.)
    fn news(&self, presence: &Presence, question: u64) -> Option<Option<Bytes>> {
        let mut state = self.state.lock();
        if state.questions != question {
            // A later question has replaced this one, so its answer is not needed.
            return Some(Encoded::Restart.to_bytes());
        }
        if let Some(last) = &state.last {
            return Some(Some(last.clone()));
        }
        let (frames, more) = presence.take_frames(self.seat, ANSWER_BYTES);
        if frames.is_empty() {
            return None;
        }
        state.number += 1;
        let frames = frames.iter().filter_map(|frame| data_of(frame)).collect();
        state.last = Encoded::News { number: state.number, frames, more }.to_bytes();
        Some(state.last.clone())
    }

    fn nothing(&self) -> Option<Bytes> {
        Encoded::News { number: self.state.lock().number, frames: Vec::new(), more: false }.to_bytes()
    }
}

/// The JSON of a frame that is ready for a stream.
fn data_of(frame: &Bytes) -> Option<&RawValue> {
    let (_, data) = str::from_utf8(frame).ok()?.split_once("data: ")?;
    serde_json::from_str(data.trim_end()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidings_protocol::{UserId, frame::Member};
    use tokio::time::Instant;

    use super::*;
    use crate::PresenceSettings;

    const NODE: NodeId = NodeId(7);

    struct Ignored;

    impl Wake for Ignored {
        fn ring(&self) {}
    }

    struct Fixture {
        feeds: Feeds,
        presence: Presence,
        ignored: Arc<Ignored>,
        clock: Clock,
    }

    fn fixture() -> Fixture {
        let presence = Presence::new(PresenceSettings::default().grace(Duration::ZERO));
        let clock = Clock::Running(Instant::now());
        Fixture { feeds: Feeds::default(), presence, ignored: Arc::new(Ignored), clock }
    }

    fn rooms(names: &[&str]) -> Vec<Pattern> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    impl Fixture {
        fn open(&self, user: &str, channel: &str) -> SeatId {
            let member = Member { user_id: UserId::new(user).unwrap(), device_id: None };
            let weak: Weak<Ignored> = Arc::downgrade(&self.ignored);
            let seat = self.presence.sit(Some(member), weak, 0);
            self.presence.hold(seat, &rooms(&[channel]));
            self.presence.announce(0);
            seat
        }

        fn ask(
            &self,
            after: Option<u64>,
            add: &[&str],
            remove: &[&str],
        ) -> impl Future<Output = Option<(u64, Vec<String>)>> {
            let request = FeedRequest { node: NODE, after, add: rooms(add), remove: rooms(remove) };
            async {
                let answer = self.feeds.answer(Some(&self.presence), request, &self.clock).await.unwrap();
                match serde_json::from_slice(&answer).unwrap() {
                    FeedAnswer::News { number, frames, .. } => Some((number, frames.iter().map(short).collect())),
                    FeedAnswer::Restart => None,
                }
            }
        }
    }

    fn short(frame: &Frame) -> String {
        let users = |members: &[Member]| members.iter().map(|member| member.user_id.to_string()).collect::<Vec<_>>();
        let moved = users(&frame.join).iter().map(|user| format!("+{user}")).collect::<Vec<_>>();
        let left = users(&frame.leave).iter().map(|user| format!("-{user}")).collect::<Vec<_>>();
        let here = frame.here.as_ref().map(|here| format!("here {}", users(here).join(" ")));
        [vec![frame.channel.to_string()], here.into_iter().collect(), moved, left].concat().join(" ").trim().to_owned()
    }

    fn said(number: u64, frames: &[&str]) -> Option<(u64, Vec<String>)> {
        Some((number, frames.iter().map(|frame| (*frame).to_owned()).collect()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_is_answered_with_all_then_with_changes_and_otherwise_with_nothing() {
        let fixture = fixture();
        let ana = fixture.open("ana", "room:1");
        assert_eq!(fixture.ask(None, &["room:1"], &[]).await, said(1, &["room:1 here ana"]));
        let (answer, _) = tokio::join!(fixture.ask(Some(1), &[], &[]), async { fixture.open("bob", "room:1") });
        assert_eq!(answer, said(2, &["room:1 +bob"]));
        assert_eq!(fixture.ask(Some(2), &[], &[]).await, said(2, &[]), "after a while");
        fixture.presence.stand_up(ana, 0);
        fixture.presence.announce(0);
        assert_eq!(fixture.ask(Some(2), &[], &["room:1"]).await, said(2, &[]), "nobody asks about it any more");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_was_lost_is_sent_again() {
        let fixture = fixture();
        fixture.open("ana", "room:1");
        let lost = fixture.ask(None, &["room:1"], &[]).await;
        fixture.open("bob", "room:1");
        assert_eq!(fixture.ask(Some(0), &[], &[]).await, lost);
        assert_eq!(fixture.ask(Some(1), &[], &[]).await, said(2, &["room:1 +bob"]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_another_one_has_overtaken_takes_nothing() {
        let fixture = fixture();
        fixture.ask(None, &["room:1"], &[]).await;
        let overtaken = fixture.ask(Some(1), &[], &[]);
        let next = async {
            tokio::task::yield_now().await;
            let both = tokio::join!(fixture.ask(Some(1), &["room:2"], &[]), async { fixture.open("ana", "room:1") });
            both.0
        };
        let (overtaken, next) = tokio::join!(overtaken, next);
        assert_eq!(overtaken, None);
        assert_eq!(next, said(2, &["room:2 here"]));
        assert_eq!(fixture.ask(Some(2), &[], &[]).await, said(3, &["room:1 +ana"]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_beginning_that_arrives_late_does_not_pass_for_the_one_that_was_answered() {
        let fixture = fixture();
        fixture.open("ana", "room:1");
        assert_eq!(fixture.ask(None, &["room:1"], &[]).await, said(1, &["room:1 here ana"]));
        fixture.open("bob", "room:1");
        // Nobody waits for this answer any more.
        assert!(fixture.ask(None, &["room:1"], &[]).await.is_some());
        assert_eq!(fixture.ask(Some(1), &[], &[]).await, None, "it does not know of bob, and must begin anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_is_not_known_any_more_begins_anew() {
        let fixture = fixture();
        assert_eq!(fixture.ask(Some(3), &["room:1"], &[]).await, None);
        assert_eq!(fixture.ask(None, &["room:1"], &[]).await, said(1, &["room:1 here"]));
        assert_eq!(fixture.ask(Some(7), &[], &[]).await, None, "it has received what was never said");
        fixture.feeds.sweep(&fixture.presence, LEASE_MS);
        assert_eq!(fixture.ask(Some(1), &[], &[]).await, None);
    }
}
