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

/// What one user of an audience takes beside the letters of the id: here, and in the window's index.
const BYTES_OF_A_USER: usize = 64;

impl Entry {
    /// About how many bytes it takes in memory: its payload, and those whom it is addressed to. (All else of it is small, and who
    /// counts entries bounds it.)
    pub(crate) fn weight(&self) -> usize {
        self.payload.get().len() + self.audience_bytes()
    }

    /// About how many bytes those take whom it is addressed to, who may be very many.
    pub(crate) fn audience_bytes(&self) -> usize {
        match &self.audience {
            Audience::Users(users) => users.iter().map(|user| user.as_str().len() + BYTES_OF_A_USER).sum(),
            Audience::Channel | Audience::Device(..) | Audience::Control(_) => 0,
        }
    }

    /// The entry as bytes to store: JSON, so that whoever opens the store can read it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Serialising these types cannot fail: no maps with odd keys, no fallible Serialize inside.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The command that it is, if it is none for streams.
    #[must_use]
    pub fn control(&self) -> Option<&Control> {
        match &self.audience {
            Audience::Control(control) => Some(control),
            Audience::Channel | Audience::Users(_) | Audience::Device(..) => None,
        }
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    ///
    /// When the bytes are not an entry: the store was damaged or written by something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
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
    /// The record as a default SSE event with its `id:`; every connection sends these same bytes. A command has none.
    pub(crate) fn frame(&self, epoch: u32) -> Bytes {
        if self.entry.control().is_some() {
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
                Audience::Channel | Audience::Control(_) => None,
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
