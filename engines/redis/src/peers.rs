//! Hubs of one log reach each other by the server's channels: each handle listens on one of its own, and says in the hash `{name}nodes`
//! which nodes are found there, and by which key messages for it are sealed.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::StreamExt;
use parking_lot::Mutex;
use redis::Client;
use serde::{Deserialize, Serialize};
use tidings::{
    engine::EngineError,
    peers::{CallError, NodeId, Peers, PeersError, Responder},
};
use tokio::{
    sync::oneshot,
    task::AbortHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    link::{Link, NODES},
    log::DEADLINE,
    sealed::{Key, Keys},
};

/// A node says that it is there this often,
const BEAT: Duration = Duration::from_secs(3);
/// and is believed to be there for so long.
const LEASE_MS: u64 = 10_000;
/// A channel on which nothing was heard for so long, although this handle itself speaks on it with each beat, is dead.
const SILENCE: Duration = Duration::from_secs(8);
/// How long to wait before the server is asked again after it failed.
const PAUSE: Duration = Duration::from_millis(250);

/// Where messages for a handle go.
#[derive(Clone, Serialize, Deserialize)]
struct Place {
    channel: String,
    key: [u8; 32],
}

/// A message, before it is sealed.
#[derive(Serialize, Deserialize)]
enum Message {
    /// Asks a node; the answer goes to `from` under this number.
    Call {
        number: u64,
        node: u32,
        from: Place,
        body: Vec<u8>,
    },
    Answer {
        number: u64,
        body: Vec<u8>,
    },
    /// The node that was asked has left.
    Gone {
        number: u64,
    },
    Tell {
        node: u32,
        body: Vec<u8>,
    },
    /// From a handle to itself, by which it knows that its channel is alive.
    Beat,
}

/// Whoever waits for an answer.
type Waiting = oneshot::Sender<Result<Vec<u8>, CallError>>;

/// How one handle reaches others, and is reached.
pub(crate) struct Reach {
    inner: Arc<Inner>,
    tasks: [AbortHandle; 2],
}

struct Inner {
    client: Client,
    link: Link,
    nodes: String,
    keys: Keys,
    place: Place,
    responders: Mutex<HashMap<NodeId, Weak<dyn Responder>>>,
    numbers: AtomicU64,
    waiting: Mutex<HashMap<u64, Waiting>>,
}

impl Drop for Reach {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Reach {
    pub(crate) fn new(client: Client, name: &str) -> Self {
        let keys = Keys::new();
        let channel = format!("{{{name}}}peer:{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let inner = Arc::new(Inner {
            link: Link::new(client.clone()),
            client,
            nodes: format!("{{{name}}}nodes"),
            place: Place { channel, key: keys.public() },
            keys,
            responders: Mutex::default(),
            numbers: AtomicU64::new(1),
            waiting: Mutex::default(),
        });
        let tasks = [tokio::spawn(listen(inner.clone())), tokio::spawn(beat(inner.clone()))];
        Self { inner, tasks: tasks.map(|task| task.abort_handle()) }
    }
}

impl Inner {
    /// Who is there, and where; says first that a node is found here.
    async fn nodes(&self, joining: Option<NodeId>) -> Result<HashMap<String, String>, EngineError> {
        let mut call = NODES.prepare_invoke();
        call.key(&self.nodes).arg(LEASE_MS);
        if let Some(node) = joining {
            let place = serde_json::to_string(&self.place).map_err(|error| EngineError(error.into()))?;
            call.arg(node.to_string()).arg(place);
        }
        Ok(self.link.run(DEADLINE, &call).await?)
    }

    /// Sends a message; whether somebody listens there.
    async fn send(&self, to: &Place, message: &Message) -> Result<bool, EngineError> {
        let plain = serde_json::to_vec(message).map_err(|error| EngineError(error.into()))?;
        let sealed =
            Key::new(to.key).seal(&plain).ok_or_else(|| EngineError("a message could not be sealed".into()))?;
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(&to.channel).arg(sealed);
        let heard = self.link.ask(DEADLINE, async |connection| publish.query_async::<u64>(connection).await);
        Ok(heard.await? > 0)
    }

    fn responder(&self, node: u32) -> Option<Arc<dyn Responder>> {
        self.responders.lock().get(&NodeId(node))?.upgrade()
    }

    fn take(self: &Arc<Self>, message: Message) {
        match message {
            Message::Call { number, node, from, body } => {
                let inner = self.clone();
                let responder = self.responder(node);
                tokio::spawn(async move {
                    let answer = match responder {
                        Some(responder) => {
                            Message::Answer { number, body: responder.respond(body.into()).await.to_vec() }
                        }
                        None => Message::Gone { number },
                    };
                    // Whoever waits for it is answered by its own deadline.
                    let _ = inner.send(&from, &answer).await;
                });
            }
            Message::Answer { number, body } => self.wake(number, Ok(body)),
            Message::Gone { number } => self.wake(number, Err(CallError::Gone)),
            Message::Tell { node, body } => {
                if let Some(responder) = self.responder(node) {
                    responder.told(body.into());
                }
            }
            Message::Beat => {}
        }
    }

    fn wake(&self, number: u64, answer: Result<Vec<u8>, CallError>) {
        if let Some(waiting) = self.waiting.lock().remove(&number) {
            let _ = waiting.send(answer);
        }
    }
}

/// Hears what is sent to this handle, for ever.
async fn listen(inner: Arc<Inner>) {
    loop {
        // Whatever broke: callers are answered by their deadlines.
        let _ = listen_once(&inner).await;
        sleep(PAUSE).await;
    }
}

async fn listen_once(inner: &Arc<Inner>) -> Option<()> {
    let subscribed = async {
        let mut channel = inner.client.get_async_pubsub().await.ok()?;
        channel.subscribe(&inner.place.channel).await.ok()?;
        Some(channel)
    };
    let channel = timeout(DEADLINE, subscribed).await.ok()??;
    let mut messages = channel.into_on_message();
    loop {
        let message = timeout(SILENCE, messages.next()).await.ok()??;
        // What was not sealed for this handle is nobody's.
        let plain = inner.keys.open(message.get_payload_bytes());
        if let Some(message) = plain.and_then(|plain| serde_json::from_slice(&plain).ok()) {
            inner.take(message);
        }
    }
}

/// Says that the nodes of this handle are there, and proves to itself that it hears, for ever.
async fn beat(inner: Arc<Inner>) {
    loop {
        sleep(BEAT).await;
        let nodes: Vec<_> = {
            let mut responders = inner.responders.lock();
            responders.retain(|_, responder| responder.strong_count() > 0);
            responders.keys().copied().collect()
        };
        for node in nodes {
            // A server that is out of reach forgets nothing: the next beat says it again.
            let _ = inner.nodes(Some(node)).await;
        }
        let _ = inner.send(&inner.place, &Message::Beat).await;
    }
}

#[async_trait]
impl Peers for Reach {
    async fn join(&self, node: NodeId, responder: Weak<dyn Responder>) -> Result<(), PeersError> {
        self.inner.responders.lock().insert(node, responder);
        let said = self.inner.nodes(Some(node)).await;
        said.map(drop).map_err(|EngineError(source)| PeersError(source))
    }

    async fn call(&self, node: NodeId, message: bytes::Bytes, deadline: Duration) -> Result<bytes::Bytes, CallError> {
        let until = Instant::now() + deadline;
        let down = |EngineError(source)| CallError::Down(source);
        let number = self.inner.numbers.fetch_add(1, Ordering::Relaxed);
        let (answer, waits) = oneshot::channel();
        let called = async {
            let nodes = self.inner.nodes(None).await.map_err(down)?;
            let place = nodes.get(&node.to_string()).and_then(|place| serde_json::from_str::<Place>(place).ok());
            let place = place.ok_or(CallError::Gone)?;
            self.inner.waiting.lock().insert(number, answer);
            let call = Message::Call { number, node: node.0, from: self.inner.place.clone(), body: message.to_vec() };
            if !self.inner.send(&place, &call).await.map_err(down)? {
                return Err(CallError::Gone);
            }
            waits.await.map_err(|_| CallError::Unanswered)?
        };
        let outcome = tokio::time::timeout_at(until, called).await;
        self.inner.waiting.lock().remove(&number);
        outcome.map_err(|_| CallError::Unanswered)?.map(Into::into)
    }

    async fn tell(&self, from: NodeId, message: bytes::Bytes) -> Result<(), PeersError> {
        let failed = |EngineError(source)| PeersError(source);
        for (name, place) in self.inner.nodes(None).await.map_err(failed)? {
            let Some(node) = u32::from_str_radix(&name, 16).ok().filter(|node| *node != from.0) else { continue };
            let Ok(place) = serde_json::from_str::<Place>(&place) else { continue };
            self.inner.send(&place, &Message::Tell { node, body: message.to_vec() }).await.map_err(failed)?;
        }
        Ok(())
    }
}
