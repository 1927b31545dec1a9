//! The hub as its user holds it, and the tasks that drive the core: one reads the engine's tail, one wakes connections,
//! one ticks.
//!
//! | module | |
//! |---|---|
//! | `builder`, `shared` | settings of a hub, and its start; what the hub and its tasks share |
//! | `streams`, `resume`, `page`, `reader` | opening and closing streams; where one starts; reading the log for it; asking it for frames |
//! | `online`, `health` | who is online on this node; figures, health and the end |
//! | `orders` | commands about a user's streams |
//! | `driver`, `follow`, `pace` | the tasks; following the engine's tail; how far rounds are apart |
//! | `history`, `patience` | one read of the log for all who need it; how long the engine is waited for |
//! | `mounts`, `nodes`, `cluster` | how other nodes reach this one; which are there; what is true of all |

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
mod reader;
mod resume;
mod shared;
#[cfg(feature = "simulation")]
pub mod simulation;
mod streams;

use std::sync::Arc;

pub use builder::HubBuilder;
pub use cluster::{Cluster, Gathered, NodeStats};
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

/// The handle of a hub: publish through it, ask it who is online, mount it with [`routes`](crate::routes). Cloning it is
/// cheap, and all clones are one hub. Its tasks end when the last one is dropped.
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
    /// Names this node in connection ids.
    node: NodeId,
    /// What other nodes reach this one by; held, for they forget it when it is gone.
    mounts: Arc<Mounts>,
    peers: Option<Arc<dyn Peers>>,
    on_connect: Option<Hook>,
    on_disconnect: Option<Hook>,
    tasks: Vec<tokio::task::AbortHandle>,
}

/// What an application wants called with each stream.
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
    /// The last position that this node has: a server-rendered page takes it **first**, loads its data second, and passes
    /// it to the client as `since`, which then misses nothing that changed in between.
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

    /// Names this node in the texts that it makes.
    pub(crate) fn node(&self) -> u32 {
        self.inner.node.0
    }

    /// The name under which other nodes reach this one.
    pub(crate) fn node_id(&self) -> NodeId {
        self.inner.node
    }

    /// The way to the other nodes of the log, where there is one.
    pub(crate) fn peers(&self) -> Option<&Arc<dyn Peers>> {
        self.inner.peers.as_ref()
    }

    /// Lets other nodes call these routes; which of the hub's mountings they are.
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
