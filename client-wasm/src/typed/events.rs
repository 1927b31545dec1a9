//! Events as a stream.

use std::{
    cell::RefCell,
    collections::VecDeque,
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use futures_core::Stream;

use super::{Event, Refused, Subscription};

/// The events that have arrived and have not been taken.
pub(super) struct Queue<T> {
    events: VecDeque<Event<T>>,
    ended: bool,
    waker: Option<Waker>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { events: VecDeque::new(), ended: false, waker: None }
    }
}

impl<T> Queue<T> {
    pub(super) fn push(queue: &RefCell<Self>, event: Event<T>) {
        let waker = {
            let mut queue = queue.borrow_mut();
            queue.events.push_back(event);
            queue.waker.take()
        };
        // A task that is woken may take the event at once.
        waker.into_iter().for_each(Waker::wake);
    }

    pub(super) fn end(queue: &RefCell<Self>) {
        let waker = {
            let mut queue = queue.borrow_mut();
            queue.ended = true;
            queue.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }
}

/// The events of a channel, as they arrive. Dropping it unsubscribes.
#[must_use = "dropping it ends the subscription"]
pub struct Events<T> {
    pub(super) queue: Rc<RefCell<Queue<T>>>,
    pub(super) subscription: Subscription,
}

impl<T> Events<T> {
    /// Waits as [`Subscription::ready`] does.
    ///
    /// # Errors
    ///
    /// [`Refused`] when no event will arrive.
    pub async fn ready(&self) -> Result<(), Refused> {
        self.subscription.ready().await
    }
}

impl<T> Stream for Events<T> {
    type Item = Event<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event<T>>> {
        let mut queue = self.queue.borrow_mut();
        match queue.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if queue.ended => Poll::Ready(None),
            None => {
                queue.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> fmt::Debug for Events<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Events").field(&self.subscription).finish()
    }
}
