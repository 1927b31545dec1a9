//! Between the hubs of one log: what one node asks of another, or tells all others.
//!
//! An engine whose log several hubs share provides it ([`Engine::peers`](crate::engine::Engine::peers)), so that an operator sets up
//! nothing more; [`HubBuilder::peers`](crate::HubBuilder::peers) takes another one, such as `HttpPeers`. The hub uses it for calls about a
//! stream that another node holds: the call is forwarded to that node, and answered by its own router.
//!
//! | module | holds |
//! |---|---|
//! | `mailbox`, `sealed` | how most of them work (feature `mailboxes`): a list of nodes, and messages that only one handle can read |
//! | `http` | nodes that reach each other by HTTP (feature `http-peers`) |
//! | `conformance` | the tests that each of them has to pass (feature `conformance`) |

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

/// Names one hub among those of a log: a random number that it draws when it starts, and with which the ids of its streams begin.
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
    /// There is no such node, or not any more. The call was not carried out.
    #[error("there is no such node")]
    Gone,
    /// It did not answer in time. It may have carried the call out.
    #[error("the node did not answer in time")]
    Unanswered,
    /// Nodes cannot reach each other now. The call may have been carried out.
    #[error("the nodes cannot reach each other")]
    Down(#[source] Source),
}

/// Nodes cannot reach each other now; the same call may succeed later.
#[derive(Debug, thiserror::Error)]
#[error("the nodes cannot reach each other")]
pub struct PeersError(#[source] pub Source);

/// What a node does with the messages of others.
#[async_trait]
pub trait Responder: Send + Sync {
    /// Answers what was asked of this node.
    async fn respond(&self, message: Bytes) -> Bytes;

    /// Takes what was told to all nodes.
    fn told(&self, message: Bytes);
}

/// The ways between the hubs of one log. Messages may be lost or arrive late; none arrives twice, and none is changed.
///
/// Messages hold credentials of users. Whoever implements it must let none rest anywhere: not in a table, a log or a file.
#[async_trait]
pub trait Peers: Send + Sync + 'static {
    /// From here on this node is reached under its name, until the responder is gone.
    ///
    /// # Errors
    ///
    /// [`PeersError`]: it is not reached yet.
    async fn join(&self, node: NodeId, responder: Weak<dyn Responder>) -> Result<(), PeersError>;

    /// Asks one node, and returns its answer, at the latest when the deadline has passed.
    ///
    /// # Errors
    ///
    /// [`CallError`]: it is not there, or did not answer.
    async fn call(&self, node: NodeId, message: Bytes, deadline: Duration) -> Result<Bytes, CallError>;

    /// Tells all others, each at most once, and waits for nobody.
    ///
    /// # Errors
    ///
    /// [`PeersError`]: nobody was told.
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
