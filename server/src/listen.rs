//! Listening in the backend itself. A listener is a stream like a browser's, whose frames are decoded in this process.
//! It therefore gives the same promise, by the same code: it yields each event once and in order, however slowly it is
//! read, or a gap.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use futures_util::Stream;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tidings_protocol::{
    ChannelError, Cursor, EventType, Pattern, Source,
    event::EventFrame,
    frame::{Gap, GapReason},
    sse::{Decoder, Message},
};

use crate::{Hub, hub::Reader};

/// The events of a channel or pattern, for the backend itself; from [`Hub::listen`]. It keeps the hub running, and ends
/// when the hub [drains](Hub::drain).
#[must_use = "a stream does nothing until it is polled"]
pub struct Listener {
    reader: Option<Reader>,
    decoder: Decoder,
    items: VecDeque<Result<Received, Missed>>,
}

/// An event, as [`Hub::listen`] yields it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Received {
    /// The event's position in the log.
    pub cursor: Cursor,
    /// The channel, or pattern such as `chat:*`, that the event was published to.
    pub channel: Pattern,
    /// The event's type, which names the kind of change.
    pub event_type: EventType,
    /// The cause of the event, if the publisher named one.
    pub source: Option<Source>,
    /// When the hub accepted it.
    pub time: SystemTime,
    /// The application's payload, as JSON.
    pub payload: Box<RawValue>,
}

impl Received {
    /// The payload as a type of your own.
    ///
    /// # Errors
    ///
    /// [`serde_json::Error`] when the JSON does not fit the type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.payload.get())
    }
}

/// Events may be missing from here on, so reload your data. This happens when a listener reads so slowly that the log
/// was trimmed in the meantime, or when the engine lost records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("events may be missing from here on ({reason}); reload your data")]
#[non_exhaustive]
pub struct Missed {
    /// The reason.
    pub reason: GapReason,
}

impl Hub {
    /// Listens to a channel or pattern in the backend itself, from now on. The listener receives events that are
    /// published to these channels, and not those addressed to users or devices. It starts at this node's position, so
    /// an event that was acknowledged a moment ago may still arrive.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use futures_util::StreamExt;
    /// use tidings::{Event, Hub};
    ///
    /// let hub = Hub::builder().build().await?;
    /// let mut orders = hub.listen("order:*")?;
    /// hub.publish(Event::new("order:7", "paid", &9.90)?).await?;
    /// while let Some(item) = orders.next().await {
    ///     match item {
    ///         Ok(event) => assert_eq!(event.json::<f64>()?, 9.90),
    ///         Err(missed) => eprintln!("{missed}"), // reload the orders
    ///     }
    ///     # break;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ChannelError`] when the text is not a channel or pattern.
    pub fn listen<P>(&self, channels: P) -> Result<Listener, ChannelError>
    where
        P: TryInto<Pattern>,
        ChannelError: From<P::Error>,
    {
        let link = self.open_listener(channels.try_into()?);
        Ok(Listener {
            reader: Some(Reader::new(self.clone(), link)),
            decoder: Decoder::with_limit(usize::MAX),
            items: VecDeque::new(),
        })
    }
}

impl Stream for Listener {
    type Item = Result<Received, Missed>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { reader, decoder, items } = &mut *self;
        loop {
            if let Some(item) = items.pop_front() {
                return Poll::Ready(Some(item));
            }
            let Some(reading) = reader else { return Poll::Ready(None) };
            let Some(frames) = ready!(reading.poll_frames(cx)) else {
                // The reader is dropped at once, so that a drain does not wait for the owner of the ended stream.
                *reader = None;
                return Poll::Ready(None);
            };
            for frame in frames {
                // A decoder without a limit accepts everything.
                let _ = decoder.push(&frame, |message| items.extend(item(message)));
            }
        }
    }
}

/// The item that a frame becomes; `None` for heartbeats and confirmations.
fn item(message: Message<'_>) -> Option<Result<Received, Missed>> {
    match message.event {
        "message" => Some(received(message).ok_or(Missed { reason: GapReason::Malformed })),
        Gap::NAME => {
            let gap = serde_json::from_str(message.data).map(|gap: Gap| gap.reason);
            Some(Err(Missed { reason: gap.unwrap_or(GapReason::Malformed) }))
        }
        _ => None,
    }
}

fn received(message: Message<'_>) -> Option<Received> {
    let EventFrame { channel, event_type, source, timestamp, payload, .. } =
        serde_json::from_str::<EventFrame>(message.data).ok()?;
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(timestamp.0);
    Some(Received { cursor: message.last_event_id.parse().ok()?, channel, event_type, source, time, payload })
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
