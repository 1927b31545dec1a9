//! A writer: one task that writes to many streams at rest. If each stream had a task of its own, every event would
//! schedule all of these tasks; here a stream is one number in a list.
//!
//! Whatever wakes a stream (a record, a heartbeat, the end of its hub, bytes of its client) puts it on its writer's
//! list. The writer works through the list in rounds; events during a round leave with the next one.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Context,
};

use futures_util::task::{ArcWake, waker_ref};
use parking_lot::Mutex;
use slab::Slab;
use tokio::{
    sync::{Notify, mpsc},
    task::{unconstrained, yield_now},
};

use super::resting::{Resting, Unfinished};

/// After this many streams the other tasks of the thread get a turn, which is after about two thirds of a millisecond.
const TURN: usize = 128;

/// A handle with which streams are passed to a writer.
#[derive(Debug)]
pub(super) struct Writer(Arc<Calls>);

/// Why a stream has left its writer.
#[derive(Debug)]
pub(super) enum Left {
    /// The stream needs a task of its own.
    Unfinished(Resting, Unfinished),
    /// The stream is over.
    Gone,
}

/// The list of streams to write to.
#[derive(Debug, Default)]
struct Calls {
    waiting: Mutex<Waiting>,
    called: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    seats: Vec<usize>,
    joining: Vec<Resting>,
}

/// The waker of one stream.
#[derive(Debug)]
struct Seat {
    calls: Arc<Calls>,
    number: usize,
    is_called: AtomicBool,
}

impl ArcWake for Seat {
    fn wake_by_ref(seat: &Arc<Self>) {
        if !seat.is_called.swap(true, Ordering::AcqRel) {
            seat.calls.call(|waiting| waiting.seats.push(seat.number));
        }
    }
}

impl Calls {
    fn call(&self, add: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.waiting.lock();
        let is_first = waiting.seats.is_empty() && waiting.joining.is_empty();
        add(&mut waiting);
        drop(waiting);
        if is_first {
            self.called.notify_one();
        }
    }
}

impl Writer {
    /// A writer, and the future that runs it, for ever. `left` receives each stream that leaves the writer.
    pub(super) fn new(left: mpsc::UnboundedSender<Left>) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let calls = Arc::new(Calls::default());
        let rounds = Rounds { calls: calls.clone(), seated: Slab::new(), left };
        // tokio's budget is meant for a task with one stream, so it does not apply here.
        (Self(calls), unconstrained(rounds.run()))
    }

    /// Adds a stream, and writes what it has.
    pub(super) fn add(&self, stream: Resting) {
        self.0.call(|waiting| waiting.joining.push(stream));
    }
}

struct Rounds {
    calls: Arc<Calls>,
    seated: Slab<(Arc<Seat>, Resting)>,
    left: mpsc::UnboundedSender<Left>,
}

impl Rounds {
    async fn run(mut self) {
        let mut called = Vec::new();
        loop {
            self.calls.called.notified().await;
            let joining = {
                let mut waiting = self.calls.waiting.lock();
                // The two lists are swapped, so that neither has to grow again.
                std::mem::swap(&mut called, &mut waiting.seats);
                std::mem::take(&mut waiting.joining)
            };
            called.extend(joining.into_iter().map(|stream| self.seat(stream)));
            for (count, number) in called.drain(..).enumerate() {
                if count % TURN == TURN - 1 {
                    yield_now().await;
                }
                self.write(number);
            }
        }
    }

    fn seat(&mut self, stream: Resting) -> usize {
        let seat = self.seated.vacant_entry();
        let number = seat.key();
        let waker = Seat { calls: self.calls.clone(), number, is_called: AtomicBool::new(true) };
        seat.insert((Arc::new(waker), stream));
        number
    }

    fn write(&mut self, number: usize) {
        // The stream has left since it was put on the list.
        let Some((seat, stream)) = self.seated.get_mut(number) else { return };
        seat.is_called.store(false, Ordering::Release);
        let waker = waker_ref(seat);
        let mut cx = Context::from_waker(&waker);
        // A panic, in a layer around the stream for example, ends that stream only, as it would end a task of its own.
        let written = catch_unwind(AssertUnwindSafe(|| stream.write(&mut cx)));
        let left = match written {
            Ok(Ok(None)) => return,
            Ok(Ok(Some(unfinished))) => Some(unfinished),
            Ok(Err(error)) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "connection ended");
                None
            }
            Err(_) => {
                tracing::error!("writing to a stream panicked; the stream was ended");
                None
            }
        };
        let (_, stream) = self.seated.remove(number);
        let left = match left {
            Some(unfinished) => Left::Unfinished(stream, unfinished),
            None => {
                let _ = catch_unwind(AssertUnwindSafe(|| drop(stream)));
                Left::Gone
            }
        };
        // The receiver is gone if the server is.
        let _ = self.left.send(left);
    }
}

/// However the writer ends, its streams are counted.
impl Drop for Rounds {
    fn drop(&mut self) {
        let waiting = std::mem::take(&mut *self.calls.waiting.lock());
        for _ in 0..self.seated.len() + waiting.joining.len() {
            let _ = self.left.send(Left::Gone);
        }
    }
}
