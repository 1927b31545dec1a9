//! The transport between hubs of one log: the server's publish/subscribe channels. Each handle listens on a channel of
//! its own, and lists in the hash `{name}nodes` which nodes it serves.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use futures_util::StreamExt;
use redis::Client;
use tidings::{
    engine::{EngineError, Source},
    peers::{Inbox, NodeId, Post},
};
use tokio::time::{sleep, timeout};

use crate::{
    link::{Link, NODES},
    log::DEADLINE,
};

/// How long a node counts as alive after its last announcement.
const LEASE_MS: u64 = 10_000;
/// How long a channel may be silent before it counts as dead; this handle itself publishes on it with each
/// announcement.
const SILENCE: Duration = Duration::from_secs(8);
/// The delay before the server is asked again after a failure.
const PAUSE: Duration = Duration::from_millis(250);

/// The server's channels, and the list of nodes.
pub(crate) struct Channels {
    client: Client,
    link: Link,
    nodes: String,
    channel: String,
}

impl Channels {
    pub(crate) fn new(client: Client, name: &str) -> Self {
        Self {
            link: Link::new(client.clone()),
            client,
            nodes: format!("{{{name}}}nodes"),
            channel: format!("{{{name}}}peer:{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)),
        }
    }

    /// The task that listens for a mailbox, for ever.
    pub(crate) fn listen(&self, inbox: Inbox<Self>) -> impl Future<Output = ()> + Send + use<> {
        let (client, channel) = (self.client.clone(), self.channel.clone());
        async move {
            loop {
                // Errors are ignored here, because the deadlines of the callers report them.
                let _ = listen_once(&client, &channel, &inbox).await;
                sleep(PAUSE).await;
            }
        }
    }

    async fn publish(&self, channel: &str, message: Vec<u8>) -> Result<u64, Source> {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(channel).arg(message);
        let heard = self.link.ask(DEADLINE, async |connection| publish.query_async::<u64>(connection).await);
        heard.await.map_err(|failed| EngineError::from(failed).0)
    }

    async fn run(&self, node: Option<(NodeId, &str)>) -> Result<HashMap<String, String>, Source> {
        let mut call = NODES.prepare_invoke();
        call.key(&self.nodes).arg(LEASE_MS);
        if let Some((node, place)) = node {
            call.arg(node.to_string()).arg(place);
        }
        self.link.run(DEADLINE, &call).await.map_err(|failed| EngineError::from(failed).0)
    }
}

async fn listen_once(client: &Client, channel: &str, inbox: &Inbox<Channels>) -> Option<()> {
    let subscribed = async {
        let mut pubsub = client.get_async_pubsub().await.ok()?;
        pubsub.subscribe(channel).await.ok()?;
        Some(pubsub)
    };
    let pubsub = timeout(DEADLINE, subscribed).await.ok()??;
    let mut messages = pubsub.into_on_message();
    loop {
        let message = timeout(SILENCE, messages.next()).await.ok()??;
        inbox.take(message.get_payload_bytes());
    }
}

#[async_trait]
impl Post for Channels {
    fn address(&self) -> String {
        self.channel.clone()
    }

    async fn announce(&self, nodes: &[NodeId], place: &str) -> Result<(), Source> {
        for node in nodes {
            self.run(Some((*node, place))).await?;
        }
        // The message goes to this handle itself. It is empty, and shows that the channel is alive.
        self.publish(&self.channel, Vec::new()).await.map(drop)
    }

    async fn places(&self) -> Result<Vec<(NodeId, String)>, Source> {
        let listed = self.run(None).await?.into_iter();
        let nodes = listed.filter_map(|(node, place)| Some((NodeId(u32::from_str_radix(&node, 16).ok()?), place)));
        Ok(nodes.collect())
    }

    async fn send(&self, address: &str, sealed: Vec<u8>) -> Result<bool, Source> {
        Ok(self.publish(address, sealed).await? > 0)
    }
}
