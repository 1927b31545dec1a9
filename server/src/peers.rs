//! The transport between the hubs of one log: calls from one node to another, and messages to all nodes.
//!
//! An engine whose log several hubs share provides it ([`Engine::peers`](crate::engine::Engine::peers)), so that an
//! operator has nothing more to set up; [`HubBuilder::peers`](crate::HubBuilder::peers) sets another one, such as
//! `HttpPeers`. The hub uses it for calls about a stream that another node holds: the call is forwarded to that node,
//! and answered by its own router.
//!
//! | module | holds |
//! |---|---|
//! | `mailbox`, `sealed` | the common part of most transports (feature `mailboxes`): a list of nodes, and messages that only one handle can read |
//! | `http` | nodes that reach each other over HTTP (feature `http-peers`) |
//! | `conformance` | the tests that each transport has to pass (feature `conformance`) |

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "http-peers")]
mod http;
#[cfg(feature = "mailboxes")]
mod mailbox;
#[cfg(feature = "mailboxes")]
mod sealed;

use std::{fmt, sync::Weak, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

#[cfg(feature = "http-peers")]
pub use self::http::{HttpPeers, HttpPeersError};
#[cfg(feature = "mailboxes")]
pub use self::mailbox::{ANNOUNCE_INTERVAL, Inbox, Mailbox, Post};
use crate::engine::Source;

/// The id of one hub among those of a log: a random number that the hub draws when it starts, and with which the ids of
/// its streams begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The node whose streams have ids that begin like this one.
    pub(crate) fn of_connection(id: &str) -> Option<Self> {
        let (node, _) = id.split_once('.')?;
        let is_node = node.len() == 8 && node.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_node.then(|| u32::from_str_radix(node, 16).ok().map(Self))?
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// Why a node did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The node does not exist, or no longer. The call was not carried out.
    #[error("there is no such node")]
    Gone,
    /// The node did not answer in time. It may have carried out the call.
    #[error("the node did not answer in time")]
    Unanswered,
    /// The nodes cannot reach each other now. The call may have been carried out.
    #[error("the nodes cannot reach each other now; try again")]
    Down(#[source] Source),
}

/// The nodes cannot reach each other now; the same call may succeed later.
#[derive(Debug, thiserror::Error)]
#[error("the nodes cannot reach each other now; try again")]
pub struct PeersError(#[source] pub Source);

/// Handles the messages of other nodes.
#[async_trait]
pub trait Responder: Send + Sync {
    /// Answers a call to this node.
    async fn respond(&self, message: Bytes) -> Bytes;

    /// Handles a message to all nodes.
    fn told(&self, message: Bytes);
}

/// The transport between the hubs of one log. Messages may be lost or arrive late; none arrives twice, and none is
/// changed.
///
/// Messages contain users' credentials. An implementation must not store them anywhere: not in a table, a log or a
/// file.
#[async_trait]
pub trait Peers: Send + Sync + 'static {
    /// Makes this node reachable by its id from now on, until the responder is dropped.
    ///
    /// # Errors
    ///
    /// [`PeersError`]: the node is not reachable yet.
    async fn join(&self, node: NodeId, responder: Weak<dyn Responder>) -> Result<(), PeersError>;

    /// Calls one node, and returns its answer, at the latest when the deadline has passed.
    ///
    /// # Errors
    ///
    /// [`CallError`]: the node does not exist, or did not answer.
    async fn call(&self, node: NodeId, message: Bytes, deadline: Duration) -> Result<Bytes, CallError>;

    /// Sends a message to all other nodes, to each at most once, without waiting for any of them.
    ///
    /// # Errors
    ///
    /// [`PeersError`]: no node received the message.
    async fn tell(&self, from: NodeId, message: Bytes) -> Result<(), PeersError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_id_of_a_stream_names_a_node() {
        assert_eq!(NodeId::of_connection("00c0ffee.0123"), Some(NodeId(0x00c0_ffee)));
        for other in ["", ".", "c0ffee.1", "+0c0ffee.1", "00c0ffee", "000c0ffee.1", "00c0ffex.1"] {
            assert_eq!(NodeId::of_connection(other), None, "{other}");
        }
    }
}
