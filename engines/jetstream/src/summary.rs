//! The summary of what was trimmed.

use std::collections::HashMap;

use serde_json::json;
use tidings::{
    engine::{Location, RoutingKey},
    record::Record,
};
use tidings_protocol::Cursor;

use crate::api::{Failed, failed};

/// How many routing keys and tags the summary has room for: about 300 KiB, below the largest payload.
const ROOM: usize = 4_096;

/// What is known of the records up to `up_to`, which were trimmed.
#[derive(Default)]
pub(crate) struct Trimmed {
    pub(crate) up_to: u64,
    /// The last use of a key that there was no room for.
    pub(crate) floor: u64,
    /// The tags of the last trimmed records, oldest first.
    tags: Vec<u32>,
    pub(crate) keys: HashMap<u64, u64>,
}

impl Trimmed {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Failed> {
        let (up_to, floor, tags, keys): (_, _, _, Vec<_>) = serde_json::from_slice(bytes).map_err(failed)?;
        Ok(Self { up_to, floor, tags, keys: keys.into_iter().collect() })
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let keys: Vec<_> = self.keys.iter().collect();
        json!([self.up_to, self.floor, self.tags, keys]).to_string().into_bytes()
    }

    pub(crate) fn fold(&mut self, records: &[Record]) {
        for record in records {
            self.up_to = record.seq;
            self.tags.push(record.tag);
            self.keys.extend(record.entry.routing_keys().into_iter().map(|RoutingKey(key)| (key, record.seq)));
        }
        self.tags.drain(..self.tags.len().saturating_sub(ROOM));
        if self.keys.len() > ROOM {
            let mut uses: Vec<_> = self.keys.values().copied().collect();
            uses.sort_unstable();
            self.floor = self.floor.max(uses[uses.len() - ROOM - 1]);
            self.keys.retain(|_, last| *last > self.floor);
        }
    }

    /// The tag of a trimmed record; the origin's is 0.
    pub(crate) fn tag(&self, seq: u64) -> Option<u32> {
        let back = usize::try_from(self.up_to.checked_sub(seq)?).ok()?;
        match self.tags.len().checked_sub(back + 1) {
            Some(at) => Some(self.tags[at]),
            None => (seq == 0 && back == self.tags.len()).then_some(0),
        }
    }

    pub(crate) fn locate(&self, cursor: Cursor) -> Location {
        match self.tag(cursor.seq) {
            Some(tag) if tag != cursor.tag => Location::Diverged,
            Some(_) if cursor.seq == self.up_to => Location::Held,
            Some(_) => Location::Trimmed,
            None => Location::Forgotten,
        }
    }
}
