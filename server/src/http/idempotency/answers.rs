//! The answers that are remembered, by user and key.

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

/// Whose key it is.
pub(super) type Name = (UserId, Key);

/// About how many bytes an answer takes beside its body, and its headers as written.
const BYTES_OF_AN_ANSWER: usize = 512;

/// An answer to a request that was done.
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

/// What is known of a request.
pub(super) enum Found {
    /// Nothing: it is to be done.
    First(First),
    /// It was done.
    Answer(Arc<Answer>),
    /// Its key belongs to another one.
    Other,
}

#[derive(Debug)]
enum Entry {
    /// It is being done. Whoever waits learns by the end of the channel that this is over.
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
    /// Those that were done, in order, and when.
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

    /// What is known of the request with this key; waits while it is being done.
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

/// A request that is being done. Dropped without an answer, it is to be done anew.
pub(super) struct First {
    answers: Arc<Answers>,
    name: Name,
    /// Dropped last, when the entry says what came of it.
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
