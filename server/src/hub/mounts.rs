//! How other nodes reach this one: by the routes that its hub is mounted with.

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

/// How long to wait before the next attempt to join.
const PAUSE: Duration = Duration::from_secs(1);

/// The routes of one mounting, for the calls of other nodes.
#[async_trait]
pub(crate) trait Mounted: Send + Sync {
    /// Carries out what another node asks of the mounting with this number; `None` where it asks another one, or is not understood.
    async fn respond(&self, mount: usize, message: &Bytes) -> Option<Bytes>;
}

/// The routes of a hub, in the order in which they were mounted. A router that is gone answers nobody.
pub(super) struct Mounts {
    shared: Arc<Shared>,
    mounted: Mutex<Vec<Weak<dyn Mounted>>>,
}

impl Mounts {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, mounted: Mutex::default() }
    }

    /// Takes in the routes of one mounting; its number.
    pub(super) fn add(&self, mounted: &Arc<dyn Mounted>) -> usize {
        let mut all = self.mounted.lock();
        all.push(Arc::downgrade(mounted));
        all.len() - 1
    }
}

#[async_trait]
impl Responder for Mounts {
    async fn respond(&self, message: Bytes) -> Bytes {
        if let Some(answer) = self.shared.answer(&message) {
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

/// Joins the other nodes. Where that fails, what is returned tries again until it succeeds.
pub(super) async fn join(
    peers: Arc<dyn Peers>,
    node: NodeId,
    mounts: &Arc<Mounts>,
) -> Option<impl Future<Output = ()> + Send + 'static + use<>> {
    let responder: Arc<dyn Responder> = mounts.clone();
    let responder = Arc::downgrade(&responder);
    let error = peers.join(node, responder.clone()).await.err()?;
    tracing::warn!(%node, error = &error as &dyn std::error::Error, "other nodes do not reach this one yet; trying again");
    Some(async move {
        while peers.join(node, responder.clone()).await.is_err() {
            sleep(PAUSE).await;
        }
    })
}
