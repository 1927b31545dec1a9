//! The hub as an application holds it, and the tasks that drive the core: one task reads the engine's tail, one wakes
//! connections, one ticks.
//!
//! | module | |
//! |---|---|
//! | `builder`, `shared` | a hub's settings and start; the state that the hub shares with its tasks |
//! | `streams`, `resume`, `page`, `reader` | opening and closing a stream; where it starts; reading the log for it; polling it for frames |
//! | `online`, `health` | who is online on this node; figures, health and shutdown |
//! | `orders` | commands about a user's streams |
//! | `driver`, `follow`, `pace` | the tasks; following the engine's tail; the interval between rounds |
//! | `history`, `patience` | one read of the log shared by all streams that need it; how long a call to the engine may take |
//! | `mounts`, `nodes`, `cluster` | how other nodes reach this one; which nodes are alive; answers gathered from all nodes |
//! | `presence_feed`, `presence_follow` | what this node reports to others about its own streams; presence reports from all nodes |

mod builder;
mod cluster;
mod connection_info;
mod driver;
mod follow;
mod health;
mod history;
mod mounts;
mod nodes;
mod online;
mod orders;
mod pace;
mod page;
mod patience;
mod presence_feed;
mod presence_follow;
mod reader;
mod resume;
mod shared;
#[cfg(feature = "simulation")]
pub mod simulation;
mod streams;

use std::sync::Arc;

pub use builder::HubBuilder;
pub use cluster::{Cluster, NodeStats};
pub use connection_info::ConnectionInfo;
pub(crate) use reader::Reader;
pub(crate) use resume::Resume;
use tidings_protocol::Cursor;

pub(crate) use self::mounts::Mounted;
use self::{mounts::Mounts, shared::Shared};
use crate::{
    config::Config,
    core::Core,
    engine::Engine,
    peers::{NodeId, Peers},
};

/// The handle of a hub. An application publishes through it, asks it who is online, and mounts it with
/// [`routes`](crate::routes). Clones are cheap and refer to the same hub. The hub's tasks end when its last clone is
/// dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tidings::{Event, Hub};
///
/// let hub = Hub::builder().build().await?;
/// let receipt = hub.publish(Event::new("timer:u1", "started", "tea")?).await?;
/// assert!(!receipt.duplicate);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    engine: Arc<dyn Engine>,
    shared: Arc<Shared>,
    /// This node's part of every connection id, by which other nodes find the node that holds a stream.
    node: NodeId,
    /// The routes by which other nodes reach this one. The hub keeps them alive, because other nodes forget a mounting
    /// that was dropped.
    mounts: Arc<Mounts>,
    peers: Option<Arc<dyn Peers>>,
    on_connect: Option<Hook>,
    on_disconnect: Option<Hook>,
    tasks: Vec<tokio::task::AbortHandle>,
}

/// A callback of the application for a stream that was opened or has ended.
type Hook = Arc<dyn Fn(&Hub, &ConnectionInfo) + Send + Sync>;

impl Drop for Inner {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("head", &self.cursor()).finish_non_exhaustive()
    }
}

impl Hub {
    /// The last cursor that this node has applied. A server-rendered page takes the cursor **first**, loads its data
    /// second, and passes the cursor to the client as `since`; the client then misses no change made in between.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.core().head()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.inner.config
    }

    pub(crate) fn engine(&self) -> &Arc<dyn Engine> {
        &self.inner.engine
    }

    pub(crate) fn core(&self) -> &Core {
        &self.inner.shared.core
    }

    /// This node's id as the number that connection ids, tickets and similar texts begin with.
    pub(crate) fn node(&self) -> u32 {
        self.inner.node.0
    }

    /// The id under which other nodes reach this one.
    pub(crate) fn node_id(&self) -> NodeId {
        self.inner.node
    }

    /// The transport to the other nodes of the log; `None` where the hub has none.
    pub(crate) fn peers(&self) -> Option<&Arc<dyn Peers>> {
        self.inner.peers.as_ref()
    }

    /// Registers routes that other nodes may call. Returns the index of this mounting among the hub's mountings.
    pub(crate) fn mount(&self, mounted: &Arc<dyn Mounted>) -> usize {
        self.inner.mounts.add(mounted)
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.inner.shared.clock.now_ms()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.inner.shared.is_draining()
    }
}
