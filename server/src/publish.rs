//! Publishing to a channel, to users or to a device. A publish is one append to the engine's log and nothing else, so a
//! publish that is dropped at any await loses no acknowledged event and delays no other.

use std::{future::Future, sync::Arc};

use tidings_protocol::{ChannelError, DeviceId, IdError, Key, UserId, event::Timestamp};

use crate::{
    Event, EventError, Hub,
    clock::wall_clock_ms,
    engine::{self, AppendError, Receipt},
    metrics::Outcome,
    record::{Audience, Entry},
};

/// Why a publish was not acknowledged. As the error of a handler it answers with a problem document (RFC 9457): 400 or
/// 413 for a mistake of the caller; 503 with `Retry-After` where the event was not stored; 504 where that is unknown;
/// 500 for a mistake of the program.
///
/// ```
/// use axum::extract::State;
/// use tidings::{Event, Hub, PublishError};
///
/// async fn rename(State(hub): State<Hub>, name: String) -> Result<(), PublishError> {
///     let event = Event::new("project:7", "renamed", &name)?; // `EventError` becomes `PublishError`
///     hub.publish(event).await?;
///     Ok(())
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The event could not be made.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The event breaks a rule or a limit. It was not stored, and publishing it again does not help.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The engine did not store the event. Publish it again later.
    #[error("the engine did not store the event; publish it again later")]
    Refused(#[source] engine::Source),
    /// The engine's queue is full, so nothing was stored. Publish the event again in a moment, or publish less.
    #[error("the event was not stored, because the engine's queue is full; publish it again in a moment")]
    Overloaded,
    /// It is unknown whether the event was stored. Publish it again **with the same key** ([`Event::key`]).
    #[error("it is unknown whether the event was stored; publish it again with the same key")]
    Unknown(#[source] engine::Source),
}

/// The rule or limit that an event breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// The payload is larger than the hub allows.
    #[error("the payload has {bytes} bytes; the hub allows at most {limit}")]
    PayloadTooLarge {
        /// The size of the payload as JSON.
        bytes: usize,
        /// The hub's limit; 64 KiB unless set.
        limit: usize,
    },
    /// The event is addressed to more users than the hub allows.
    #[error("the audience has {users} users; the hub allows at most {limit}")]
    AudienceTooLarge {
        /// The number of users.
        users: usize,
        /// The hub's limit; 10,000 unless set.
        limit: usize,
    },
    /// One call publishes more events than the hub or its engine allows.
    #[error("{events} events were published at once; at most {limit} are allowed")]
    TooManyEvents {
        /// The number of events.
        events: usize,
        /// The limit; 1,000 unless set, or the engine's where that is lower.
        limit: usize,
    },
    /// The event, with its audience and everything else that belongs to it, is larger than the engine takes.
    #[error("the event takes {bytes} bytes in the log; the engine takes at most {limit}")]
    EntryTooLarge {
        /// The size of the event in the log.
        bytes: usize,
        /// The limit of the [engine](crate::engine::Engine::limits).
        limit: usize,
    },
    /// A user or device id breaks the rules.
    #[error("the id is not valid: {0}")]
    Id(#[from] IdError),
    /// A channel or pattern breaks the rules.
    #[error("the channel is not valid: {0}")]
    Channel(#[from] ChannelError),
    /// The server has already subscribed the user to as many channels as a stream may carry.
    #[error("the server has subscribed the user to {limit} channels already, which is as many as a stream may carry")]
    TooManyChannels {
        /// The hub's limit; 100 unless set.
        limit: usize,
    },
}

impl From<IdError> for PublishError {
    fn from(error: IdError) -> Self {
        Self::Invalid(error.into())
    }
}

impl From<ChannelError> for PublishError {
    fn from(error: ChannelError) -> Self {
        Self::Invalid(error.into())
    }
}

/// An audience of users or a device, from [`Hub::to_user`], [`Hub::to_users`] or [`Hub::to_device`].
#[derive(Debug, Clone)]
#[must_use = "call publish()"]
pub struct To<'h> {
    hub: &'h Hub,
    audience: Result<Audience, IdError>,
}

/// The result of [`Hub::on_success`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Published<T> {
    /// The value that the future returned.
    pub value: T,
    /// The result of publishing the event.
    pub receipt: Result<Receipt, PublishError>,
}

impl Hub {
    /// Publishes to the subscribers of the event's channel or, on a pattern such as `chat:*`, of every channel below
    /// it.
    ///
    /// The call returns when the engine has acknowledged the append. Dropping the future is safe: if the event was
    /// stored it is delivered, otherwise it is not, and no other publish is affected.
    ///
    /// # Errors
    ///
    /// [`PublishError`]: invalid, refused, overloaded, or unknown (retry with the same key).
    pub async fn publish(&self, event: Event) -> Result<Receipt, PublishError> {
        self.append_one(event, Audience::Channel).await
    }

    /// Publishes several events in order, all or none.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish), and [`Invalid::TooManyEvents`].
    pub async fn publish_all(&self, events: impl IntoIterator<Item = Event>) -> Result<Vec<Receipt>, PublishError> {
        self.append(events.into_iter().map(|event| (event, Audience::Channel)).collect()).await
    }

    /// Addresses every stream of a user, whatever it is subscribed to. The later `publish` reports an id that breaks
    /// the rules.
    pub fn to_user<U>(&self, user: U) -> To<'_>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
    {
        self.to_users([user])
    }

    /// Addresses every stream of each of these users. The later `publish` reports an id that breaks the rules.
    pub fn to_users<U>(&self, users: impl IntoIterator<Item = U>) -> To<'_>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
    {
        let users: Result<Vec<_>, _> = users.into_iter().map(|user| user.try_into().map_err(IdError::from)).collect();
        To { hub: self, audience: users.map(Audience::Users) }
    }

    /// Addresses every stream of one device of a user. The later `publish` reports an id that breaks the rules.
    pub fn to_device<U, D>(&self, user: U, device: D) -> To<'_>
    where
        U: TryInto<UserId>,
        D: TryInto<DeviceId>,
        IdError: From<U::Error> + From<D::Error>,
    {
        let audience = user.try_into().map_err(IdError::from).and_then(|user| {
            let device = device.try_into().map_err(IdError::from)?;
            Ok(Audience::Device(user, device))
        });
        To { hub: self, audience }
    }

    /// Awaits `future` and publishes `event` only if the result is `Ok`, so that the event follows the change.
    ///
    /// Once the future has succeeded, the publish continues even if the caller is cancelled: a client that hangs up
    /// must not keep others from learning of a change that was made. The event is lost if the process dies in between.
    ///
    /// # Errors
    ///
    /// The future's own error. A failed publish does not undo the change, so it is not an error of this call;
    /// [`Published::receipt`] holds it.
    pub async fn on_success<T, E>(
        &self,
        event: Event,
        future: impl Future<Output = Result<T, E>>,
    ) -> Result<Published<T>, E> {
        let value = future.await?;
        let hub = self.clone();
        let publish = tokio::spawn(async move { hub.publish(event).await });
        let receipt = publish.await.unwrap_or_else(|error| Err(PublishError::Unknown(error.into())));
        Ok(Published { value, receipt })
    }

    async fn append_one(&self, event: Event, audience: Audience) -> Result<Receipt, PublishError> {
        let receipts = self.append(vec![(event, audience)]).await?;
        receipts.into_iter().next().ok_or_else(|| PublishError::Unknown("the engine returned no receipt".into()))
    }

    /// Validates the whole batch, then appends it.
    pub(crate) async fn append(&self, events: Vec<(Event, Audience)>) -> Result<Vec<Receipt>, PublishError> {
        let config = self.config();
        let limits = self.engine().limits();
        let most = config.batch_events.min(limits.batch);
        if events.len() > most {
            return Err(Invalid::TooManyEvents { events: events.len(), limit: most }.into());
        }
        for (event, audience) in &events {
            let bytes = event.payload.get().len();
            if bytes > config.payload_bytes {
                return Err(Invalid::PayloadTooLarge { bytes, limit: config.payload_bytes }.into());
            }
            if let Audience::Users(users) = audience
                && users.len() > config.audience_users
            {
                return Err(Invalid::AudienceTooLarge { users: users.len(), limit: config.audience_users }.into());
            }
        }
        let now = Timestamp(wall_clock_ms());
        let entries: Vec<_> =
            events.into_iter().map(|(event, audience)| Arc::new(entry(event, audience, now))).collect();
        // The entries are measured only where the engine has a limit, because that means serializing each of them once
        // more.
        if limits.entry_bytes < usize::MAX {
            for entry in &entries {
                let bytes = entry.to_bytes().len();
                if bytes > limits.entry_bytes {
                    return Err(Invalid::EntryTooLarge { bytes, limit: limits.entry_bytes }.into());
                }
            }
        }
        self.append_checked(entries).await
    }

    /// Appends entries that keep all limits.
    pub(crate) async fn append_checked(&self, entries: Vec<Arc<Entry>>) -> Result<Vec<Receipt>, PublishError> {
        // With an engine that never waits, a loop of publishes would keep its thread from the task that reads the tail,
        // which may be in that thread's queue, until the log has trimmed records that were not read yet.
        tokio::task::consume_budget().await;
        let (events, started) = (entries.len(), std::time::Instant::now());
        // The engine keeps the deadline; a second timer around the call would only cost.
        let (outcome, result) = match self.engine().append(entries, self.config().publish_deadline).await {
            Ok(receipts) => (Outcome::Acknowledged, Ok(receipts)),
            Err(AppendError::Refused(source)) => (Outcome::Refused, Err(PublishError::Refused(source))),
            Err(AppendError::Overloaded) => (Outcome::Refused, Err(PublishError::Overloaded)),
            Err(AppendError::Unknown(source)) => (Outcome::Unknown, Err(PublishError::Unknown(source))),
        };
        let metrics = &self.core().metrics;
        metrics.published(events, outcome, started.elapsed());
        let stored = |receipts: &Vec<Receipt>| receipts.iter().rev().find(|receipt| !receipt.duplicate).copied();
        if let Some(last) = result.as_ref().ok().and_then(stored) {
            metrics.acknowledged(last.cursor.seq, self.now_ms(), || self.core().head().seq);
        }
        result
    }
}

impl To<'_> {
    /// Publishes the event to this audience. Its channel is the label by which the client routes it.
    ///
    /// # Errors
    ///
    /// As [`Hub::publish`], and [`Invalid::Id`].
    pub async fn publish(self, event: Event) -> Result<Receipt, PublishError> {
        let audience = self.audience.map_err(Invalid::Id)?;
        self.hub.append_one(event, audience).await
    }
}

fn entry(event: Event, audience: Audience, timestamp: Timestamp) -> Entry {
    let Event { channel, event_type, payload, source, except, key } = event;
    let key = key.unwrap_or_else(new_key);
    Entry { key, timestamp, audience, channel, event_type, source, except, payload }
}

/// A new idempotency key. It is a UUIDv7, so that keys of one time are neighbours in an engine's index.
pub(crate) fn new_key() -> Key {
    Key::new(uuid::Uuid::now_v7().to_string()).expect("a UUID is 36 bytes of visible ASCII")
}
