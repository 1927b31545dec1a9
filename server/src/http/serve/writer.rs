//! A writer: one task that writes to many streams at rest. A stream that a task of its own wrote to would have that task scheduled
//! for every event; here it is one number in a list.
//!
//! Whatever wakes a stream (a record, a heartbeat, the end of its hub, bytes of its client) calls for it at its writer. Who was called
//! for is written to in rounds: what comes during a round leaves with the next one.

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

/// After so many streams the other tasks of the thread have their turn; it takes about a third of a millisecond.
const TURN: usize = 64;

/// Where streams are given to a writer.
#[derive(Debug)]
pub(super) struct Writer(Arc<Calls>);

/// Why a stream is no longer with its writer.
#[derive(Debug)]
pub(super) enum Left {
    /// It needs a task of its own.
    Unfinished(Resting, Unfinished),
    /// It is over.
    Gone,
}

/// Who is called for.
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

/// What wakes one stream.
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
    /// A writer, and what it does, for ever. `left` hears of each stream that was given to it and is not with it any more.
    pub(super) fn new(left: mpsc::UnboundedSender<Left>) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let calls = Arc::new(Calls::default());
        let rounds = Rounds { calls: calls.clone(), seated: Slab::new(), left };
        // Without tokio's budget for a task, which is that of one stream.
        (Self(calls), unconstrained(rounds.run()))
    }

    /// Takes a stream, and writes what it has.
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
                // The two lists change places, so that neither grows anew.
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
        // Called for, and gone meanwhile.
        let Some((seat, stream)) = self.seated.get_mut(number) else { return };
        seat.is_called.store(false, Ordering::Release);
        let waker = waker_ref(seat);
        let mut cx = Context::from_waker(&waker);
        // A panic, in a layer around the stream say, ends that stream: it would have ended a task of its own.
        let written = catch_unwind(AssertUnwindSafe(|| stream.write(&mut cx)));
        let left = match written {
            Ok(Ok(None)) => return,
            Ok(Ok(Some(unfinished))) => Some(unfinished),
            Ok(Err(error)) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "connection ended");
                None
            }
            Err(_) => {
                tracing::error!("writing to a stream panicked; the stream ends");
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
        // Nobody hears it where the server is gone.
        let _ = self.left.send(left);
    }
}

/// However it ends, its streams are counted.
impl Drop for Rounds {
    fn drop(&mut self) {
        let waiting = std::mem::take(&mut *self.calls.waiting.lock());
        for _ in 0..self.seated.len() + waiting.joining.len() {
            let _ = self.left.send(Left::Gone);
        }
    }
}
