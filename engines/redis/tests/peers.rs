//! Handles of one log reach each other through the server, and what they say rests nowhere.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use std::sync::Mutex;
use tidings::{
    engine::Engine,
    peers::{CallError, NodeId, Peers, Responder},
};
use tidings_redis::Redis;
use tidings_servers::Redis as Server;

const DEADLINE: Duration = Duration::from_secs(5);

/// Answers with its name and what it was asked, unless it hangs.
struct Echo {
    name: &'static str,
    told: Mutex<Vec<String>>,
}

#[async_trait]
impl Responder for Echo {
    async fn respond(&self, message: bytes::Bytes) -> bytes::Bytes {
        if self.name == "hangs" {
            std::future::pending::<()>().await;
        }
        [self.name.as_bytes(), b" heard ", &*message].concat().into()
    }

    fn told(&self, message: bytes::Bytes) {
        self.told.lock().unwrap().push(String::from_utf8(message.to_vec()).unwrap());
    }
}

async fn joined(server: &Server, node: u32, name: &'static str) -> (Redis, Arc<dyn Peers>, Arc<Echo>) {
    let engine = Redis::open(server.url()).await.unwrap();
    let peers = engine.peers().unwrap();
    let echo = Arc::new(Echo { name, told: Mutex::default() });
    let responder: Weak<dyn Responder> = Arc::<Echo>::downgrade(&echo);
    peers.join(NodeId(node), responder).await.unwrap();
    (engine, peers, echo)
}

/// Until the handle listens, which it begins to do after it was opened.
async fn call(peers: &Arc<dyn Peers>, node: u32, message: &str) -> Result<String, CallError> {
    for _ in 0..100 {
        match peers.call(NodeId(node), message.to_owned().into(), DEADLINE).await {
            Err(CallError::Gone) => tokio::time::sleep(Duration::from_millis(20)).await,
            answer => return answer.map(|answer| String::from_utf8(answer.to_vec()).unwrap()),
        }
    }
    Err(CallError::Gone)
}

#[tokio::test]
async fn a_call_is_answered_by_its_node_or_says_why_not() {
    let server = Server::start().unwrap();
    let (_one, of_one, _echo) = joined(&server, 1, "one").await;
    let (two, of_two, echo) = joined(&server, 2, "two").await;
    let (_three, _, _hangs) = joined(&server, 3, "hangs").await;
    assert_eq!(call(&of_one, 2, "hello").await.unwrap(), "two heard hello");
    assert_eq!(call(&of_two, 1, "hi").await.unwrap(), "one heard hi");
    let short = Duration::from_millis(300);
    let unanswered = async || of_one.call(NodeId(3), "x".into(), short).await;
    while matches!(unanswered().await, Err(CallError::Gone)) {}
    assert!(matches!(unanswered().await, Err(CallError::Unanswered)));
    assert!(matches!(of_one.call(NodeId(4), "x".into(), DEADLINE).await, Err(CallError::Gone)));
    of_two.tell(NodeId(2), "news".into()).await.unwrap();
    while _echo.told.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(*_echo.told.lock().unwrap(), ["news"]);
    assert!(echo.told.lock().unwrap().is_empty());
    drop(echo);
    assert!(matches!(of_one.call(NodeId(2), "x".into(), DEADLINE).await, Err(CallError::Gone)), "it has left");
    two.close().await;
    drop((two, of_two));
    assert!(matches!(of_one.call(NodeId(2), "x".into(), DEADLINE).await, Err(CallError::Gone)));
}

/// What somebody sees who listens to everything on the server, and what is in its files, holds no word of a message.
#[tokio::test]
async fn no_credential_rests_or_passes_in_the_clear() {
    use futures_util::StreamExt;
    let server = Server::start().unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let mut spy = client.get_async_pubsub().await.unwrap();
    spy.psubscribe("*").await.unwrap();
    let (_one, of_one, _echo) = joined(&server, 1, "one").await;
    let (_two, _, _other) = joined(&server, 2, "two").await;
    let canary = "canary-credential-7f3a";
    assert!(call(&of_one, 2, canary).await.unwrap().contains(canary));
    let mut seen = spy.on_message();
    let mut messages = 0;
    while let Ok(Some(message)) = tokio::time::timeout(Duration::from_millis(500), seen.next()).await {
        messages += 1;
        let bytes = message.get_payload_bytes();
        assert!(!bytes.windows(6).any(|window| window == b"canary"));
    }
    assert!(messages >= 2, "a call and its answer were seen: {messages}");
    for entry in walk(server.directory()) {
        let bytes = std::fs::read(entry).unwrap_or_default();
        assert!(!bytes.windows(6).any(|window| window == b"canary"));
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    assert!(!found.is_empty());
    found
}
