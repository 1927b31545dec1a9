//! Tests every promise of [`Peers`], for transports that are implemented elsewhere (feature `conformance`).

use std::{
    future::pending,
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use super::{CallError, NodeId, Peers, Responder};

/// Longer than any working call takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// The deadline of a call that is not answered.
const SHORT: Duration = Duration::from_millis(300);

/// A node that answers with its name and the call's message, unless it hangs.
#[derive(Debug)]
pub struct Echo {
    name: &'static str,
    hangs: bool,
    told: Mutex<Vec<Bytes>>,
}

impl Echo {
    /// Joins as a node.
    ///
    /// # Panics
    ///
    /// If it cannot join.
    pub async fn join(peers: &dyn Peers, node: u32, name: &'static str) -> Arc<Self> {
        let echo = Arc::new(Self { name, hangs: name == "hangs", told: Mutex::default() });
        let responder: Weak<dyn Responder> = Arc::<Self>::downgrade(&echo);
        peers.join(NodeId(node), responder).await.expect("joining");
        echo
    }

    /// The messages that this node received.
    #[must_use]
    pub fn told(&self) -> Vec<Bytes> {
        self.told.lock().clone()
    }
}

#[async_trait]
impl Responder for Echo {
    async fn respond(&self, message: Bytes) -> Bytes {
        if self.hangs {
            pending::<()>().await;
        }
        [self.name.as_bytes(), b" heard ", &*message].concat().into()
    }

    fn told(&self, message: Bytes) {
        self.told.lock().push(message);
    }
}

/// Calls a node that exists, but which a handle may only learn of a moment after it was opened.
///
/// # Errors
///
/// The same as [`Peers::call`].
pub async fn call(peers: &dyn Peers, node: u32, message: impl Into<Bytes>) -> Result<Bytes, CallError> {
    let message = message.into();
    let found = async {
        loop {
            match peers.call(NodeId(node), message.clone(), PATIENCE).await {
                Err(CallError::Gone) => sleep(Duration::from_millis(20)).await,
                answer => return answer,
            }
        }
    };
    timeout(PATIENCE, found).await.unwrap_or(Err(CallError::Unanswered))
}

/// Tests three handles of one log, none of which has joined.
///
/// # Panics
///
/// If a promise is broken.
pub async fn check(one: Arc<dyn Peers>, two: Arc<dyn Peers>, three: Arc<dyn Peers>) {
    let first = Echo::join(&*one, 1, "one").await;
    let second = Echo::join(&*two, 2, "two").await;
    let _third = Echo::join(&*three, 3, "hangs").await;
    assert_eq!(call(&*one, 2, "hello").await.expect("an answer"), "two heard hello");
    assert_eq!(call(&*two, 1, "hi").await.expect("an answer"), "one heard hi");
    assert_eq!(call(&*one, 1, "me").await.expect("an answer"), "one heard me", "a node may call itself");
    // Longer than a notice or a frame may be, and with all byte values.
    let long: Vec<u8> = (0..=u8::MAX).cycle().take(300_000).collect();
    let answer = call(&*one, 2, long.clone()).await.expect("an answer");
    assert_eq!(answer, [b"two heard ", &*long].concat());
    unanswered(&*one).await;
    let nobody = one.call(NodeId(4), "x".into(), PATIENCE).await;
    assert!(matches!(nobody, Err(CallError::Gone)), "{nobody:?}");
    let calls = (0..50_u32).map(|number| {
        let two = &two;
        async move {
            assert_eq!(
                call(&**two, 1, number.to_string()).await.expect("an answer"),
                format!("one heard {number}"),
                "answers belong to their calls"
            );
        }
    });
    futures_util::future::join_all(calls).await;
    two.tell(NodeId(2), "news".into()).await.expect("telling");
    let heard = async {
        while first.told().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, heard).await.expect("what is told arrives");
    assert_eq!(first.told(), ["news"]);
    assert!(second.told().is_empty(), "no node receives its own message");
    drop(second);
    let left = one.call(NodeId(2), "x".into(), PATIENCE).await;
    assert!(matches!(left, Err(CallError::Gone)), "it has left: {left:?}");
}

/// Tests two handles of one log, none of which has joined: after the second is closed by `close`, it is gone at once.
///
/// # Panics
///
/// If it is not.
pub async fn check_closed(one: Arc<dyn Peers>, two: Arc<dyn Peers>, close: impl Future<Output = ()>) {
    let _echo = Echo::join(&*two, 2, "two").await;
    assert_eq!(call(&*one, 2, "hi").await.expect("an answer"), "two heard hi");
    close.await;
    // A server ends the connections of a handle a moment later.
    let deadline = Duration::from_millis(200);
    let gone = async { while !matches!(one.call(NodeId(2), "x".into(), deadline).await, Err(CallError::Gone)) {} };
    timeout(Duration::from_secs(5), gone).await.expect("it is gone");
}

/// Tests two handles of one log, none of which has joined: calls fail after `kill` ends the server, and succeed after
/// `restart`.
///
/// # Panics
///
/// If they do not.
pub async fn check_killed(one: Arc<dyn Peers>, two: Arc<dyn Peers>, kill: impl FnOnce(), restart: impl FnOnce()) {
    let _echo = Echo::join(&*two, 2, "two").await;
    assert_eq!(call(&*one, 2, "hi").await.expect("an answer"), "two heard hi");
    kill();
    let down = one.call(NodeId(2), "x".into(), Duration::from_secs(2)).await;
    assert!(matches!(down, Err(CallError::Down(_) | CallError::Unanswered)), "{down:?}");
    restart();
    let again = async {
        loop {
            match one.call(NodeId(2), "again".into(), Duration::from_secs(2)).await {
                Ok(answer) => return answer,
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    };
    assert_eq!(timeout(PATIENCE, again).await.expect("in time"), "two heard again");
}

/// The third node exists, and does not answer.
async fn unanswered(peers: &dyn Peers) {
    let told = async {
        loop {
            match peers.call(NodeId(3), "x".into(), SHORT).await {
                Err(CallError::Gone) => sleep(Duration::from_millis(20)).await,
                answer => return answer,
            }
        }
    };
    let answer = timeout(PATIENCE, told).await.expect("in time");
    assert!(matches!(answer, Err(CallError::Unanswered)), "{answer:?}");
}
