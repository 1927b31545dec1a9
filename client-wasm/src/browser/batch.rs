//! The records of one chunk, gathered so that the browser reads them in one go: decoding a text and parsing it cost it more
//! for each call than for each byte.

use tidings_protocol::{event::Head, sse::RawMessage};

use crate::session::{Cursors, Hears, Route, Session};

/// Records in their order. Only the text of those that somebody hears is kept.
#[derive(Default)]
pub(crate) struct Batch {
    /// A list in JSON, without its last bracket.
    text: Vec<u8>,
    records: Vec<Record>,
    heard: u32,
}

/// What the session has to know of a record.
pub(crate) struct Record {
    pub(crate) cursor: Option<Cursors>,
    hears: Hears,
    route: Route,
    /// Of the routes, when this one was found.
    generation: u32,
    /// Where its text is, if somebody hears it.
    pub(crate) text: Option<(usize, usize)>,
}

impl Batch {
    pub(crate) fn push(&mut self, head: &Head<'_>, message: RawMessage<'_>, session: &mut Session) {
        let hears = if head.to.is_none() { Hears::Channels } else { Hears::Addressed };
        let routes = session.routes();
        let route = routes.look_up(head.channel, hears);
        let generation = routes.generation();
        let text = (!routes.handlers(route).is_empty()).then(|| {
            self.heard += 1;
            self.text.push(if self.text.is_empty() { b'[' } else { b',' });
            let start = self.text.len();
            // The stream says it as the `id:`; the application finds it in the event.
            self.text.extend_from_slice(b"{\"cursor\":\"");
            let plain = |byte: &&u8| matches!(byte, b'!'..=b'~') && !b"\"\\".contains(*byte);
            self.text.extend(message.last_event_id.iter().filter(plain));
            self.text.extend_from_slice(b"\",");
            self.text.extend_from_slice(message.data.get(1..).unwrap_or_default());
            (start, self.text.len())
        });
        let cursor = Cursors::from_ascii(message.last_event_id).ok();
        self.records.push(Record { cursor, hears, route, generation, text });
    }

    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    /// All that is heard, as one list, and how long that is.
    pub(crate) fn close(&mut self) -> (&[u8], u32) {
        self.text.push(b']');
        (&self.text, self.heard)
    }

    pub(crate) fn text(&self, record: &Record) -> Option<&[u8]> {
        record.text.and_then(|(start, end)| self.text.get(start..end))
    }

    /// Who hears a record now: a handler of an earlier one may have changed that. A handler that has only just come does not
    /// hear what had come before it and concerned nobody.
    pub(crate) fn route(&self, record: &Record, session: &mut Session) -> Route {
        let routes = session.routes();
        if record.generation == routes.generation() {
            return record.route;
        }
        let head = self.text(record).and_then(Head::read);
        head.map_or(Route(u32::MAX), |head| routes.look_up(head.channel, record.hears))
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.records.clear();
        self.heard = 0;
    }
}
