//! One channel or pattern, and the options of a subscription to it.

use std::{cell::RefCell, fmt, rc::Rc};

use serde::de::DeserializeOwned;
use tidings_protocol::Pattern;

use super::{
    Client, Event, Events, Gap, Refused, Subscription,
    events::Queue,
    listeners::{Handler, OnGap, OnRevoked, OnSettled},
    subscription::Ready,
};

/// A channel or pattern, with the options of a subscription to it.
#[must_use = "it does nothing before `subscribe_as`"]
pub struct Channel<'a> {
    pub(super) client: &'a Client,
    pub(super) pattern: Pattern,
    pub(super) since: Option<String>,
    pub(super) on_gap: Option<OnGap>,
    pub(super) on_revoked: Option<OnRevoked>,
}

impl Channel<'_> {
    /// First delivers the events that the channel carried after this cursor. Take the cursor from the server
    /// (`hub.cursor()`) **before** loading the data that the events change, or from an event's `cursor`. Defaults to
    /// now.
    pub fn since(mut self, cursor: impl Into<String>) -> Self {
        self.since = Some(cursor.into());
        self
    }

    /// Called when events of this channel may have been missed.
    pub fn on_gap(mut self, callback: impl Fn(Gap<'_>) + 'static) -> Self {
        self.on_gap = Some(Rc::new(callback));
        self
    }

    /// Called when the server revokes the channel after it had confirmed it, with its code (`forbidden`).
    pub fn on_revoked(mut self, callback: impl Fn(Refused) + 'static) -> Self {
        self.on_revoked = Some(Rc::new(callback));
        self
    }

    /// The channel's events as a [`Stream`](futures_core::Stream), which ends when the server refuses the channel, or
    /// with [`Client::reset`]. Events that have arrived wait in memory until they are taken.
    pub fn events<T: DeserializeOwned + 'static>(self) -> Events<T> {
        let queue = Rc::new(RefCell::new(Queue::default()));
        let arrived = Rc::clone(&queue);
        let ended = Rc::clone(&queue);
        let subscription = self.subscribe(
            move |event: Event<T>| Queue::push(&arrived, event),
            move |refusal| {
                if refusal.is_some() {
                    Queue::end(&ended);
                }
            },
        );
        Events { queue, subscription }
    }

    /// Subscribes: calls the handler with the channel's events.
    pub fn subscribe_as<T: DeserializeOwned + 'static>(self, handler: impl Fn(Event<T>) + 'static) -> Subscription {
        self.subscribe(handler, |_| {})
    }

    fn subscribe<T: DeserializeOwned + 'static>(
        self,
        handler: impl Fn(Event<T>) + 'static,
        told: impl FnOnce(Option<&str>) + 'static,
    ) -> Subscription {
        let Self { client, pattern, since, on_gap, on_revoked } = self;
        let (ready, settled) = Ready::new();
        let settled: OnSettled = Box::new(move |refusal| {
            told(refusal);
            settled(refusal);
        });
        let event = client.decode(handler);
        let id = client.0.driver.subscribe(pattern, since.as_deref());
        client.0.driver.application.add(Handler { id, event, gap: on_gap, revoked: on_revoked }, settled);
        Subscription::new(client.clone(), id, ready)
    }
}

impl fmt::Debug for Channel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&self.pattern).finish()
    }
}
