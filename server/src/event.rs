//! The event, as an application makes it.

use serde::Serialize;
use serde_json::value::RawValue;
use tidings_protocol::{ChannelError, EventType, Except, IdError, Key, Pattern, Source};

#[cfg(doc)]
use crate::{Origin, UserOrigin};

/// Why an event could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The channel or pattern breaks the rules; foreign ids enter through [`segment`](crate::segment).
    #[error("the channel is not valid: {0}")]
    Channel(#[from] ChannelError),
    /// The type is empty, longer than 128 bytes, or holds control characters.
    #[error("the event type is not valid: {0}")]
    Type(#[source] IdError),
    /// The key is empty, longer than 128 bytes, or not visible ASCII.
    #[error("the idempotency key is not valid: {0}")]
    Key(#[source] IdError),
    /// The payload's `Serialize` failed.
    #[error("the payload does not serialize as JSON: {0}")]
    Payload(#[from] serde_json::Error),
    /// A [`Typed`](crate::Typed) value does not serialize as `{"type": …, "payload": …}`.
    #[error(
        "a typed event must serialize as type and payload: add #[serde(tag = \"type\", content = \"payload\")] to the enum"
    )]
    Untagged,
    /// The number of ids is not the number of placeholders in the channel of a [`Typed`](crate::Typed) value.
    #[error("the channel {channel} takes {} ids, but {given} were passed", placeholders(channel))]
    Ids {
        /// The channel with its placeholders.
        channel: &'static str,
        /// The number of ids that were passed.
        given: usize,
    },
}

fn placeholders(channel: &str) -> usize {
    channel.split(':').filter(|part| is_placeholder(part)).count()
}

/// Whether a segment of a channel template is a placeholder such as `{user}`.
pub(crate) fn is_placeholder(segment: &str) -> bool {
    segment.len() > 2 && segment.starts_with('{') && segment.ends_with('}')
}

/// What an application publishes: a channel, a type, and a JSON payload.
///
/// ```
/// use tidings::Event;
/// let event = Event::new("chat:room:42", "said", &serde_json::json!({"text": "hello"}))?;
/// # Ok::<(), tidings::EventError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "an event does nothing until it is published"]
pub struct Event {
    pub(crate) channel: Pattern,
    pub(crate) event_type: EventType,
    pub(crate) payload: Box<RawValue>,
    pub(crate) source: Option<Source>,
    pub(crate) except: Option<Except>,
    pub(crate) key: Option<Key>,
}

impl Event {
    /// An event on a channel, or on a pattern such as `chat:*`, which reaches every subscriber of anything below it.
    /// For an event addressed to users or devices the channel is a label to route by in the client.
    ///
    /// # Errors
    ///
    /// [`EventError`] when the channel or the type breaks the rules, or the payload does not serialize.
    pub fn new<C, T>(channel: C, event_type: T, payload: &(impl Serialize + ?Sized)) -> Result<Self, EventError>
    where
        C: TryInto<Pattern>,
        ChannelError: From<C::Error>,
        T: TryInto<EventType>,
        IdError: From<T::Error>,
    {
        Ok(Self {
            channel: channel.try_into().map_err(ChannelError::from)?,
            event_type: event_type.try_into().map_err(|error| EventError::Type(error.into()))?,
            payload: serde_json::value::to_raw_value(payload)?,
            source: None,
            except: None,
            key: None,
        })
    }

    /// Names the cause of the event: a tab and a device ([`Origin`]), these with their user ([`UserOrigin`]), or any
    /// [`Source`]. Receivers see it as `source`; it hides the event from nobody (that is [`except`](Self::except)).
    /// Defaults to no source.
    pub fn caused_by(mut self, source: impl Into<Source>) -> Self {
        let source = source.into();
        self.source = (!source.is_empty()).then_some(source);
        self
    }

    /// Hides the event, live and on replay, from the **tab** that caused it ([`Origin::of`]), or from every tab of one
    /// device ([`UserOrigin::device`]). Usually hide it from the tab, because other tabs must still learn of the
    /// change. An origin without a tab hides nothing. The user comes from the backend's own authentication:
    ///
    /// ```
    /// # use tidings::{Event, Origin, UserId};
    /// # fn f(origin: Origin, user: UserId) -> Result<(), tidings::EventError> {
    /// let origin = origin.of(&user);
    /// let event = Event::new("project:7", "renamed", "Apollo")?.caused_by(&origin).except(&origin);
    /// let event = event.except(origin.device());
    /// # Ok(()) }
    /// ```
    pub fn except(mut self, except: impl Into<Option<Except>>) -> Self {
        self.except = except.into();
        self
    }

    /// Publishes under this idempotency key, so that a retry is not stored twice. Defaults to a new UUIDv7.
    ///
    /// # Errors
    ///
    /// [`EventError::Key`] unless it is 1 to 128 bytes of visible ASCII.
    pub fn key<K>(mut self, key: K) -> Result<Self, EventError>
    where
        K: TryInto<Key>,
        IdError: From<K::Error>,
    {
        self.key = Some(key.try_into().map_err(|error| EventError::Key(error.into()))?);
        Ok(self)
    }
}
