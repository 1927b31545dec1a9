//! [`Peers`] over anything that can keep a list of addresses and carry bytes to one of them: each handle has a mailbox,
//! and messages are sealed for their mailbox alone.
//!
//! A transport implements [`Post`]; this module does the rest: it finds the mailbox of a node, matches answers with
//! calls, and announces that the nodes of this handle are still alive.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::oneshot,
    task::AbortHandle,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    CallError, NodeId, Peers, PeersError, Responder,
    sealed::{Key, Keys},
};
use crate::engine::Source;

/// How often a handle announces its nodes. A [`Post`] keeps an announcement for about three times as long.
pub const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(3);
/// How long one message to all others may take for each of them.
const TELL_DEADLINE: Duration = Duration::from_secs(2);

/// Carries sealed messages between mailboxes, and keeps the list of mailboxes. Only the receiver can read a message.
/// A party that can write to the list can redirect messages to themselves, so keep the list where the log is, behind the
/// same password.
#[async_trait]
pub trait Post: Send + Sync + 'static {
    /// The address of this handle's mailbox, for [`send`](Self::send) by any handle.
    fn address(&self) -> String;

    /// Lists these nodes at this place for about three [`ANNOUNCE_INTERVAL`]s. Called once per interval, also without a
    /// node.
    async fn announce(&self, nodes: &[NodeId], place: &str) -> Result<(), Source>;

    /// The list of nodes and places.
    async fn places(&self) -> Result<Vec<(NodeId, String)>, Source>;

    /// Delivers a message to a mailbox. Returns `false` if it is certain that nobody reads it.
    async fn send(&self, address: &str, sealed: Vec<u8>) -> Result<bool, Source>;
}

/// The address of a handle's mailbox, and the key by which messages to it are sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    address: String,
    key: [u8; 32],
}

/// The kind of a message. Its body follows, after a line break.
#[derive(Serialize, Deserialize)]
enum Head {
    /// A call to a node; the answer goes to `from` under this number.
    Call {
        number: u64,
        node: NodeId,
        from: Place,
    },
    Answer {
        number: u64,
    },
    /// The answer that the called node has left.
    Gone {
        number: u64,
    },
    Tell {
        node: NodeId,
    },
}

impl Head {
    fn seal(&self, key: &[u8; 32], body: &[u8]) -> Result<Vec<u8>, Source> {
        let mut plain = serde_json::to_vec(self)?;
        plain.push(b'\n');
        plain.extend_from_slice(body);
        Key::new(*key).seal(&plain).ok_or_else(|| "a message could not be sealed".into())
    }
}

/// Receives the answer to a call.
type Waiting = oneshot::Sender<Result<Bytes, CallError>>;

/// Reaches other handles, and receives their messages.
pub struct Mailbox<P> {
    inner: Arc<Inner<P>>,
    announcing: AbortHandle,
}

struct Inner<P> {
    post: P,
    keys: Keys,
    place: Place,
    /// The list as it was last read.
    known: Mutex<HashMap<NodeId, Place>>,
    responders: Mutex<HashMap<NodeId, Weak<dyn Responder>>>,
    numbers: AtomicU64,
    waiting: Mutex<HashMap<u64, Waiting>>,
}

/// Removes the entry of a call when the call has ended: answered, too late, or dropped by its caller.
struct Forgotten<'a> {
    waiting: &'a Mutex<HashMap<u64, Waiting>>,
    number: u64,
}

impl Drop for Forgotten<'_> {
    fn drop(&mut self) {
        self.waiting.lock().remove(&self.number);
    }
}

/// Passes arrived messages to a [`Mailbox`], without keeping the mailbox alive.
pub struct Inbox<P>(Weak<Inner<P>>);

impl<P> Clone for Inbox<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P> std::fmt::Debug for Mailbox<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailbox").field("address", &self.inner.place.address).finish_non_exhaustive()
    }
}

impl<P> std::fmt::Debug for Inbox<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

impl<P> Drop for Mailbox<P> {
    fn drop(&mut self) {
        self.announcing.abort();
    }
}

impl<P: Post> Mailbox<P> {
    /// A mailbox with keys of its own. Call it inside a tokio runtime.
    pub fn new(post: P) -> Self {
        let keys = Keys::new();
        let inner = Arc::new(Inner {
            place: Place { address: post.address(), key: keys.public() },
            post,
            keys,
            known: Mutex::default(),
            responders: Mutex::default(),
            numbers: AtomicU64::new(1),
            waiting: Mutex::default(),
        });
        let announcing = tokio::spawn(announce(Arc::downgrade(&inner))).abort_handle();
        Self { inner, announcing }
    }

    /// The inbox, for the transport.
    #[must_use]
    pub fn inbox(&self) -> Inbox<P> {
        Inbox(Arc::downgrade(&self.inner))
    }

    /// The transport.
    #[must_use]
    pub fn post(&self) -> &P {
        &self.inner.post
    }
}

impl<P: Post> Inbox<P> {
    /// Handles an arrived message. A message that was not sealed for this mailbox is ignored. Call it inside a tokio
    /// runtime. Returns `false` if the mailbox is gone.
    pub fn take(&self, sealed: &[u8]) -> bool {
        let Some(inner) = self.0.upgrade() else { return false };
        let Some(plain) = inner.keys.open(sealed) else { return true };
        let plain = Bytes::from(plain);
        if let Some(end) = plain.iter().position(|byte| *byte == b'\n')
            && let Ok(head) = serde_json::from_slice(&plain[..end])
        {
            inner.take(head, plain.slice(end + 1..));
        }
        true
    }
}

impl<P: Post> Inner<P> {
    fn take(self: &Arc<Self>, head: Head, body: Bytes) {
        match head {
            Head::Call { number, node, from } => {
                let (inner, responder) = (self.clone(), self.responder(node));
                tokio::spawn(async move {
                    let (head, body) = match responder {
                        Some(responder) => (Head::Answer { number }, responder.respond(body).await),
                        None => (Head::Gone { number }, Bytes::new()),
                    };
                    // If the answer is lost, the caller's own deadline ends the call.
                    if let Ok(sealed) = head.seal(&from.key, &body) {
                        let _ = inner.post.send(&from.address, sealed).await;
                    }
                });
            }
            Head::Answer { number } => self.wake(number, Ok(body)),
            Head::Gone { number } => self.wake(number, Err(CallError::Gone)),
            Head::Tell { node } => {
                if let Some(responder) = self.responder(node) {
                    responder.told(body);
                }
            }
        }
    }

    fn responder(&self, node: NodeId) -> Option<Arc<dyn Responder>> {
        self.responders.lock().get(&node)?.upgrade()
    }

    fn wake(&self, number: u64, answer: Result<Bytes, CallError>) {
        if let Some(waiting) = self.waiting.lock().remove(&number) {
            let _ = waiting.send(answer);
        }
    }

    /// Announces these nodes at this handle's place.
    async fn announce(&self, nodes: &[NodeId]) -> Result<(), Source> {
        self.post.announce(nodes, &serde_json::to_string(&self.place)?).await
    }

    /// Reads the list.
    async fn look(&self) -> Result<HashMap<NodeId, Place>, Source> {
        let listed = self.post.places().await?.into_iter();
        let places: HashMap<_, _> =
            listed.filter_map(|(node, place)| Some((node, serde_json::from_str(&place).ok()?))).collect();
        self.known.lock().clone_from(&places);
        Ok(places)
    }

    async fn place(&self, node: NodeId) -> Result<Place, CallError> {
        let known = self.known.lock().get(&node).cloned();
        match known {
            Some(place) => Ok(place),
            None => self.look().await.map_err(CallError::Down)?.remove(&node).ok_or(CallError::Gone),
        }
    }

    async fn call(&self, node: NodeId, number: u64, message: &[u8]) -> Result<Bytes, CallError> {
        let place = self.place(node).await?;
        let (answer, waits) = oneshot::channel();
        self.waiting.lock().insert(number, answer);
        let head = Head::Call { number, node, from: self.place.clone() };
        let sealed = head.seal(&place.key, message).map_err(CallError::Down)?;
        if !self.post.send(&place.address, sealed).await.map_err(CallError::Down)? {
            self.forget(node, &place);
            return Err(CallError::Gone);
        }
        let answer = waits.await.map_err(|_| CallError::Unanswered)?;
        if matches!(answer, Err(CallError::Gone)) {
            self.forget(node, &place);
        }
        answer
    }

    /// Forgets where a node was.
    fn forget(&self, node: NodeId, place: &Place) {
        let mut known = self.known.lock();
        if known.get(&node) == Some(place) {
            known.remove(&node);
        }
    }
}

/// Announces the nodes of a handle at intervals, as long as the handle exists.
async fn announce<P: Post>(weak: Weak<Inner<P>>) {
    loop {
        sleep(ANNOUNCE_INTERVAL).await;
        let Some(inner) = weak.upgrade() else { return };
        let nodes: Vec<_> = {
            let mut responders = inner.responders.lock();
            responders.retain(|_, responder| responder.strong_count() > 0);
            responders.keys().copied().collect()
        };
        // A list that cannot be reached forgets nothing; the next announcement repeats this one.
        let _ = inner.announce(&nodes).await;
    }
}

#[async_trait]
impl<P: Post> Peers for Mailbox<P> {
    async fn join(&self, node: NodeId, responder: Weak<dyn Responder>) -> Result<(), PeersError> {
        self.inner.responders.lock().insert(node, responder);
        self.inner.announce(&[node]).await.map_err(PeersError)
    }

    async fn call(&self, node: NodeId, message: Bytes, deadline: Duration) -> Result<Bytes, CallError> {
        let number = self.inner.numbers.fetch_add(1, Ordering::Relaxed);
        let _forgotten = Forgotten { waiting: &self.inner.waiting, number };
        let outcome = timeout_at(Instant::now() + deadline, self.inner.call(node, number, &message)).await;
        outcome.map_err(|_| CallError::Unanswered)?
    }

    async fn tell(&self, from: NodeId, message: Bytes) -> Result<(), PeersError> {
        let places = self.inner.look().await.map_err(PeersError)?;
        let sent = places.into_iter().filter(|(node, _)| *node != from).map(async |(node, place)| {
            let sealed = Head::Tell { node }.seal(&place.key, &message)?;
            timeout(TELL_DEADLINE, self.inner.post.send(&place.address, sealed)).await??;
            Ok::<_, Source>(())
        });
        let sent = join_all(sent).await;
        // A node that cannot be reached does not stop the message to the others. If none can be reached, the transport
        // is down.
        let reached = sent.iter().any(Result::is_ok);
        match sent.into_iter().find_map(Result::err) {
            Some(error) if !reached => Err(PeersError(error)),
            _ => Ok(()),
        }
    }
}
