//! Between the session and the browser: hands in what happens, carries out what comes of it, and calls the application.
//!
//! Two rules keep callbacks harmless. No borrow is held while one runs, so that it may call anything; and what it causes
//! is carried out after it has returned and after all that was decided before it, so that the order of actions is the
//! session's, whoever calls whom.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};

use tidings_protocol::Pattern;
use wasm_bindgen::prelude::*;

use crate::{
    browser::{
        Function, Map,
        callback::{Callback, Occasion},
        console_error,
        event_source::Stream,
        frames::{self, Record},
        get, now, request, storage,
        timers::{Timer, queue_microtask},
        whole,
        world::{Happening, World},
    },
    session::{Action, Answer, Config, Exclusion, HandlerId, Hears, Identity, Route, Session, State, Status, Trouble},
};

/// A callback of the application: it may throw.
pub(crate) type Outcome = Result<(), JsValue>;
/// Called with every event, as the browser parsed it.
pub(crate) type OnEvent = Rc<dyn Fn(&JsValue) -> Outcome>;
/// Called when a subscription may have missed events: on which channels, and why.
pub(crate) type OnGap = Rc<dyn Fn(Option<&[Pattern]>, &str) -> Outcome>;
/// Called once, when a handler hears everything, or with the code why it never will.
pub(crate) type OnSettled = Box<dyn FnOnce(Option<&str>) -> Outcome>;

/// Called after every change of the connection's state.
pub(crate) type OnState = Box<dyn Fn(&Status) -> Outcome>;
/// Called with every trouble, and with what a callback threw where that is the trouble.
pub(crate) type OnError = Box<dyn Fn(&Trouble, Option<&JsValue>) -> Outcome>;

/// The application's callbacks for the connection as a whole.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) state: Option<OnState>,
    pub(crate) gap: Option<OnGap>,
    pub(crate) error: Option<OnError>,
}

struct Handler {
    id: HandlerId,
    event: OnEvent,
    gap: Option<OnGap>,
}

/// One client in a browser.
pub(crate) struct Driver {
    session: RefCell<Session>,
    /// In the order of their ids.
    handlers: RefCell<Vec<Handler>>,
    /// Those who have not been told how they stand. They outlive their handlers: leaving is an answer, too.
    unsettled: RefCell<Vec<(HandlerId, OnSettled)>>,
    hooks: Hooks,
    with_credentials: bool,

    stream: RefCell<Option<Stream>>,
    timer: Timer,
    world: RefCell<Option<World>>,
    routes: Memory,
    /// The list of those who hear a record, kept between records.
    hearers: Cell<Vec<HandlerId>>,
    /// Somebody further up the stack is carrying out actions.
    acting: Cell<bool>,
    flushing: Cell<bool>,
    /// How many requests have no answer. Their promises will call, also when the client has ended meanwhile.
    unanswered: Cell<u32>,
    /// The driver itself, for as long as something is under way: an application need not hold on to its client to hear
    /// from it, and the garbage collector must not end it.
    alive: RefCell<Option<Rc<Self>>>,
    /// What the browser calls; it holds the driver weakly.
    callback: Callback,
    tick: Function,
    flush: Function,
}

/// The routes found so far, under the channel's own string: looking one up copies nothing out of JavaScript.
struct Memory {
    generation: Cell<u32>,
    channels: Map,
    labels: Map,
}

/// Who the client is, where that is not left to the browser.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) device_id: Option<String>,
    pub(crate) session_id: Option<String>,
}

impl Driver {
    pub(crate) fn new(config: Config, names: Names, with_credentials: bool, hooks: Hooks) -> Rc<Self> {
        let identity = Identity {
            device_id: names.device_id.unwrap_or_else(storage::device_id),
            session_id: names.session_id.unwrap_or_else(storage::random_id),
        };
        let session = Session::new(config, identity, storage::random_seed());
        Rc::new_cyclic(|weak: &Weak<Self>| {
            let driver = weak.clone();
            let callback = Callback::new(move |occasion, number, subject, value| {
                if let Some(driver) = driver.upgrade() {
                    driver.called(occasion, number, &subject, &value);
                }
            });
            let (tick, flush) = (callback.on(Occasion::Tick), callback.on(Occasion::Flush));
            Self {
                session: RefCell::new(session),
                handlers: RefCell::default(),
                unsettled: RefCell::default(),
                hooks,
                with_credentials,
                stream: RefCell::default(),
                timer: Timer::default(),
                world: RefCell::default(),
                routes: Memory { generation: Cell::new(0), channels: Map::new(), labels: Map::new() },
                hearers: Cell::default(),
                acting: Cell::new(false),
                flushing: Cell::new(false),
                unanswered: Cell::new(0),
                alive: RefCell::default(),
                callback,
                tick,
                flush,
            }
        })
    }

    // ---- the application's calls ----

    pub(crate) fn subscribe(
        self: &Rc<Self>,
        pattern: Pattern,
        since: Option<&str>,
        event: OnEvent,
        settled: Option<OnSettled>,
        gap: Option<OnGap>,
    ) -> HandlerId {
        let id = self.session.borrow_mut().subscribe(pattern, since);
        self.add(Handler { id, event, gap }, settled)
    }

    pub(crate) fn on(self: &Rc<Self>, label: Pattern, event: OnEvent, settled: Option<OnSettled>) -> HandlerId {
        let id = self.session.borrow_mut().on(label);
        self.add(Handler { id, event, gap: None }, settled)
    }

    fn add(self: &Rc<Self>, handler: Handler, settled: Option<OnSettled>) -> HandlerId {
        let id = handler.id;
        self.handlers.borrow_mut().push(handler);
        if let Some(settled) = settled {
            self.unsettled.borrow_mut().push((id, settled));
        }
        self.schedule();
        id
    }

    pub(crate) fn unsubscribe(self: &Rc<Self>, id: HandlerId) {
        self.session.borrow_mut().unsubscribe(now(), id);
        let gone = {
            let mut handlers = self.handlers.borrow_mut();
            handlers.binary_search_by_key(&id, |handler| handler.id).ok().map(|index| handlers.remove(index))
        };
        // Whatever it captured may have a destructor that calls us.
        drop(gone);
        self.schedule();
    }

    pub(crate) fn connect(self: &Rc<Self>) {
        self.session.borrow_mut().connect();
        self.act();
    }

    pub(crate) fn disconnect(self: &Rc<Self>) {
        self.session.borrow_mut().disconnect();
        self.act();
    }

    pub(crate) fn reset(self: &Rc<Self>) {
        self.session.borrow_mut().reset(storage::random_id());
        let gone = std::mem::take(&mut *self.handlers.borrow_mut());
        drop(gone);
        self.act();
    }

    pub(crate) fn state(&self) -> State {
        self.session.borrow().state()
    }

    pub(crate) fn identity(&self) -> Identity {
        self.session.borrow().identity().clone()
    }

    pub(crate) fn user_id(&self) -> Option<String> {
        self.session.borrow().user_id().map(str::to_owned)
    }

    // ---- what the browser calls ----

    fn called(self: &Rc<Self>, occasion: Occasion, number: u32, subject: &JsValue, value: &JsValue) {
        match occasion {
            Occasion::Record => return self.recorded("message", value),
            Occasion::Control => return self.controlled(value),
            Occasion::Tick => {
                self.timer.fired();
                self.session.borrow_mut().wake(now());
            }
            Occasion::Flush => {
                self.flushing.set(false);
                self.session.borrow_mut().flush(now());
            }
            Occasion::World => {
                let mut session = self.session.borrow_mut();
                match Happening::of(value) {
                    Happening::Online => session.online(now()),
                    Happening::Shown => session.visible(now()),
                    Happening::Hidden => {}
                    Happening::Suspended => session.suspend(),
                    Happening::Resumed => session.resume(now()),
                }
            }
            Occasion::Head => return request::read(number, value, &self.callback),
            Occasion::Body => self.answered(number, &request::finish(subject, value)),
            Occasion::Failed => self.answered(number, &Answer::default()),
        }
        self.act();
    }

    fn answered(&self, number: u32, answer: &Answer) {
        self.unanswered.set(self.unanswered.get().saturating_sub(1));
        self.session.borrow_mut().answer(now(), number, answer);
    }

    fn controlled(self: &Rc<Self>, message: &JsValue) {
        let name = get(message, "type").as_string().unwrap_or_default();
        match &*name {
            "error" => self.session.borrow_mut().failed(now()),
            "backfill" => return self.recorded(&name, message),
            _ => match frames::control(&name, message) {
                Some(frame) => self.session.borrow_mut().frame(now(), frame),
                None => self.garbled(&name),
            },
        }
        self.act();
    }

    /// A record, live or of the past, for those who hear it.
    fn recorded(self: &Rc<Self>, name: &str, message: &JsValue) {
        match Record::of(message) {
            Some(record) if name == "message" => self.record(&record, None),
            Some(record) => self.record(&record, Some(&get(&record, "requestId").as_string().unwrap_or_default())),
            None => self.garbled(name),
        }
    }

    /// A record, or with a request id one of the past.
    fn record(self: &Rc<Self>, record: &Record, request_id: Option<&str>) {
        let mut hearers = self.hearers.take();
        {
            let mut session = self.session.borrow_mut();
            let route = self.routes.find(&mut session, record);
            let position = record.cursor();
            let except = record.except();
            let names = ["userId", "sessionId", "deviceId"].map(|name| get(&except, name).as_string());
            let except = names[0].as_deref().map(|user_id| Exclusion {
                user_id,
                session_id: names[1].as_deref(),
                device_id: names[2].as_deref(),
            });
            match request_id {
                None => session.record(now(), route, position, except.as_ref(), &mut hearers),
                Some(id) => session.backfill(now(), id, route, position, except.as_ref(), &mut hearers),
            }
        }
        // What the record itself caused comes first: a gap before what follows it.
        self.act();
        for id in &hearers {
            let event = {
                let handlers = self.handlers.borrow();
                // One that an earlier callback has just removed hears no more.
                let Ok(index) = handlers.binary_search_by_key(id, |handler| handler.id) else { continue };
                Rc::clone(&handlers[index].event)
            };
            self.guard(event(record));
        }
        hearers.clear();
        self.hearers.set(hearers);
    }

    /// A frame that is not what its name promises. It shows at least that the stream lives.
    fn garbled(self: &Rc<Self>, name: &str) {
        self.session.borrow_mut().frame(now(), crate::session::Frame::Other);
        self.trouble(
            &Trouble { code: "malformedFrame".into(), detail: Some(name.to_owned()), ..Trouble::default() },
            None,
        );
    }

    // ---- carrying out ----

    /// Carries out all that the session has decided.
    fn act(self: &Rc<Self>) {
        if self.acting.replace(true) {
            return;
        }
        loop {
            let action = self.session.borrow_mut().next_action();
            let Some(action) = action else { break };
            self.carry_out(action);
        }
        self.acting.set(false);
        self.schedule();
    }

    fn carry_out(self: &Rc<Self>, action: Action) {
        match action {
            Action::Open { url } => self.open(&url),
            Action::Close => drop(self.stream.take()),
            Action::Send(request) => {
                self.unanswered.set(self.unanswered.get() + 1);
                request::send(&request, self.with_credentials, &self.callback);
            }
            Action::State(status) => {
                if let Some(state) = &self.hooks.state {
                    self.guard(state(&status));
                }
            }
            Action::Settled { handler, refusal } => {
                let settled = {
                    let mut unsettled = self.unsettled.borrow_mut();
                    let index = unsettled.iter().position(|(id, _)| *id == handler);
                    index.map(|index| unsettled.remove(index).1)
                };
                if let Some(settled) = settled {
                    self.guard(settled(refusal.as_deref()));
                }
            }
            Action::Gap { channels, reason, handlers } => {
                if let Some(gap) = &self.hooks.gap {
                    self.guard(gap(channels.as_deref(), &reason));
                }
                for id in handlers {
                    let gap = {
                        let handlers = self.handlers.borrow();
                        let index = handlers.binary_search_by_key(&id, |handler| handler.id).ok();
                        index.and_then(|index| handlers[index].gap.clone())
                    };
                    if let Some(gap) = gap {
                        self.guard(gap(channels.as_deref(), &reason));
                    }
                }
            }
            Action::Error(trouble) => self.trouble(&trouble, None),
        }
    }

    fn open(self: &Rc<Self>, url: &str) {
        let (record, control) = (self.callback.on(Occasion::Record), self.callback.on(Occasion::Control));
        match Stream::open(url, self.with_credentials, record, control) {
            Ok(stream) => drop(self.stream.replace(Some(stream))),
            // There is no EventSource, or it does not take the URL. Neither gets better by itself.
            Err(error) => {
                let detail = get(&error, "message").as_string();
                self.session.borrow_mut().disconnect();
                self.trouble(&Trouble { code: "unsupported".into(), detail, ..Trouble::default() }, Some(&error));
            }
        }
    }

    /// A callback of the application's has returned, or thrown.
    fn guard(self: &Rc<Self>, outcome: Outcome) {
        if let Err(thrown) = outcome {
            self.trouble(&Trouble { code: "handlerError".into(), ..Trouble::default() }, Some(&thrown));
        }
    }

    fn trouble(self: &Rc<Self>, trouble: &Trouble, thrown: Option<&JsValue>) {
        match (&self.hooks.error, thrown) {
            (Some(error), _) => {
                if let Err(thrown) = error(trouble, thrown) {
                    console_error(&thrown);
                }
            }
            (None, Some(thrown)) => console_error(thrown),
            (None, None) => {}
        }
    }

    /// Sees to it that the session is called again when it wants to be.
    fn schedule(self: &Rc<Self>) {
        let (is_dirty, deadline, state) = {
            let session = self.session.borrow();
            (session.is_dirty(), session.deadline(), session.state())
        };
        self.timer.arm(deadline, now(), &self.tick);
        if is_dirty && !self.flushing.replace(true) {
            queue_microtask(&self.flush);
        }
        let busy = is_dirty || self.unanswered.get() > 0 || !matches!(state, State::Idle | State::Closed);
        if busy && self.alive.borrow().is_none() {
            self.alive.replace(Some(Rc::clone(self)));
            self.world.borrow_mut().get_or_insert_with(|| World::listen(self.callback.on(Occasion::World)));
        } else if !busy {
            drop(self.alive.take());
            drop(self.world.take());
        }
    }
}

impl Memory {
    fn find(&self, session: &mut Session, record: &Record) -> Route {
        let routes = session.routes();
        if self.generation.replace(routes.generation()) != routes.generation() {
            self.channels.clear();
            self.labels.clear();
        }
        let (known, hears) = if record.to().is_undefined() {
            (&self.channels, Hears::Channels)
        } else {
            (&self.labels, Hears::Addressed)
        };
        let channel = record.channel();
        if let Some(index) = known.find(&channel).as_f64() {
            return Route(u32::try_from(whole(index)).unwrap_or(u32::MAX));
        }
        let route = routes.find(&channel.as_string().unwrap_or_default(), hears);
        known.insert(&channel, route.0);
        route
    }
}
