//! Small makers of values for the unit tests.

use serde_json::value::RawValue;
use tidings_protocol::event::Timestamp;

use crate::record::{Audience, Entry};

pub(crate) fn entry(channel: &str, event_type: &str, payload: &str) -> Entry {
    Entry {
        key: crate::publish::new_key(),
        timestamp: Timestamp(1_700_000_000_000),
        audience: Audience::Channel,
        channel: channel.parse().unwrap(),
        event_type: event_type.parse().unwrap(),
        source: None,
        except: None,
        payload: RawValue::from_string(payload.to_owned()).unwrap(),
    }
}
