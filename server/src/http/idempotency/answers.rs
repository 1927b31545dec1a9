//! The stored answers, by user and key.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use tidings_protocol::{Key, UserId};
use tokio::{sync::watch, time::Instant};

/// The user, and the key.
pub(super) type Name = (UserId, Key);

/// The approximate number of bytes that an answer takes beside its body and its serialised headers.
const BYTES_OF_AN_ANSWER: usize = 512;

/// The answer to a request that was carried out.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    fn weight(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        BYTES_OF_AN_ANSWER + self.body.len() + headers.sum::<usize>()
    }
}

/// The state of a request.
pub(super) enum Found {
    /// The key is new: the request has to be carried out.
    First(First),
    /// The request was carried out, with this answer.
    Answer(Arc<Answer>),
    /// The key belongs to another request.
    Other,
}

#[derive(Debug)]
enum Entry {
    /// The request is being carried out. The end of the channel wakes the requests that wait for its answer.
    Open(watch::Receiver<()>),
    Done(Arc<Answer>),
}

#[derive(Debug)]
pub(super) struct Answers {
    lifetime: Duration,
    bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Name, (u128, Entry)>,
    /// The keys of the requests that were carried out, in order, with their times.
    done: VecDeque<(Instant, Name)>,
    weight: usize,
}

impl Default for Answers {
    fn default() -> Self {
        Self::new(Duration::from_secs(24 * 3_600), 64 << 20)
    }
}

impl Answers {
    pub(super) fn new(lifetime: Duration, bytes: usize) -> Self {
        Self { lifetime, bytes, state: Mutex::default() }
    }

    pub(super) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The state of the request with this key; waits while the request is being carried out.
    pub(super) async fn find(self: &Arc<Self>, name: Name, fingerprint: u128) -> Found {
        loop {
            let mut open = {
                let mut state = self.state.lock();
                state.forget(self.lifetime, self.bytes);
                match state.entries.get(&name) {
                    Some((other, _)) if *other != fingerprint => return Found::Other,
                    Some((_, Entry::Done(answer))) => return Found::Answer(answer.clone()),
                    Some((_, Entry::Open(open))) => open.clone(),
                    None => {
                        let (ends, open) = watch::channel(());
                        state.entries.insert(name.clone(), (fingerprint, Entry::Open(open)));
                        return Found::First(First { answers: self.clone(), name, _ends: ends });
                    }
                }
            };
            while open.changed().await.is_ok() {}
        }
    }
}

impl State {
    fn forget(&mut self, lifetime: Duration, bytes: usize) {
        while let Some((when, _)) = self.done.front() {
            if self.weight <= bytes && when.elapsed() < lifetime {
                break;
            }
            let Some((_, name)) = self.done.pop_front() else { break };
            if let Some((_, Entry::Done(answer))) = self.entries.remove(&name) {
                self.weight -= answer.weight();
            }
        }
    }
}

/// A request that is being carried out. If it is dropped without an answer, the request can be carried out again.
pub(super) struct First {
    answers: Arc<Answers>,
    name: Name,
    /// Dropped last, when the entry already has the result.
    _ends: watch::Sender<()>,
}

impl First {
    pub(super) fn answered(self, answer: Answer) {
        let mut state = self.answers.state.lock();
        state.weight += answer.weight();
        if let Some((_, entry)) = state.entries.get_mut(&self.name) {
            *entry = Entry::Done(Arc::new(answer));
        }
        state.done.push_back((Instant::now(), self.name.clone()));
    }
}

impl Drop for First {
    fn drop(&mut self) {
        let mut state = self.answers.state.lock();
        if matches!(state.entries.get(&self.name), Some((_, Entry::Open(_)))) {
            state.entries.remove(&self.name);
        }
    }
}
