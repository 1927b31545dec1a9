//! The records of one chunk, gathered so that the browser reads them at once: decoding and parsing a text costs the
//! browser more for each call than for each byte.

use tidings_protocol::{event::Head, sse::RawMessage};

use crate::client::{ClientCore, Cursors, Hears, Route};

/// Records in their order. The text is kept only for records that have handlers.
#[derive(Default)]
pub(crate) struct Batch {
    /// A list in JSON, without its closing bracket.
    text: Vec<u8>,
    records: Vec<Record>,
    heard: u32,
}

/// The data of a record that the core needs.
pub(crate) struct Record {
    pub(crate) cursor: Option<Cursors>,
    hears: Hears,
    route: Route,
    /// The generation of the routes when this one was found.
    generation: u32,
    /// The range of its text, if a handler receives it.
    pub(crate) text: Option<(usize, usize)>,
}

impl Batch {
    pub(crate) fn push(&mut self, head: &Head<'_>, message: RawMessage<'_>, core: &mut ClientCore) {
        let hears = if head.to.is_none() { Hears::Channels } else { Hears::Addressed };
        let routes = core.routes();
        let route = routes.look_up(head.channel, hears);
        let generation = routes.generation();
        let text = (!routes.handlers(route).is_empty()).then(|| {
            self.heard += 1;
            self.text.push(if self.text.is_empty() { b'[' } else { b',' });
            let start = self.text.len();
            // The stream carries the cursor as the `id:`; the application finds it in the event.
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

    /// All records with handlers as one list, and the list's length.
    pub(crate) fn close(&mut self) -> (&[u8], u32) {
        self.text.push(b']');
        (&self.text, self.heard)
    }

    pub(crate) fn text(&self, record: &Record) -> Option<&[u8]> {
        record.text.and_then(|(start, end)| self.text.get(start..end))
    }

    /// The current route of a record, because a handler of an earlier record may have changed the handlers. A handler
    /// that was added only now does not receive earlier records that had no handlers.
    pub(crate) fn route(&self, record: &Record, core: &mut ClientCore) -> Route {
        let routes = core.routes();
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
