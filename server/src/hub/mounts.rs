//! How other nodes reach this one: through the routes that the hub is mounted with.

use std::{
    future::Future,
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::sleep;

use super::shared::Shared;
use crate::peers::{NodeId, Peers, Responder};

/// The pause between two attempts to join.
const PAUSE: Duration = Duration::from_secs(1);

/// The routes of one mounting, callable by other nodes.
#[async_trait]
pub(crate) trait Mounted: Send + Sync {
    /// Carries out another node's call to the mounting with this index. Returns `None` where the index is another
    /// mounting's, or the message is not understood.
    async fn respond(&self, mount: usize, message: &Bytes) -> Option<Bytes>;
}

/// The mountings of a hub, in the order in which they were mounted. A mounting whose router was dropped answers no
/// calls.
pub(super) struct Mounts {
    shared: Arc<Shared>,
    mounted: Mutex<Vec<Weak<dyn Mounted>>>,
}

impl Mounts {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, mounted: Mutex::default() }
    }

    /// Adds a mounting, and returns its index.
    pub(super) fn add(&self, mounted: &Arc<dyn Mounted>) -> usize {
        let mut all = self.mounted.lock();
        all.push(Arc::downgrade(mounted));
        all.len() - 1
    }
}

#[async_trait]
impl Responder for Mounts {
    async fn respond(&self, message: Bytes) -> Bytes {
        if let Some(answer) = self.shared.answer(&message).await {
            return answer;
        }
        let all: Vec<_> = self.mounted.lock().iter().map(Weak::upgrade).collect();
        for (mount, mounted) in all.into_iter().enumerate() {
            let Some(mounted) = mounted else { continue };
            if let Some(answer) = mounted.respond(mount, &message).await {
                return answer;
            }
        }
        Bytes::new()
    }

    fn told(&self, message: Bytes) {
        self.shared.told(&message);
    }
}

/// Joins the other nodes. If that fails, the returned future tries again until it succeeds.
pub(super) async fn join(
    peers: Arc<dyn Peers>,
    node: NodeId,
    mounts: &Arc<Mounts>,
) -> Option<impl Future<Output = ()> + Send + 'static + use<>> {
    let responder: Arc<dyn Responder> = mounts.clone();
    let responder = Arc::downgrade(&responder);
    let error = peers.join(node, responder.clone()).await.err()?;
    tracing::warn!(%node, error = &error as &dyn std::error::Error, "the other nodes cannot reach this one yet; trying again");
    Some(async move {
        while peers.join(node, responder.clone()).await.is_err() {
            sleep(PAUSE).await;
        }
    })
}
