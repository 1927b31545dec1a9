//! The connections of a server: each has a task of its own, except for streams at rest, which writers have.

use std::sync::Arc;

use tokio::{
    net::TcpStream,
    runtime::Handle,
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

use super::{
    accept::Peer,
    connection::{self, Ended, Shared, Transport},
    writer::{Left, Writer},
};

/// How many writers there are at most, and of how many threads each may have one to itself: the others do the rest.
const WRITERS: usize = 8;
const THREADS_A_WRITER: usize = 2;

/// Dropped with its server, and then they end too.
pub(super) struct Connections {
    shared: Arc<Shared>,
    tasks: JoinSet<Ended<TcpStream>>,
    writers: Vec<(Writer, AbortHandle)>,
    rounds: JoinSet<()>,
    /// How many streams the writers have.
    resting: usize,
    /// How many they were given, to give each its share.
    given: usize,
    leaving: mpsc::UnboundedSender<Left>,
    left: mpsc::UnboundedReceiver<Left>,
}

impl Connections {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (leaving, left) = mpsc::unbounded_channel();
        let mut rounds = JoinSet::new();
        let count = (Handle::current().metrics().num_workers() / THREADS_A_WRITER).clamp(1, WRITERS);
        let writers = (0..count).map(|_| start(&mut rounds, &leaving)).collect();
        Self { shared, tasks: JoinSet::new(), writers, rounds, resting: 0, given: 0, leaving, left }
    }

    /// Serves one more.
    pub(super) fn add(&mut self, socket: TcpStream, peer: Peer) {
        self.tasks.spawn(connection::serve(self.shared.clone(), socket, peer));
    }

    /// Serves one more, whose streams cannot rest.
    pub(super) fn add_other<S: Transport>(&mut self, socket: S, peer: Peer) {
        let serving = connection::serve(self.shared.clone(), socket, peer);
        self.tasks.spawn(async move { serving.await.map(|_| None) });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.resting == 0
    }

    /// Waits until one of them ends, begins to rest, or rests no longer, and sees to it.
    pub(super) async fn changed(&mut self) {
        tokio::select! {
            Some(ended) = self.tasks.join_next() => match ended {
                Ok(Ok(Some(stream))) => self.rest(*stream),
                Ok(Err(error)) => tracing::debug!(error, "connection ended"),
                Ok(Ok(None)) | Err(_) => {}
            },
            Some(left) = self.left.recv() => {
                self.resting -= 1;
                if let Left::Unfinished(stream, unfinished) = left {
                    let stream = connection::Stream::resume(stream, unfinished, &self.shared);
                    self.tasks.spawn(connection::go_on(self.shared.clone(), Box::new(stream)));
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

    fn rest(&mut self, stream: connection::Stream<TcpStream>) {
        match stream.into_resting() {
            Ok(resting) => {
                self.resting += 1;
                self.given += 1;
                self.writers[self.given % self.writers.len()].0.add(resting);
            }
            Err(stream) => {
                self.tasks.spawn(connection::go_on(self.shared.clone(), stream));
            }
        }
    }
}

fn start(rounds: &mut JoinSet<()>, leaving: &mpsc::UnboundedSender<Left>) -> (Writer, AbortHandle) {
    let (writer, run) = Writer::new(leaving.clone());
    let handle = rounds.spawn(run);
    (writer, handle)
}
