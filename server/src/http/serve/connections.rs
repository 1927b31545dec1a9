//! The connections of a server. Each has a task of its own, except for idle streams, which belong to writers.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    net::TcpStream,
    runtime::Handle,
    sync::mpsc,
    task::{AbortHandle, Id, JoinSet},
};

use super::{
    accept::Peer,
    connection::{self, Ended},
    exchanges::{Exchanges, Idle},
    idle_limit::IdleLimit,
    shared::Shared,
    stream::Stream,
    transport::Transport,
    writer::{Left, Writer},
};
use crate::{clock::millis, complaints::Complaints};

/// The most writers. Each may have one thread of the runtime to itself; the others do the rest.
const WRITERS: usize = 8;
const THREADS_A_WRITER: usize = 2;
/// A connection that has waited for less than this is not closed for others, because its request may be on its way.
const GRACE: Duration = Duration::from_secs(1);
/// One part in this many of all waiting connections is closed at once, so that there is room for more than one.
const PARTS: usize = 8;

/// A connection that has a task.
struct Slot {
    exchanges: Arc<Exchanges>,
    task: AbortHandle,
    /// Whether it was told to end.
    is_closing: bool,
}

/// All connections of a server. Dropping it ends them.
pub(super) struct Connections {
    shared: Arc<Shared>,
    tasks: JoinSet<Ended<TcpStream>>,
    slots: HashMap<Id, Slot>,
    idle: Arc<Idle>,
    /// The most idle connections.
    idle_limit: IdleLimit,
    closing: usize,
    complaints: Complaints,
    writers: Vec<(Writer, AbortHandle)>,
    rounds: JoinSet<()>,
    /// How many streams the writers have.
    resting: usize,
    /// How many streams the writers were given, to distribute them evenly.
    given: usize,
    leaving: mpsc::UnboundedSender<Left>,
    left: mpsc::UnboundedReceiver<Left>,
}

impl Connections {
    pub(super) fn new(shared: Arc<Shared>, idle_limit: IdleLimit) -> Self {
        let (leaving, left) = mpsc::unbounded_channel();
        let mut rounds = JoinSet::new();
        let count = (Handle::current().metrics().num_workers() / THREADS_A_WRITER).clamp(1, WRITERS);
        let writers = (0..count).map(|_| start(&mut rounds, &leaving)).collect();
        Self {
            shared,
            tasks: JoinSet::new(),
            slots: HashMap::new(),
            idle: Arc::default(),
            idle_limit,
            closing: 0,
            complaints: Complaints::default(),
            writers,
            rounds,
            resting: 0,
            given: 0,
            leaving,
            left,
        }
    }

    /// Serves a new TCP connection.
    pub(super) fn add(&mut self, socket: TcpStream, peer: Peer) {
        let exchanges = Exchanges::new(self.idle.clone());
        self.spawn(exchanges.clone(), connection::serve(self.shared.clone(), socket, peer, exchanges));
    }

    /// Serves a new connection whose streams cannot be idle without a task.
    pub(super) fn add_other<S: Transport>(&mut self, socket: S, peer: Peer) {
        let exchanges = Exchanges::new(self.idle.clone());
        let serving = connection::serve(self.shared.clone(), socket, peer, exchanges.clone());
        self.spawn(exchanges, async move { serving.await.map(|_| None) });
    }

    /// Continues a stream that is not idle any more.
    fn go_on(&mut self, stream: Box<Stream<TcpStream>>) {
        let exchanges = Exchanges::new(self.idle.clone());
        self.spawn(exchanges.clone(), connection::go_on(self.shared.clone(), stream, exchanges));
    }

    fn spawn(&mut self, exchanges: Arc<Exchanges>, task: impl Future<Output = Ended<TcpStream>> + Send + 'static) {
        let task = self.tasks.spawn(task);
        self.slots.insert(task.id(), Slot { exchanges, task, is_closing: false });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.resting == 0
    }

    /// Whether another connection may be accepted. If too many wait for a request, those that have waited longest are
    /// closed; if none has waited for long, there is no room at the moment.
    pub(super) fn has_room(&mut self) -> bool {
        let idle = self.idle.count();
        let limit = self.idle_limit.beside((self.tasks.len() + self.resting).saturating_sub(idle));
        if idle.saturating_sub(self.closing) < limit {
            return true;
        }
        let now = self.idle.now_ms();
        let waiting = self.slots.values_mut().filter(|slot| !slot.is_closing);
        let mut waiting: Vec<_> = waiting
            .filter_map(|slot| Some((slot.exchanges.idle_since()?, slot)))
            .filter(|(since, _)| now.saturating_sub(*since) >= millis(GRACE))
            .collect();
        waiting.sort_unstable_by_key(|(since, _)| *since);
        waiting.truncate((limit / PARTS).max(1));
        for (_, slot) in &mut waiting {
            slot.is_closing = true;
            slot.task.abort();
        }
        self.closing += waiting.len();
        let has_room = !waiting.is_empty();
        if let Some(left_out) = self.complaints.due("idle connections") {
            tracing::warn!(
                limit,
                left_out,
                "too many connections wait for a request; those that have waited longest are closed"
            );
        }
        has_room
    }

    /// Waits until a connection ends, or until its stream becomes idle or active, and handles that.
    pub(super) async fn changed(&mut self) {
        tokio::select! {
            Some(ended) = self.tasks.join_next_with_id() => {
                let (id, ended) = match ended {
                    Ok((id, ended)) => (id, Some(ended)),
                    // The task was aborted, or has panicked.
                    Err(error) => (error.id(), None),
                };
                if self.slots.remove(&id).is_some_and(|slot| slot.is_closing) {
                    self.closing -= 1;
                }
                match ended {
                    Some(Ok(Some(stream))) => self.rest(*stream),
                    Some(Err(error)) => tracing::debug!(error, "connection ended"),
                    Some(Ok(None)) | None => {}
                }
            }
            Some(left) = self.left.recv() => {
                self.resting -= 1;
                if let Left::Unfinished(stream, unfinished) = left {
                    self.go_on(Box::new(Stream::resume(stream, unfinished, &self.shared)));
                }
            }
            Some(_) = self.rounds.join_next() => {
                tracing::error!("a writer panicked; its streams end");
                for writer in &mut self.writers {
                    if writer.1.is_finished() {
                        *writer = start(&mut self.rounds, &self.leaving);
                    }
                }
            }
        }
    }

    fn rest(&mut self, stream: Stream<TcpStream>) {
        match stream.into_resting() {
            Ok(resting) => {
                self.resting += 1;
                self.given += 1;
                self.writers[self.given % self.writers.len()].0.add(resting);
            }
            Err(stream) => self.go_on(stream),
        }
    }
}

fn start(rounds: &mut JoinSet<()>, leaving: &mpsc::UnboundedSender<Left>) -> (Writer, AbortHandle) {
    let (writer, run) = Writer::new(leaving.clone());
    let handle = rounds.spawn(run);
    (writer, handle)
}
