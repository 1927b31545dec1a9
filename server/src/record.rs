//! What the log holds: entries before they have a place, records once they have one.

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

/// Who receives a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Audience {
    /// The subscribers of its channel.
    Channel,
    /// Every stream of these users, whatever they subscribed to.
    Users(Vec<UserId>),
    /// Every stream of one device of a user.
    Device(UserId, DeviceId),
    /// No stream, but every hub that reads the log.
    Control(Control),
    /// Nobody: a newer version of Tidings wrote the entry, and this one does not know what it says. It is never written.
    #[serde(skip)]
    Void,
}

/// One published event as an engine stores it, before the log has given it a place. An engine that writes to disk or
/// to a network stores [`Entry::to_bytes`]; nothing in it but the key concerns an engine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The idempotency key: an entry whose key the log already holds is not stored again.
    pub key: Key,
    /// When the hub accepted it.
    pub timestamp: Timestamp,
    /// Who receives it.
    pub audience: Audience,
    /// Where it was published; a label when the audience is users or a device.
    pub channel: Pattern,
    /// What kind of change it tells of.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// What caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// From whom it is hidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<Except>,
    /// The application's JSON.
    pub payload: Box<RawValue>,
}

/// Room for the JSON of most entries beside their payload and audience, so that writing one asks for memory once, and for no more than
/// it takes.
const ENTRY_BYTES: usize = 512;
/// What one user of an audience takes beside the letters of the id.
const BYTES_OF_A_USER: usize = 64;
/// What the allocator takes for each piece of memory, beside the piece.
pub(crate) const BYTES_OF_A_PIECE: usize = 16;

impl Entry {
    /// About how many bytes it takes in memory, with all that belongs to it.
    pub(crate) fn weight(&self) -> usize {
        // Each text has two counters before it.
        let text = |text: &str| text.len() + 16 + BYTES_OF_A_PIECE;
        let own = size_of::<Self>() + 16 + BYTES_OF_A_PIECE;
        let texts = text(self.key.as_str()) + text(self.channel.as_str()) + text(self.event_type.as_str());
        own + texts + self.payload.get().len() + BYTES_OF_A_PIECE + self.audience_bytes()
    }

    /// About how many bytes those take whom it is addressed to, who may be very many.
    pub(crate) fn audience_bytes(&self) -> usize {
        match &self.audience {
            Audience::Users(users) => users.iter().map(|user| user.as_str().len() + BYTES_OF_A_USER).sum(),
            Audience::Channel | Audience::Device(..) | Audience::Control(_) | Audience::Void => 0,
        }
    }

    /// A command's entry.
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

    /// Whether it is something for streams to deliver, and no command, nor void.
    #[must_use]
    pub fn is_event(&self) -> bool {
        match self.audience {
            Audience::Channel | Audience::Users(_) | Audience::Device(..) => true,
            Audience::Control(_) | Audience::Void => false,
        }
    }

    /// The entry as bytes to store: JSON, so that whoever opens the store can read it. What a version of Tidings adds to entries,
    /// audiences or commands it writes with its number as the field `v`; without that field it is the first version.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Serialising these types cannot fail: no maps with odd keys, no fallible Serialize inside.
        let mut bytes = Vec::with_capacity(self.payload.get().len() + self.audience_bytes() + ENTRY_BYTES);
        match serde_json::to_writer(&mut bytes, self) {
            Ok(()) => bytes,
            Err(_) => Vec::new(),
        }
    }

    /// The command that it is, if it is none for streams.
    #[must_use]
    pub fn control(&self) -> Option<&Control> {
        match &self.audience {
            Audience::Control(control) => Some(control),
            Audience::Channel | Audience::Users(_) | Audience::Device(..) | Audience::Void => None,
        }
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. What a newer version wrote is [`Audience::Void`] where this one does not know
    /// it, with a warning: in a rolling deploy both read one log.
    ///
    /// # Errors
    ///
    /// When the bytes are not an entry: the store was damaged or written by something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let error = match serde_json::from_slice(bytes) {
            Ok(entry) => return Ok(entry),
            Err(error) => error,
        };
        match serde_json::from_slice::<Newer>(bytes) {
            Ok(newer) if newer.v > VERSION => {
                tracing::warn!(version = newer.v, known = VERSION, %error, "a newer version wrote this entry; it is passed over");
                Ok(newer.into())
            }
            _ => Err(error),
        }
    }
}

/// The version of entries that this crate writes and reads.
const VERSION: u32 = 1;

/// What an entry of any version has.
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

/// An entry with its place in the log.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its number, from 1, without holes.
    pub seq: u64,
    /// Its fingerprint; never 0.
    pub tag: u32,
    /// What was published.
    pub entry: Arc<Entry>,
}

impl Record {
    /// The record as a default SSE event with its `id:`; every connection sends these same bytes. A command has none, nor has a
    /// void record.
    pub(crate) fn frame(&self, epoch: u32) -> Bytes {
        if !self.entry.is_event() {
            return Bytes::new();
        }
        let at = Cursor { epoch, seq: self.seq, tag: self.tag };
        self.encode(at, None)
    }

    /// The record as a `backfill` for one subscribe call: without `id:`, so that it moves no cursor.
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

/// Room for the JSON of most frames, so that writing it asks for memory once.
const JSON_BYTES: usize = 1 << 10;
/// Room for the names of an event's fields, and an id.
const FIELDS_BYTES: usize = 96;

/// One SSE event whose data is JSON of our own types.
pub(crate) fn json_frame(event: Option<&str>, id: Option<&Cursor>, data: &impl Serialize) -> Bytes {
    let mut json = Vec::with_capacity(JSON_BYTES);
    // Serialising the protocol's own types cannot fail; see `Entry::to_bytes`.
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
    fn what_a_newer_version_wrote_is_void_and_damage_is_an_error() {
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
