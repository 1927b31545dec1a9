//! The transport between hubs of one process that share a log in memory: a map.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::peers::{CallError, NodeId, Peers, PeersError, Responder};

/// The hubs that have joined. A responder that was dropped has left.
#[derive(Default)]
pub(super) struct Members {
    responders: Mutex<HashMap<NodeId, Weak<dyn Responder>>>,
}

impl std::fmt::Debug for Members {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.responders.lock().keys()).finish()
    }
}

impl Members {
    fn responder(&self, node: NodeId) -> Option<Arc<dyn Responder>> {
        self.responders.lock().get(&node)?.upgrade()
    }
}

#[async_trait]
impl Peers for Members {
    async fn join(&self, node: NodeId, responder: Weak<dyn Responder>) -> Result<(), PeersError> {
        let mut responders = self.responders.lock();
        responders.retain(|_, responder| responder.strong_count() > 0);
        responders.insert(node, responder);
        Ok(())
    }

    async fn call(&self, node: NodeId, message: Bytes, deadline: Duration) -> Result<Bytes, CallError> {
        let responder = self.responder(node).ok_or(CallError::Gone)?;
        timeout(deadline, responder.respond(message)).await.map_err(|_| CallError::Unanswered)
    }

    async fn tell(&self, from: NodeId, message: Bytes) -> Result<(), PeersError> {
        let others: Vec<_> = {
            let responders = self.responders.lock();
            responders.iter().filter(|(node, _)| **node != from).filter_map(|(_, other)| other.upgrade()).collect()
        };
        for other in others {
            other.told(message.clone());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::conformance;

    #[tokio::test(start_paused = true)]
    async fn every_promise_is_kept() {
        let members = || -> Arc<dyn Peers> { Arc::new(Members::default()) };
        let all = members();
        conformance::check(all.clone(), all.clone(), all).await;
    }
}
