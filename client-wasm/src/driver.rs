//! The layer between the core and the browser: it passes in what happens, carries out the resulting actions, and
//! calls the application.
//!
//! Two rules keep callbacks harmless. No borrow is held while a callback runs, so that it may call any method; and the
//! actions that it causes are carried out after it has returned and after all that were decided before, so that actions
//! keep the core's order.

mod events;

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};

use tidings_protocol::{Pattern, sse::Decoder};
use wasm_bindgen::prelude::*;

use crate::{
    browser::{self, Browser, Callback, batch::Batch, tabs, tabs::Tabs, whole},
    client::{
        Access, Action, ClientCore, Config, Failure, Frame, HandlerId, Identity, Message, Relayed, Request, State,
        Status, VERSION,
    },
    codec::{frames, signals},
    text::text_of,
};

/// The application's callbacks. They must not throw.
pub(crate) trait Application: 'static {
    /// Delivers an event, as the browser parsed it, to a handler that may have been removed meanwhile.
    fn event(&self, handler: HandlerId, record: &JsValue);
    /// Delivers one event of a list.
    fn event_of(&self, handler: HandlerId, list: &JsValue, index: u32) {
        self.event(handler, &browser::item(list, index));
    }
    /// A handler receives every event after this cursor; or, with a refusal, never will, or no longer does.
    fn settled(&self, handler: HandlerId, refusal: Option<&str>, cursor: &str);
    /// A handler may have missed events, on these channels, among addressed events or not, and for this reason; without
    /// a handler, the client may have.
    fn gap(&self, handler: Option<HandlerId>, channels: Option<&[Pattern]>, addressed: bool, reason: &str);
    /// The connection's state has changed.
    fn state(&self, status: &Status);
    /// A failure has occurred, with the value that was thrown, if one was.
    fn error(&self, failure: &Failure, thrown: &JsValue);
    /// All handlers are gone.
    #[cfg(feature = "typed")]
    fn clear(&self);
    /// Our own code threw where it has no caller. The state in which that left the instance is unknown.
    fn broken(&self, cause: &JsValue);
    /// Information for the developer: a record that is `unheard`, because it has no handler, or the reason why the
    /// server is `closing` the stream.
    fn debug(&self, _what: &str, _detail: &JsValue) {}
}

/// One client in a browser.
pub(crate) struct Driver<A> {
    core: RefCell<ClientCore>,
    pub(crate) application: A,
    browser: Browser,
    /// The other tabs, if they may share a stream.
    tabs: Option<Tabs>,
    /// Whether events without handlers are reported, too.
    debugs: bool,
    /// The function that the browser calls; it holds the driver weakly.
    _callback: Callback,
    /// When the browser's timer fires.
    armed: Cell<Option<u64>>,
    /// The number of streams opened and closed: the rest of an old stream is not passed in.
    stream: Cell<u32>,
    /// The decoder of a stream that is read with `fetch`.
    decoder: Cell<Decoder>,
    chunk: Cell<Vec<u8>>,
    /// Kept between chunks, to reuse its memory.
    batch: Cell<Batch>,
    /// The generation of the routes that the browser remembers.
    generation: Cell<u32>,
    /// The list of a record's handlers, kept between records.
    hearers: Cell<Vec<HandlerId>>,
    /// Whether a caller up the stack is carrying out actions.
    acting: Cell<bool>,
    flushing: Cell<bool>,
    /// The number of unanswered requests. Their promises call even when the client has ended meanwhile.
    unanswered: Cell<u32>,
    /// The driver itself, for as long as work is under way: an application need not keep its client to receive events,
    /// and the garbage collector must not end it.
    alive: RefCell<Option<Rc<Self>>>,
}

/// The parts of the browser and the page that the client uses.
#[derive(Default)]
pub(crate) struct Environment {
    /// A promise of the device id, if the tabs have yet to agree on it; `undefined` if it is known.
    pub(crate) agreed: JsValue,
    /// A function that returns a token or a promise of one; `undefined` without one.
    pub(crate) token: JsValue,
    /// Whether cookies are sent to other origins, too.
    pub(crate) with_credentials: bool,
    /// `eventsource`, `fetch` or `auto`; any other value means `auto`.
    pub(crate) transport: JsValue,
    /// Whether the application wants reports of events without handlers, which have to be read for that.
    pub(crate) debugs: bool,
}

impl<A: Application> Driver<A> {
    pub(crate) fn new(mut config: Config, identity: Identity, environment: Environment, application: A) -> Rc<Self> {
        let Environment { agreed, token, with_credentials, transport, debugs } = environment;
        let by_fetch = browser::by_fetch(&transport);
        config.cross_origin = browser::is_elsewhere(&config.url);
        config.share &= tabs::can_share();
        if !token.is_undefined() {
            config.access = if by_fetch { Access::Token } else { Access::Ticket };
        }
        Rc::new_cyclic(|weak: &Weak<Self>| {
            let driver = weak.clone();
            let callback = Callback::new(move |signal, number, now, text: String, value| {
                driver.upgrade().is_none_or(|driver| driver.called(signal, number, whole(now), &text, &value))
            });
            let browser = browser::attach(callback.as_ref(), &token, with_credentials, by_fetch, &agreed);
            let tabs =
                config.share.then(|| tabs::among(&browser, callback.as_ref(), VERSION, &config.url, with_credentials));
            Self {
                core: RefCell::new(ClientCore::new(config, identity, browser.seed())),
                application,
                browser,
                tabs,
                debugs,
                _callback: callback,
                armed: Cell::new(None),
                stream: Cell::new(0),
                decoder: Cell::default(),
                chunk: Cell::default(),
                batch: Cell::default(),
                generation: Cell::new(0),
                hearers: Cell::default(),
                acting: Cell::new(false),
                flushing: Cell::new(false),
                unanswered: Cell::new(0),
                alive: RefCell::default(),
            }
        })
    }

    // ---- the application's calls ----

    pub(crate) fn subscribe(self: &Rc<Self>, pattern: Pattern, since: Option<&str>) -> HandlerId {
        let id = self.core.borrow_mut().subscribe(pattern, since);
        self.schedule();
        id
    }

    pub(crate) fn on(self: &Rc<Self>, label: Pattern) -> HandlerId {
        let id = self.core.borrow_mut().on(label);
        self.schedule();
        id
    }

    pub(crate) fn presence(self: &Rc<Self>, pattern: Pattern) -> HandlerId {
        let id = self.core.borrow_mut().presence(pattern);
        self.schedule();
        id
    }

    pub(crate) fn unsubscribe(self: &Rc<Self>, id: HandlerId) {
        self.core.borrow_mut().unsubscribe(whole(self.browser.now()), id);
        self.schedule();
    }

    pub(crate) fn connect(self: &Rc<Self>) {
        self.core.borrow_mut().connect();
        self.act();
    }

    pub(crate) fn disconnect(self: &Rc<Self>) {
        self.core.borrow_mut().disconnect();
        self.act();
    }

    #[cfg(feature = "typed")]
    pub(crate) fn reset(self: &Rc<Self>) {
        self.core.borrow_mut().reset(browser::random_id());
        self.application.clear();
        self.act();
    }

    pub(crate) fn state(&self) -> State {
        self.core.borrow().state()
    }

    /// Looks at the client's identity, and at the user id that the server reports.
    pub(crate) fn identity<T>(&self, look: impl FnOnce(&Identity, Option<&str>) -> T) -> T {
        let core = self.core.borrow();
        look(core.identity(), core.user_id())
    }

    // ---- calls of the browser ----

    fn called(self: &Rc<Self>, signal: u32, number: u32, now: u64, text: &str, value: &JsValue) -> bool {
        match signal {
            signals::RECORD | signals::BACKFILL | signals::PRESENCE_UPDATE => {
                self.record(signal, number, now, text, value);
                return true;
            }
            signals::CHUNK => self.chunk(now, number, value),
            signals::UNSUPPORTED => {
                // Neither of these failures ends by itself.
                self.core.borrow_mut().disconnect();
                let detail = Some(text.to_owned()).filter(|detail| !detail.is_empty());
                let failure = Failure { code: "unsupported".into(), detail, ..Failure::default() };
                self.application.error(&failure, value);
            }
            signals::GARBLED => {
                // The frame shows at least that the stream is alive.
                self.core.borrow_mut().frame(now, Frame::Other);
                self.garbled(text);
            }
            signals::TOLD => {
                self.told(now, text);
                return true;
            }
            signals::BROKEN => self.application.broken(value),
            _ => {
                let mut closing = None;
                let mut core = self.core.borrow_mut();
                match signal {
                    signals::LOCKED => core.locked(now),
                    signals::HELD => core.held(now),
                    signals::LOST => core.lost(now),
                    signals::GONE => core.gone(text),
                    signals::UNSHARED => core.unshared(now),
                    signals::ERROR => core.failed(now),
                    signals::REFUSED => core.refused(now, frames::answer(text)),
                    signals::ONLINE => core.online(now),
                    signals::SHOWN => core.visible(now),
                    signals::HIDDEN => core.suspend(),
                    signals::BACK => core.resume(now),
                    signals::TICK => {
                        self.armed.set(None);
                        core.wake(now);
                    }
                    signals::FLUSH => {
                        self.flushing.set(false);
                        if !text.is_empty() {
                            core.agreed_on_device(text.to_owned());
                        }
                        core.flush(now);
                    }
                    signals::ANSWER => {
                        self.unanswered.set(self.unanswered.get().saturating_sub(1));
                        core.answer(now, number, frames::answer(text));
                    }
                    _ => match frames::control(signal, text) {
                        Some(frame) => {
                            if let Frame::Closing { reason, .. } = &frame {
                                closing = Some(JsValue::from_str(reason));
                            }
                            core.frame(now, frame);
                        }
                        None => return false,
                    },
                }
                drop(core);
                if let Some(reason) = closing {
                    self.application.debug("closing", &reason);
                }
            }
        }
        self.act();
        true
    }

    /// Another tab has posted a message. A frame in it is read like a frame of a stream.
    fn told(self: &Rc<Self>, now: u64, text: &str) {
        let Some(message) = Message::from_text(text) else { return };
        let relayed = self.core.borrow_mut().on_message(now, message);
        self.act();
        let Some(Relayed { id, calls }) = relayed else { return };
        if calls.is_empty() {
            return self.browser.relayed(&id, None);
        }
        for call in calls {
            self.browser.relayed(&id, Some(&text_of(call)));
        }
    }

    // ---- carrying out actions ----

    /// Carries out all that the core has decided.
    fn act(self: &Rc<Self>) {
        if self.acting.replace(true) {
            return;
        }
        loop {
            let action = self.core.borrow_mut().next_action();
            let Some(action) = action else { break };
            self.carry_out(action);
        }
        self.acting.set(false);
        self.schedule();
    }

    fn carry_out(&self, action: Action) {
        match action {
            Action::Open { url } => {
                self.decoder.take();
                self.browser.open(&url);
            }
            Action::Close => {
                self.stream.set(self.stream.get().wrapping_add(1));
                self.browser.close();
            }
            Action::Send(request) => {
                self.unanswered.set(self.unanswered.get() + 1);
                let Request { number, ask, url, body } = &request;
                self.browser.send(*ask as u32, *number, url, body.as_deref());
            }
            Action::State(status) => self.application.state(&status),
            Action::Settled { handler, refusal } => {
                let cursor = self.core.borrow().heard_up_to(handler);
                self.application.settled(handler, refusal.as_deref(), &cursor);
            }
            Action::Gap { channels, addressed, reason, handlers, .. } => {
                self.application.gap(None, channels.as_deref(), addressed, &reason);
                for id in handlers {
                    self.application.gap(Some(id), channels.as_deref(), addressed, &reason);
                }
            }
            Action::Error(failure) => self.application.error(&failure, &JsValue::UNDEFINED),
            action => {
                let Some(tabs) = &self.tabs else { return };
                match action {
                    Action::Enter { tab, user } => {
                        let device = self.core.borrow().identity().device_id.clone();
                        tabs.enter(&device, &tab, user.as_deref());
                    }
                    Action::Steal => tabs.steal(),
                    Action::Watch { tab } => tabs.watch(&tab),
                    Action::Post { message, with_frame } => tabs.post(&message.into_text(), with_frame),
                    _ => tabs.exit(),
                }
            }
        }
    }

    /// Sets the timer to the core's deadline.
    fn schedule(self: &Rc<Self>) {
        let (is_dirty, deadline, state) = {
            let mut core = self.core.borrow_mut();
            self.forget_old(&mut core);
            (core.is_dirty(), core.deadline(), core.state())
        };
        if self.armed.replace(deadline) != deadline {
            self.browser.arm(deadline.map_or(f64::INFINITY, |at| at as f64));
        }
        if is_dirty && !self.flushing.replace(true) {
            self.browser.flush();
        }
        let busy = is_dirty || self.unanswered.get() > 0 || !matches!(state, State::Idle | State::Closed);
        if busy != self.alive.borrow().is_some() {
            self.browser.listen(busy);
            let alive = self.alive.replace(busy.then(|| Rc::clone(self)));
            drop(alive);
        }
    }
}

impl<A> Drop for Driver<A> {
    fn drop(&mut self) {
        self.browser.end();
        if let Some(tabs) = &self.tabs {
            tabs.exit();
        }
    }
}
