//! The delivery of events to handlers: one by one as a browser parses them, or many at once in the bytes of a chunk.

use std::rc::Rc;

use tidings_protocol::{event::Head, sse::decode::DEFAULT_EVENT};
use wasm_bindgen::prelude::*;

use super::{Application, Driver};
use crate::{
    browser::{self, UNKNOWN, batch::Batch, whole},
    client::{ClientCore, Cursors, Failure, Frame, HandlerId, Hears, Route},
    codec::{Port, frames, signals},
};

impl<A: Application> Driver<A> {
    /// Delivers a record, live or of the past, or a presence frame to its handlers: `text` has its cursor, and the
    /// further lines of `browser.js` where they are needed.
    pub(super) fn record(self: &Rc<Self>, signal: u32, route: u32, now: u64, text: &str, record: &JsValue) {
        let mut fields = Port::Read(text);
        let cursor = fields.read().parse().ok();
        let mut hearers = self.hearers.take();
        let (unheard, timed) = {
            let mut core = self.core.borrow_mut();
            let (channel, addressed) = (fields.read(), !fields.read().is_empty());
            // The routes that the browser remembers may be older than the one just looked up for a batch.
            let route = if self.forget_old(&mut core) || route == UNKNOWN {
                self.find(&mut core, signal, record, channel, addressed)
            } else {
                Route(route)
            };
            let id = fields.read();
            let except = frames::exclusion(&mut fields);
            if signal == signals::BACKFILL {
                core.backfill(now, id, route, cursor, except.as_ref(), &mut hearers);
            } else {
                core.record(now, route, cursor, except.as_ref(), &mut hearers);
            }
            let timed = signal == signals::RECORD && !hearers.is_empty() && core.is_timed();
            (self.debugs && hearers.is_empty() && core.is_unheard(route), timed)
        };
        // The actions that the record itself caused come first: a gap comes before the event that follows it.
        self.act();
        if timed {
            self.time(record);
        }
        self.deliver(hearers, record);
        if unheard {
            self.application.debug("unheard", record);
        }
    }

    fn deliver(&self, mut hearers: Vec<HandlerId>, record: &JsValue) {
        for id in &hearers {
            self.application.event(*id, record);
        }
        hearers.clear();
        self.hearers.set(hearers);
    }

    /// Measures a record that is about to be passed to its handlers.
    fn time(&self, record: &JsValue) {
        let now = whole(self.browser.now());
        self.core.borrow_mut().timed(now, whole(browser::time(record)));
    }

    /// Reads bytes of a stream that is read with `fetch`.
    pub(super) fn chunk(self: &Rc<Self>, now: u64, length: u32, bytes: &JsValue) {
        let stream = self.stream.get();
        let (mut chunk, mut decoder, mut batch) = (self.chunk.take(), self.decoder.take(), self.batch.take());
        chunk.resize(usize::try_from(length).unwrap_or_default(), 0);
        browser::copy(bytes, &mut chunk);
        let read = decoder.push_raw(&chunk, &mut |message| {
            let head = if message.event == DEFAULT_EVENT.as_bytes() { Head::read(message.data) } else { None };
            if let Some(head) = head.filter(|head| !head.excludes && !self.debugs) {
                batch.push(&head, message, &mut self.core.borrow_mut());
            } else {
                self.deliver_all(&mut batch, stream, now);
                if self.stream.get() == stream {
                    self.browser.dispatch(message.event, message.data, message.last_event_id);
                }
            }
        });
        self.deliver_all(&mut batch, stream, now);
        self.chunk.set(chunk);
        self.batch.set(batch);
        // A handler may have ended the stream.
        if self.stream.get() != stream {
            return;
        }
        if read.is_err() {
            self.pass_over(now, decoder.unfinished_id());
        } else {
            self.decoder.set(decoder);
        }
    }

    /// Skips an event that is too long to be read. The next stream begins after it, or it would only be sent again; so
    /// the event is missed, which is reported.
    fn pass_over(&self, now: u64, id: Option<&[u8]>) {
        self.garbled("an event is longer than 16 MiB");
        let id = id.and_then(|id| Cursors::from_ascii(id).ok());
        let mut core = self.core.borrow_mut();
        core.frame(
            now,
            Frame::Gap {
                channels: None,
                addressed: true,
                cursor: None,
                request_id: None,
                reason: "tooLarge".into(),
                id,
            },
        );
        core.failed(now);
    }

    /// Delivers the gathered records of a stream, one by one, unless a handler ends the stream.
    fn deliver_all(self: &Rc<Self>, batch: &mut Batch, stream: u32, now: u64) {
        if batch.records().is_empty() {
            return;
        }
        let (text, heard) = batch.close();
        let list = if heard > 0 { browser::parse_list(text, heard) } else { JsValue::UNDEFINED };
        let mut index = 0;
        let mut hearers = self.hearers.take();
        for record in batch.records() {
            if self.stream.get() != stream {
                break;
            }
            let (has_work, timed) = {
                let mut core = self.core.borrow_mut();
                let route = batch.route(record, &mut core);
                core.record(now, route, record.cursor, None, &mut hearers);
                (core.has_work(), !hearers.is_empty() && core.is_timed())
            };
            let text = batch.text(record);
            if has_work {
                // The event may have to be passed on to another tab.
                self.browser.hold(text.unwrap_or_default());
                self.act();
            }
            let Some(text) = text else { continue };
            if !hearers.is_empty() {
                // A text that is not JSON makes the whole list unreadable.
                let value = if list.is_undefined() { browser::parse(text) } else { JsValue::UNDEFINED };
                if list.is_undefined() && value.is_undefined() {
                    self.garbled(DEFAULT_EVENT);
                    hearers.clear();
                }
                if timed && !hearers.is_empty() {
                    let record = if list.is_undefined() { value.clone() } else { browser::item(&list, index) };
                    self.time(&record);
                }
                for id in hearers.drain(..) {
                    if list.is_undefined() {
                        self.application.event(id, &value);
                    } else {
                        self.application.event_of(id, &list, index);
                    }
                }
            }
            index += 1;
        }
        self.hearers.set(hearers);
        batch.clear();
    }

    pub(super) fn garbled(&self, name: &str) {
        let detail = Some(name.to_owned());
        let failure = Failure { code: "malformedFrame".into(), detail, ..Failure::default() };
        self.application.error(&failure, &JsValue::UNDEFINED);
    }

    /// Looks up the handlers of a record, for the browser to remember.
    fn find(&self, core: &mut ClientCore, signal: u32, record: &JsValue, channel: &str, addressed: bool) -> Route {
        let hears = match signal {
            signals::PRESENCE_UPDATE => Hears::Presence,
            _ if addressed => Hears::Addressed,
            _ => Hears::Channels,
        };
        let route = core.routes().find(channel.as_bytes(), hears);
        self.forget_old(core);
        self.browser.remember(signal, record, route.0);
        route
    }

    /// Makes the browser forget routes that are out of date. Says whether there were any.
    pub(super) fn forget_old(&self, core: &mut ClientCore) -> bool {
        let generation = core.routes().generation();
        let old = self.generation.replace(generation) != generation;
        if old {
            self.browser.forget();
        }
        old
    }
}
