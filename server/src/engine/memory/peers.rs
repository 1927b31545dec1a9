//! Hubs of one process that share a log in memory reach each other by a map.

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

/// Those who have joined. A responder that is gone has left.
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

    /// Answers with its name and what it was asked, unless it hangs.
    struct Echo {
        name: &'static str,
        hangs: bool,
        told: Mutex<Vec<Bytes>>,
    }

    #[async_trait]
    impl Responder for Echo {
        async fn respond(&self, message: Bytes) -> Bytes {
            if self.hangs {
                std::future::pending::<()>().await;
            }
            [self.name.as_bytes(), &*message].concat().into()
        }

        fn told(&self, message: Bytes) {
            self.told.lock().push(message);
        }
    }

    async fn joined(members: &Members, node: u32, name: &'static str, hangs: bool) -> Arc<Echo> {
        let echo = Arc::new(Echo { name, hangs, told: Mutex::default() });
        let responder: Arc<dyn Responder> = echo.clone();
        members.join(NodeId(node), Arc::downgrade(&responder)).await.unwrap();
        echo
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_answered_by_its_node_or_says_why_not() {
        let members = Members::default();
        let _one = joined(&members, 1, "one:", false).await;
        let two = joined(&members, 2, "two:", false).await;
        let _three = joined(&members, 3, "three:", true).await;
        let call = |node| members.call(NodeId(node), Bytes::from("hello"), Duration::from_secs(2));
        assert_eq!(call(2).await.unwrap(), "two:hello");
        assert!(matches!(call(3).await, Err(CallError::Unanswered)));
        assert!(matches!(call(4).await, Err(CallError::Gone)));
        drop(two);
        assert!(matches!(call(2).await, Err(CallError::Gone)), "it has left");
    }

    #[tokio::test]
    async fn what_is_told_reaches_all_others() {
        let members = Members::default();
        let (one, two) = (joined(&members, 1, "", false).await, joined(&members, 2, "", false).await);
        members.tell(NodeId(1), Bytes::from("news")).await.unwrap();
        assert!(one.told.lock().is_empty());
        assert_eq!(*two.told.lock(), [Bytes::from("news")]);
    }
}
