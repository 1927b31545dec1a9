//! Answers gathered from all nodes of a log. A node that does not answer in time is left out.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tidings_protocol::{ChannelError, Cursor, DeviceId, IdError, Pattern, UserId, frame::Member};

use super::{Hub, nodes::Beat, presence_feed::FeedRequest, shared::Shared};
use crate::{gathered::Gathered, peers::NodeId, presence::PresenceError};

/// How long answers are gathered.
const PATIENCE: Duration = Duration::from_millis(300);
/// The version of the messages below.
const VERSION: u32 = 1;

/// The figures of one node of a log, as that node reported them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NodeStats {
    /// The node's id, with which the ids of its streams begin.
    pub node: NodeId,
    /// The node's version of Tidings.
    pub version: String,
    /// The number of open streams.
    pub connections: usize,
    /// The number of users with at least one open stream on the node. A user with streams on two nodes counts on both.
    pub users: usize,
    /// The last record that the node has applied.
    pub head: Cursor,
    /// The number of events published on the node and acknowledged.
    pub published: u64,
    /// The number of events handed to the node's streams.
    pub deliveries: u64,
    /// Whether the node can do its work ([`Hub::is_healthy`]).
    pub is_healthy: bool,
}

/// All nodes of a hub's log, from [`Hub::cluster`].
#[derive(Debug, Clone)]
pub struct Cluster {
    hub: Hub,
}

/// A message between nodes other than a forwarded call.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    v: u32,
    #[serde(flatten)]
    what: What,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum What {
    Beat(Beat),
    Devices(UserId),
    Connections(UserId),
    Presence(Pattern),
    PresenceFeed(FeedRequest),
    Stats(()),
}

fn encoded(what: What) -> Bytes {
    serde_json::to_vec(&Message { v: VERSION, what }).unwrap_or_default().into()
}

fn decoded(message: &[u8]) -> Option<What> {
    serde_json::from_slice::<Message>(message).ok().filter(|message| message.v == VERSION).map(|message| message.what)
}

impl Shared {
    /// The beat that this node sends to all others.
    pub(super) fn beat(&self) -> Bytes {
        encoded(What::Beat(Beat {
            node: self.node,
            number: self.nodes.next_number(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            connections: self.core.connections(),
            head: self.core.head(),
            is_following: self.is_following(),
            is_draining: self.is_draining(),
        }))
    }

    /// Handles a beat of another node. A message that this version cannot read comes from a newer version and is
    /// ignored.
    pub(super) fn told(&self, message: &[u8]) {
        if let Some(What::Beat(beat)) = decoded(message)
            && beat.node != self.node
            && self.nodes.hear(beat, self.clock.now_ms())
        {
            self.newcomer.notify_one();
            self.joined.notify_one();
        }
    }

    /// The question to another node for the presence changes of its own streams.
    pub(super) fn feed_question(request: FeedRequest) -> Bytes {
        encoded(What::PresenceFeed(request))
    }

    /// The answer to another node's question; `None` where the message is not a question, or is not understood.
    pub(super) async fn answer(&self, message: &[u8]) -> Option<Bytes> {
        let json = match decoded(message)? {
            What::Beat(_) => return None,
            What::Devices(user) => serde_json::to_vec(&self.core.devices(user.as_str())),
            What::Connections(user) => serde_json::to_vec(&self.connections_of(&user)),
            What::Presence(channel) => {
                let here = self.core.presence().map(|presence| presence.here(&channel));
                serde_json::to_vec(&here.unwrap_or_default())
            }
            What::PresenceFeed(request) => {
                return self.feeds.answer(self.core.presence(), request, &self.clock).await;
            }
            What::Stats(()) => serde_json::to_vec(&self.node_stats()),
        };
        json.ok().map(Bytes::from)
    }

    fn connections_of(&self, user: &UserId) -> usize {
        let mut count = 0;
        self.core.of_user(user.as_str(), |_| count += 1);
        count
    }

    fn node_stats(&self) -> NodeStats {
        let stats = self.core.stats();
        NodeStats {
            node: self.node,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            connections: stats.connections,
            users: stats.users,
            head: stats.head,
            published: stats.published,
            deliveries: stats.deliveries,
            is_healthy: !self.is_draining() && self.is_following(),
        }
    }
}

impl Hub {
    /// All nodes of the log, where the hub [reaches](crate::HubBuilder::peers) the others; otherwise this node alone.
    /// Nodes know of each other by beats: each node sends one every 2 s, and counts as gone after 8 s of silence.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tidings::Hub;
    /// let hub = Hub::builder().build().await?;
    /// let online = hub.cluster().is_online("ana").await?;
    /// if !online.value && online.answered == online.asked {
    ///     println!("ana is offline");
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn cluster(&self) -> Cluster {
        Cluster { hub: self.clone() }
    }
}

impl Cluster {
    /// The number of streams that a user has open.
    ///
    /// # Errors
    ///
    /// [`IdError`] when the text is not a user id.
    pub async fn connection_count<U>(&self, user: U) -> Result<Gathered<usize>, IdError>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
    {
        let user = user.try_into()?;
        let own = self.shared().connections_of(&user);
        Ok(self.gather(own, What::Connections(user), |count, other: usize| count + other).await)
    }

    /// Whether a user has a stream open.
    ///
    /// # Errors
    ///
    /// [`IdError`] when the text is not a user id.
    pub async fn is_online<U>(&self, user: U) -> Result<Gathered<bool>, IdError>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
    {
        let Gathered { value, asked, answered } = self.connection_count(user).await?;
        Ok(Gathered { value: value > 0, asked, answered })
    }

    /// The devices with which a user is online, each once, sorted by id.
    ///
    /// # Errors
    ///
    /// [`IdError`] when the text is not a user id.
    pub async fn devices_online<U>(&self, user: U) -> Result<Gathered<Vec<DeviceId>>, IdError>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
    {
        let user = user.try_into()?;
        let own = self.hub.core().devices(user.as_str());
        Ok(self.gather(own, What::Devices(user), union).await)
    }

    /// Who is online on a channel of the whole log; [`Hub::presence`] answers the same for one node.
    ///
    /// # Errors
    ///
    /// [`PresenceError`] when the text is not a channel or pattern, or the hub was built without
    /// [`presence`](crate::HubBuilder::presence).
    pub async fn presence<P>(&self, channel: P) -> Result<Gathered<Vec<Member>>, PresenceError>
    where
        P: TryInto<Pattern>,
        ChannelError: From<P::Error>,
    {
        let channel = channel.try_into().map_err(ChannelError::from)?;
        let own = self.hub.core().presence().ok_or(PresenceError::Off)?.here(&channel);
        Ok(self.gather(own, What::Presence(channel), union).await)
    }

    /// The figures of each node that answered, sorted by node id.
    pub async fn stats(&self) -> Gathered<Vec<NodeStats>> {
        let own = vec![self.shared().node_stats()];
        let with = |mut all: Vec<NodeStats>, one: NodeStats| {
            all.push(one);
            all
        };
        let mut gathered = self.gather(own, What::Stats(()), with).await;
        gathered.value.sort_by_key(|stats| stats.node);
        gathered
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.hub.inner.shared
    }

    /// Asks all other nodes, and adds their answers to this node's own.
    async fn gather<T, A: DeserializeOwned>(&self, own: T, question: What, add: impl Fn(T, A) -> T) -> Gathered<T> {
        let (alone, there) = (Gathered { value: own, asked: 1, answered: 1 }, self.others());
        let Some(peers) = self.hub.peers().filter(|_| !there.is_empty()) else { return alone };
        let question = encoded(question);
        let answers = join_all(there.iter().map(|node| peers.call(*node, question.clone(), PATIENCE))).await;
        let answers = answers.into_iter().filter_map(|answer| serde_json::from_slice::<A>(&answer.ok()?).ok());
        let start = Gathered { asked: 1 + there.len(), ..alone };
        answers.fold(start, |Gathered { value, asked, answered }, answer| Gathered {
            value: add(value, answer),
            asked,
            answered: answered + 1,
        })
    }

    fn others(&self) -> Vec<NodeId> {
        let shared = self.shared();
        shared.nodes.there(shared.clock.now_ms()).iter().map(|beat| beat.node).collect()
    }
}

fn union<T: Ord>(all: Vec<T>, others: Vec<T>) -> Vec<T> {
    all.into_iter().chain(others).collect::<BTreeSet<_>>().into_iter().collect()
}
