//! Publishing: to a channel, to users, to a device. An append to the engine's log and nothing else, so that a publish
//! dropped at any await loses no acknowledged event and holds up nobody.

use std::{future::Future, sync::Arc};

use tidings_protocol::{ChannelError, DeviceId, IdError, Key, UserId, event::Timestamp};

use crate::{
    Event, EventError, Hub,
    clock::wall_clock_ms,
    engine::{self, AppendError, Receipt},
    metrics::Outcome,
    record::{Audience, Entry},
};

/// Why a publish was not acknowledged. As the error of a handler it answers with a problem document (RFC 9457): 400 or 413 for what
/// the caller sent, 503, with `Retry-After`, where the event was not stored, 504 where that is not known, 500 for a mistake of the program.
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
    /// There is no event: it could not be made.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The event breaks a rule or a limit. It was not stored, and will not be if published again.
    #[error("the event is not valid: {0}")]
    Invalid(#[from] Invalid),
    /// The engine did not store it. Publish it again later.
    #[error("the event was not stored")]
    Refused(#[source] engine::Source),
    /// Nothing was stored, because so much waits for the engine's disk, or its server, already that the hub keeps no more. Publish it
    /// again in a moment, or publish less.
    #[error("the event was not stored: too much waits for the engine")]
    Overloaded,
    /// Whether it was stored is not known. Publish it again **with the same key** ([`Event::key`]).
    #[error("it is not known whether the event was stored")]
    Unknown(#[source] engine::Source),
}

/// The rule or limit that an event breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// The payload is larger than the hub allows.
    #[error("the payload has {bytes} bytes; at most {limit} are allowed")]
    PayloadTooLarge {
        /// Its size as JSON.
        bytes: usize,
        /// What the hub allows; 64 KiB unless set.
        limit: usize,
    },
    /// More users are addressed than the hub allows.
    #[error("the audience has {users} users; at most {limit} are allowed")]
    AudienceTooLarge {
        /// How many there are.
        users: usize,
        /// What the hub allows; 10,000 unless set.
        limit: usize,
    },
    /// More events are published at once than the hub, or its engine, allows.
    #[error("{events} events at once; at most {limit} are allowed")]
    TooManyEvents {
        /// How many there are.
        events: usize,
        /// What the hub allows; 1,000 unless set.
        limit: usize,
    },
    /// The event with all that belongs to it, its audience above all, is larger than the engine takes.
    #[error("the event takes {bytes} bytes in the log; the engine takes at most {limit}")]
    EntryTooLarge {
        /// Its size as the log holds it.
        bytes: usize,
        /// What the [engine](crate::engine::Engine::limits) takes.
        limit: usize,
    },
    /// A user or device id breaks the rules.
    #[error("not an id: {0}")]
    Id(#[from] IdError),
    /// A channel or pattern breaks the rules.
    #[error("not a channel: {0}")]
    Channel(#[from] ChannelError),
    /// The server has subscribed a user to as many channels as a stream may hold.
    #[error("the user is subscribed to {limit} channels; that is as many as a stream may hold")]
    TooManyChannels {
        /// What the hub allows; 100 unless set.
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

/// Users or a device as an audience, from [`Hub::to_user`], [`Hub::to_users`] and [`Hub::to_device`].
#[derive(Debug, Clone)]
#[must_use = "call publish()"]
pub struct To<'h> {
    hub: &'h Hub,
    audience: Result<Audience, IdError>,
}

/// What came of [`Hub::on_success`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Published<T> {
    /// What the future returned.
    pub value: T,
    /// What came of publishing the event.
    pub receipt: Result<Receipt, PublishError>,
}

impl Hub {
    /// Publishes to the subscribers of the event's channel, or, on a pattern such as `chat:*`, of everything below it.
    ///
    /// It returns when the engine acknowledged the append. Dropping the future is safe: an event that was stored is
    /// delivered, one that was not is not, and no other publish is touched.
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

    /// Addresses every stream of a user, whatever it subscribed to. An id that breaks the rules is told by `publish`.
    pub fn to_user<U>(&self, user: U) -> To<'_>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
    {
        self.to_users([user])
    }

    /// Addresses every stream of each of these users.
    pub fn to_users<U>(&self, users: impl IntoIterator<Item = U>) -> To<'_>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
    {
        let users: Result<Vec<_>, _> = users.into_iter().map(|user| user.try_into().map_err(IdError::from)).collect();
        To { hub: self, audience: users.map(Audience::Users) }
    }

    /// Addresses every stream of one device of a user.
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

    /// Awaits `future` and publishes `event` only when it is `Ok`: the change first, then the news of it.
    ///
    /// Once the future has succeeded, the publish goes on by itself even if the caller is cancelled (a client that hangs
    /// up must not leave others without the news of a change that was made). The process dying in between is not
    /// covered.
    ///
    /// # Errors
    ///
    /// The future's own. A failed publish does not undo the change, so it is not an error here but in
    /// [`Published::receipt`].
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
        // Only where there is a limit: it takes writing each of them once more.
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

    /// Appends what keeps all limits.
    pub(crate) async fn append_checked(&self, entries: Vec<Arc<Entry>>) -> Result<Vec<Receipt>, PublishError> {
        // An engine that never waits would let a loop of publishes keep its thread from whoever reads the tail, who may be in that
        // thread's queue, until the log has trimmed what was not read yet.
        tokio::task::consume_budget().await;
        let (events, started) = (entries.len(), std::time::Instant::now());
        // The engine keeps the deadline: a timer of our own around it would only cost.
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
    /// Publishes the event to this audience; its channel is a label to route by.
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

/// A key of our own: a UUIDv7, so that keys of one time stand together in an engine's index.
pub(crate) fn new_key() -> Key {
    Key::new(uuid::Uuid::now_v7().to_string()).expect("a UUID is 36 bytes of visible ASCII")
}
