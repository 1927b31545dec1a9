//! Hubs of one log reach each other by the server's channels: each handle listens on one of its own, and says in the hash `{name}nodes`
//! which nodes are found there.

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

/// A node is believed to be there for so long after it was said.
const LEASE_MS: u64 = 10_000;
/// A channel on which nothing was heard for so long, although this handle itself speaks on it whenever it says who is there, is dead.
const SILENCE: Duration = Duration::from_secs(8);
/// How long to wait before the server is asked again after it failed.
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

    /// What listens for a mailbox, for ever.
    pub(crate) fn listen(&self, inbox: Inbox<Self>) -> impl Future<Output = ()> + Send + use<> {
        let (client, channel) = (self.client.clone(), self.channel.clone());
        async move {
            loop {
                // Whatever broke: callers are answered by their deadlines.
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
        // To this handle itself, which reads no message in it, but knows by it that its channel is alive.
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
