//! The content of the log: entries before they have a position, records once they have one.

mod control;

use std::sync::Arc;

use bytes::Bytes;
pub use control::{Control, Order};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_protocol::{
    Addressee, Cursor, DeviceId, EventType, Except, Key, Pattern, RequestId, Source, UserId, event::EventFrame,
    event::Timestamp, frame::BACKFILL, sse,
};

/// The receivers of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Audience {
    /// The subscribers of the record's channel.
    Channel,
    /// Every stream of these users, whatever it is subscribed to.
    Users(Vec<UserId>),
    /// Every stream of one device of a user.
    Device(UserId, DeviceId),
    /// No stream; every hub that reads the log applies the order.
    Control(Control),
    /// No receiver: a newer version of Tidings wrote the entry, and this version cannot read it. This variant is never
    /// stored.
    #[serde(skip)]
    Void,
}

/// A published event as an engine stores it, before the log has given it a position. An engine that writes to disk or
/// to a network stores [`Entry::to_bytes`]; only the key concerns the engine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The idempotency key: an entry whose key the log already holds is not stored again.
    pub key: Key,
    /// When the hub accepted the event.
    pub timestamp: Timestamp,
    /// The receivers.
    pub audience: Audience,
    /// The channel or pattern that it was published to; a label where it is addressed to users or a device.
    pub channel: Pattern,
    /// The event's type, which names the kind of change.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// The cause of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The tab or device from which the event is hidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<Except>,
    /// The application's payload, as JSON.
    pub payload: Box<RawValue>,
}

/// The JSON bytes of most entries without payload and audience, so that serializing one allocates once and not more
/// than needed.
const ENTRY_BYTES: usize = 512;
/// The bytes of one user of an audience, beside the letters of the id.
const BYTES_OF_A_USER: usize = 64;
/// The bytes that the allocator takes for each allocation, beside its content.
pub(crate) const BYTES_OF_A_PIECE: usize = 16;

impl Entry {
    /// About how many bytes the entry takes in memory, with everything that belongs to it.
    pub(crate) fn weight(&self) -> usize {
        // Each shared text has two reference counters before it.
        let text = |text: &str| text.len() + 16 + BYTES_OF_A_PIECE;
        let own = size_of::<Self>() + 16 + BYTES_OF_A_PIECE;
        let texts = text(self.key.as_str()) + text(self.channel.as_str()) + text(self.event_type.as_str());
        own + texts + self.payload.get().len() + BYTES_OF_A_PIECE + self.audience_bytes()
    }

    /// About how many bytes the audience takes; it may have very many users.
    pub(crate) fn audience_bytes(&self) -> usize {
        match &self.audience {
            Audience::Users(users) => users.iter().map(|user| user.as_str().len() + BYTES_OF_A_USER).sum(),
            Audience::Channel | Audience::Device(..) | Audience::Control(_) | Audience::Void => 0,
        }
    }

    /// The entry of an order.
    pub(crate) fn control_of(key: Key, timestamp: Timestamp, control: Control) -> Self {
        Self {
            key,
            timestamp,
            audience: Audience::Control(control),
            channel: "*".parse().expect("a pattern"),
            event_type: "control".parse().expect("a type"),
            source: None,
            except: None,
            payload: RawValue::NULL.to_owned(),
        }
    }

    /// Whether the entry is an event for streams, and neither an order nor void.
    #[must_use]
    pub fn is_event(&self) -> bool {
        match self.audience {
            Audience::Channel | Audience::Users(_) | Audience::Device(..) => true,
            Audience::Control(_) | Audience::Void => false,
        }
    }

    /// The entry as bytes to store: JSON, so that anyone who opens the store can read it. A version of Tidings that
    /// adds to entries, audiences or orders writes its number as the field `v`; the first version writes no such field.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Serializing these types cannot fail: they have no maps with other keys than strings, and no fallible
        // `Serialize`.
        let mut bytes = Vec::with_capacity(self.payload.get().len() + self.audience_bytes() + ENTRY_BYTES);
        match serde_json::to_writer(&mut bytes, self) {
            Ok(()) => bytes,
            Err(_) => Vec::new(),
        }
    }

    /// The order, where the entry is one.
    #[must_use]
    pub fn control(&self) -> Option<&Control> {
        match &self.audience {
            Audience::Control(control) => Some(control),
            Audience::Channel | Audience::Users(_) | Audience::Device(..) | Audience::Void => None,
        }
    }

    /// Reads the bytes that [`to_bytes`](Self::to_bytes) wrote. An entry of a newer version that this version cannot
    /// read becomes [`Audience::Void`], with a warning, because during a rolling deploy both versions read one log.
    ///
    /// # Errors
    ///
    /// [`serde_json::Error`] when the bytes are not an entry: the store was damaged, or written by something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let error = match serde_json::from_slice(bytes) {
            Ok(entry) => return Ok(entry),
            Err(error) => error,
        };
        match serde_json::from_slice::<Newer>(bytes) {
            Ok(newer) if newer.v > VERSION => {
                tracing::warn!(version = newer.v, known = VERSION, %error, "a newer version of Tidings wrote this entry; it is skipped");
                Ok(newer.into())
            }
            _ => Err(error),
        }
    }
}

/// The version of entries that this crate writes and reads.
const VERSION: u32 = 1;

/// The fields that an entry of any version has.
#[derive(Deserialize)]
struct Newer {
    v: u32,
    key: Key,
    timestamp: Timestamp,
}

impl From<Newer> for Entry {
    fn from(Newer { key, timestamp, .. }: Newer) -> Self {
        Self {
            key,
            timestamp,
            audience: Audience::Void,
            channel: "*".parse().expect("a pattern"),
            event_type: "void".parse().expect("a type"),
            source: None,
            except: None,
            payload: RawValue::NULL.to_owned(),
        }
    }
}

/// An entry with its position in the log.
#[derive(Debug, Clone)]
pub struct Record {
    /// The record's number, counted from 1 without holes.
    pub seq: u64,
    /// The record's fingerprint; never 0.
    pub tag: u32,
    /// The published entry.
    pub entry: Arc<Entry>,
}

impl Record {
    /// The record as a default SSE event with its `id:`; every connection sends the same bytes. Orders and void records
    /// have no frame.
    pub(crate) fn frame(&self, epoch: u32) -> Bytes {
        if !self.entry.is_event() {
            return Bytes::new();
        }
        let at = Cursor { epoch, seq: self.seq, tag: self.tag };
        self.encode(at, None)
    }

    /// The record as a `backfill` frame for one subscribe call, without `id:`, so that it moves no cursor.
    pub(crate) fn backfill(&self, epoch: u32, request: &RequestId) -> Bytes {
        let at = Cursor { epoch, seq: self.seq, tag: self.tag };
        self.encode(at, Some(request))
    }

    fn encode(&self, at: Cursor, backfill: Option<&RequestId>) -> Bytes {
        let entry = &*self.entry;
        let frame = EventFrame {
            channel: entry.channel.clone(),
            event_type: entry.event_type.clone(),
            to: match entry.audience {
                Audience::Channel | Audience::Control(_) | Audience::Void => None,
                Audience::Users(_) => Some(Addressee::User),
                Audience::Device(..) => Some(Addressee::Device),
            },
            source: entry.source.clone(),
            except: entry.except.clone(),
            cursor: backfill.map(|_| at),
            timestamp: entry.timestamp,
            request_id: backfill.cloned(),
            payload: &*entry.payload,
        };
        let id = backfill.is_none().then_some(&at);
        json_frame(backfill.map(|_| BACKFILL), id, &frame)
    }
}

/// The JSON bytes of most frames, so that writing one allocates once.
const JSON_BYTES: usize = 1 << 10;
/// The bytes of an event's field names and an id.
const FIELDS_BYTES: usize = 96;

/// An SSE event whose data is JSON of the protocol's own types.
pub(crate) fn json_frame(event: Option<&str>, id: Option<&Cursor>, data: &impl Serialize) -> Bytes {
    let mut json = Vec::with_capacity(JSON_BYTES);
    // Serializing the protocol's own types cannot fail; see `Entry::to_bytes`.
    let data =
        serde_json::to_writer(&mut json, data).ok().and_then(|()| str::from_utf8(&json).ok()).unwrap_or_default();
    let mut out = String::with_capacity(data.len() + FIELDS_BYTES);
    sse::encode(&mut out, event, id, &sse::escape(data));
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_survives_its_bytes() {
        let entry = crate::testing::entry("chat:1", "said", "{\"a\": 1}");
        let again = Entry::from_bytes(&entry.to_bytes()).unwrap();
        assert_eq!(again.key, entry.key);
        assert_eq!(again.payload.get(), "{\"a\": 1}");
    }

    #[test]
    fn an_entry_of_a_newer_version_is_void_and_damage_is_an_error() {
        let text = String::from_utf8(crate::testing::entry("chat:1", "said", "1").to_bytes()).unwrap();
        let newer = text.replace("\"audience\":\"channel\"", "\"v\":2,\"audience\":{\"moon\":7}");
        let read = Entry::from_bytes(newer.as_bytes()).unwrap();
        assert_eq!(read.audience, Audience::Void);
        assert!(read.routing_keys().is_empty() && !read.is_event());
        let known = text.replace("\"audience\"", "\"v\":2,\"audience\"");
        assert_eq!(Entry::from_bytes(known.as_bytes()).unwrap().audience, Audience::Channel, "what is known is read");
        for damaged in [newer.replace("\"v\":2", "\"v\":1"), newer.replace("\"v\":2,", "")] {
            assert!(Entry::from_bytes(damaged.as_bytes()).is_err(), "{damaged}");
        }
    }

    #[test]
    fn a_backfill_frame_has_no_id() {
        let record = Record { seq: 7, tag: 9, entry: Arc::new(crate::testing::entry("chat:1", "said", "1")) };
        let request = RequestId::new("r1").unwrap();
        let text = String::from_utf8(record.backfill(1, &request).to_vec()).unwrap();
        assert!(text.starts_with("event: backfill\ndata: {"), "{text}");
        assert!(
            text.contains(r#""cursor":"1.7.9""#) && text.ends_with("\"requestId\":\"r1\",\"payload\":1}\n\n"),
            "{text}"
        );
    }
}
