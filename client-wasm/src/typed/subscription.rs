//! A handler, for as long as its handle is kept.

use std::{
    cell::RefCell,
    fmt,
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
};

use super::{Client, Refused, listeners::OnSettled};
use crate::client::HandlerId;

/// A handler that receives events for as long as this handle lives.
#[must_use = "dropping it ends the subscription; keep it, or `forget` it"]
pub struct Subscription {
    client: Client,
    id: HandlerId,
    ready: Rc<Ready>,
}

impl Subscription {
    pub(super) fn new(client: Client, id: HandlerId, ready: Rc<Ready>) -> Self {
        Self { client, id, ready }
    }

    /// Waits until the handler receives every event: for a channel, until the server has confirmed it in the stream;
    /// for addressed events, until the connection is open.
    ///
    /// # Errors
    ///
    /// [`Refused`] when the handler will never receive events.
    pub async fn ready(&self) -> Result<(), Refused> {
        poll_fn(|context| {
            let mut ready = self.ready.0.borrow_mut();
            match &ready.outcome {
                Some(outcome) => Poll::Ready(outcome.clone()),
                None => {
                    ready.waiting.push(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Keeps the handler for as long as the page lives.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let driver = &self.client.0.driver;
        driver.unsubscribe(self.id);
        driver.application.remove(self.id);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subscription").field(&self.id.0).finish()
    }
}

/// The status of a subscription, and the tasks that wait for it.
#[derive(Default)]
pub(super) struct Ready(RefCell<Standing>);

#[derive(Default)]
struct Standing {
    outcome: Option<Result<(), Refused>>,
    waiting: Vec<Waker>,
}

impl Ready {
    pub(super) fn new() -> (Rc<Self>, OnSettled) {
        let ready = Rc::new(Self::default());
        let settled = Rc::clone(&ready);
        let settled: OnSettled = Box::new(move |refusal| {
            let waiting = {
                let mut standing = settled.0.borrow_mut();
                standing.outcome = Some(refusal.map_or(Ok(()), |code| Err(Refused { code: code.to_owned() })));
                std::mem::take(&mut standing.waiting)
            };
            waiting.into_iter().for_each(Waker::wake);
        });
        (ready, settled)
    }
}
