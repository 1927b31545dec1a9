//! The client for Rust front ends: typed handlers, and handles that end what they stand for when they are dropped.

use std::{
    cell::RefCell,
    fmt,
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
};

use serde::{Deserialize, de::DeserializeOwned};
use tidings_protocol::{ChannelError, DeviceId, IdError, Pattern};
use wasm_bindgen::prelude::*;

use crate::{
    backoff::Backoff,
    browser::{agreed_device_id, device_id, random_id, share},
    driver::{Application, Driver, Means},
    session::{Config, HandlerId, Identity, State, Status, Trouble},
};

/// What the application published, as it arrived.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Event<T> {
    /// Where it was published: a channel, or a pattern such as `chat:*`. A label when `to` is there.
    pub channel: String,
    /// What kind of change it tells of.
    #[serde(rename = "type")]
    pub event_type: String,
    /// `user` or `device`, when it was addressed to one instead of to its channel's subscribers.
    pub to: Option<String>,
    /// What caused it.
    #[serde(default)]
    pub source: Source,
    /// Where it stands in the log: opaque, fit for [`Channel::since`].
    pub cursor: String,
    /// When the server accepted it: RFC 3339, UTC, milliseconds.
    pub timestamp: String,
    /// What the application sent.
    pub payload: T,
}

/// What caused an event, as its publisher told it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Source {
    /// The user who caused it.
    pub user_id: Option<String>,
    /// The device it came from.
    pub device_id: Option<String>,
    /// The tab it came from.
    pub session_id: Option<String>,
}

/// Events may have been missed: refetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap<'a> {
    /// On which channels; `None` on all, those addressed to the user included.
    pub channels: Option<&'a [Pattern]>,
    /// Whether among the events addressed to this user or device as well; always so when `channels` is `None`.
    pub addressed: bool,
    /// Why: `malformed`, `epoch`, `trimmed`, `diverged`; `refused`, where a channel was refused and is heard now; or a word of a newer
    /// server.
    pub reason: &'a str,
}

/// Why a subscription will hear nothing: the server's code (`forbidden`, `tooManyChannels`, …), or `stopped` after
/// [`Client::reset`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// For programs.
    pub code: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the subscription was refused: {}", self.code)
    }
}

impl std::error::Error for Refused {}

/// Options of a [`Client`].
#[must_use = "it does nothing before `build`"]
pub struct Builder {
    config: Config,
    device_id: Option<String>,
    means: Means,
    listeners: Listeners,
}

type OnEvent = Rc<dyn Fn(&JsValue)>;
type OnGap = Rc<dyn Fn(Gap<'_>)>;
type OnSettled = Box<dyn FnOnce(Option<&str>)>;
type OnState = Box<dyn Fn(&Status)>;
/// The application's callback for troubles; handlers of events tell it theirs.
type OnTrouble = Rc<dyn Fn(&Trouble)>;

/// The callbacks of one client.
#[derive(Default)]
struct Listeners {
    /// In the order of their ids.
    handlers: RefCell<Vec<Handler>>,
    /// Those who have not been told how they stand. They outlive their handlers: leaving is an answer, too.
    unsettled: RefCell<Vec<(HandlerId, OnSettled)>>,
    on_state: Option<OnState>,
    on_gap: Option<OnGap>,
    on_error: Option<OnTrouble>,
}

struct Handler {
    id: HandlerId,
    event: OnEvent,
    gap: Option<OnGap>,
}

impl Listeners {
    fn add(&self, handler: Handler, settled: OnSettled) {
        self.unsettled.borrow_mut().push((handler.id, settled));
        self.handlers.borrow_mut().push(handler);
    }

    fn remove(&self, id: HandlerId) {
        let gone = {
            let mut handlers = self.handlers.borrow_mut();
            handlers.binary_search_by_key(&id, |handler| handler.id).ok().map(|index| handlers.remove(index))
        };
        // Whatever it captured may have a destructor that calls us.
        drop(gone);
    }

    fn find<T>(&self, id: HandlerId, take: impl FnOnce(&Handler) -> T) -> Option<T> {
        let handlers = self.handlers.borrow();
        let index = handlers.binary_search_by_key(&id, |handler| handler.id).ok()?;
        handlers.get(index).map(take)
    }
}

// No borrow is held while a callback runs.
impl Application for Listeners {
    fn event(&self, handler: HandlerId, record: &JsValue) {
        if let Some(event) = self.find(handler, |handler| Rc::clone(&handler.event)) {
            event(record);
        }
    }

    fn settled(&self, handler: HandlerId, refusal: Option<&str>, _cursor: &str) {
        let settled = {
            let mut unsettled = self.unsettled.borrow_mut();
            let index = unsettled.iter().position(|(id, _)| *id == handler);
            index.map(|index| unsettled.remove(index).1)
        };
        if let Some(settled) = settled {
            settled(refusal);
        }
    }

    fn gap(&self, handler: Option<HandlerId>, channels: Option<&[Pattern]>, addressed: bool, reason: &str) {
        let gap = match handler {
            None => self.on_gap.clone(),
            Some(id) => self.find(id, |handler| handler.gap.clone()).flatten(),
        };
        if let Some(gap) = gap {
            gap(Gap { channels, addressed, reason });
        }
    }

    fn state(&self, status: &Status) {
        if let Some(on_state) = &self.on_state {
            on_state(status);
        }
    }

    fn error(&self, trouble: &Trouble, thrown: &JsValue) {
        match &self.on_error {
            Some(on_error) => on_error(trouble),
            None if !thrown.is_undefined() => console_error(thrown),
            None => {}
        }
    }

    fn clear(&self) {
        let gone = self.handlers.take();
        drop(gone);
    }

    fn broken(&self, cause: &JsValue) {
        let trouble = Trouble { code: "internal".into(), detail: cause.as_string(), ..Trouble::default() };
        self.error(&trouble, cause);
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn console_error(what: &JsValue);
}

impl Builder {
    /// How failed connections are tried again; `None`: not at all. Defaults to [`Backoff::default`].
    pub fn reconnect(mut self, backoff: impl Into<Option<Backoff>>) -> Self {
        self.config.reconnect = backoff.into();
        self
    }

    /// Close the connection so many milliseconds after the last handler left. Defaults to never.
    pub fn idle_ms(mut self, ms: u64) -> Self {
        self.config.idle_ms = Some(ms);
        self
    }

    /// One stream for all tabs of the browser that have the same URL, credentials mode, device and user, where the browser
    /// can lock and post (secure pages only). Defaults to `false`: one for each tab.
    pub fn share_connection(mut self, share: bool) -> Self {
        self.config.share = share;
        self
    }

    /// Report to the server how long events took to reach this tab's handlers, for this share of all streams, from 0 to 1; the
    /// server must take it in (`Routes::latency`). Defaults to none.
    pub fn report_latency(mut self, sample: f64) -> Self {
        self.config.latency = share(sample);
        self
    }

    /// Begin from this cursor, which the server took (`hub.cursor()`) before it rendered the page. Defaults to now.
    pub fn since(mut self, cursor: impl Into<String>) -> Self {
        self.config.since = Some(cursor.into());
        self
    }

    /// A device id of your own. Defaults to a random one, kept in `localStorage`.
    ///
    /// # Errors
    ///
    /// [`IdError`] when it is not 1 to 128 visible ASCII characters.
    pub fn device_id(mut self, id: impl AsRef<str>) -> Result<Self, IdError> {
        self.device_id = Some(DeviceId::new(id)?.as_str().to_owned());
        Ok(self)
    }

    /// Send cookies to another origin as well. Defaults to the page's own origin only.
    pub fn with_credentials(mut self) -> Self {
        self.means.with_credentials = true;
        self
    }

    /// Read streams by `fetch`, or by `EventSource`. Defaults to `fetch` where a browser can.
    pub fn by_fetch(mut self, by_fetch: bool) -> Self {
        self.means.transport = if by_fetch { "fetch" } else { "eventsource" }.into();
        self
    }

    /// Whose streams and calls are, for those who are not known by cookies: a function that gives a token or a promise of
    /// one, or `undefined` for nobody in particular. It is called before each stream, and before its credentials expire.
    pub fn token(mut self, token: impl Fn() -> JsValue + 'static) -> Self {
        self.means.token = Closure::<dyn Fn() -> JsValue>::new(token).into_js_value();
        self
    }

    /// Called after every change of the connection's state.
    pub fn on_state(mut self, callback: impl Fn(&Status) + 'static) -> Self {
        self.listeners.on_state = Some(Box::new(callback));
        self
    }

    /// Called when events may have been missed.
    pub fn on_gap(mut self, callback: impl Fn(Gap<'_>) + 'static) -> Self {
        self.listeners.on_gap = Some(Rc::new(callback));
        self
    }

    /// Called with every trouble, also those that are tried again. An event whose payload is not what its handler takes is
    /// one, with the code `malformedPayload`.
    pub fn on_error(mut self, callback: impl Fn(&Trouble) + 'static) -> Self {
        self.listeners.on_error = Some(Rc::new(callback));
        self
    }

    /// The client. Nothing is connected before its first handler, or [`Client::connect`].
    #[must_use]
    pub fn build(self) -> Client {
        let Self { config, device_id: given, mut means, listeners } = self;
        if given.is_none() {
            means.agreed = agreed_device_id();
        }
        let identity = Identity { device_id: given.unwrap_or_else(device_id), session_id: random_id() };
        Client(Rc::new(Shared { driver: Driver::new(config, identity, means, listeners) }))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}

/// One connection to a Tidings server, shared by its clones. It ends when the last clone and the last
/// [`Subscription`] are gone.
#[derive(Clone)]
pub struct Client(Rc<Shared>);

struct Shared {
    driver: Rc<Driver<Listeners>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.driver.disconnect();
    }
}

impl Client {
    /// A client of the server whose router is mounted at this URL, absolute or relative to the page.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder { config: Config::new(url), device_id: None, means: Means::default(), listeners: Listeners::default() }
    }

    /// Hears the events of a channel, or of all that a pattern matches.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] when the text is neither a channel nor a pattern.
    pub fn subscribe_as<T: DeserializeOwned + 'static>(
        &self,
        channel: impl AsRef<str>,
        handler: impl Fn(Event<T>) + 'static,
    ) -> Result<Subscription, ChannelError> {
        Ok(self.channel(channel)?.subscribe_as(handler))
    }

    /// A channel or pattern to subscribe to with options.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] when the text is neither a channel nor a pattern.
    pub fn channel(&self, channel: impl AsRef<str>) -> Result<Channel<'_>, ChannelError> {
        let pattern = channel.as_ref().parse()?;
        Ok(Channel { client: self, pattern, since: None, on_gap: None })
    }

    /// Hears the events addressed to this user or device, by their label or a pattern of labels. They come by themselves:
    /// there is nothing to subscribe to.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] when the text is neither a label nor a pattern.
    pub fn on_as<T: DeserializeOwned + 'static>(
        &self,
        label: impl AsRef<str>,
        handler: impl Fn(Event<T>) + 'static,
    ) -> Result<Subscription, ChannelError> {
        let label = label.as_ref().parse()?;
        let (ready, settled) = Ready::new();
        let id = self.0.driver.on(label);
        self.0.driver.application.add(Handler { id, event: self.decode(handler), gap: None }, settled);
        Ok(Subscription { client: self.clone(), id, ready })
    }

    /// Connects at once, from any state, and resets the attempts. Channels that were refused are asked for again.
    pub fn connect(&self) {
        self.0.driver.connect();
    }

    /// Ends the connection and keeps the subscriptions; only [`Self::connect`] begins another.
    pub fn disconnect(&self) {
        self.0.driver.disconnect();
    }

    /// For logout: forgets user, session id, cursor and subscriptions. The device id stays.
    pub fn reset(&self) {
        self.0.driver.reset();
    }

    /// Where the connection stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.driver.state()
    }

    /// Who the server says the user is; `None` before the first connection, and for anonymous users.
    #[must_use]
    pub fn user_id(&self) -> Option<String> {
        self.0.driver.identity(|_, user_id| user_id.map(str::to_owned))
    }

    /// The headers by which any request says from which device and tab it comes, for any HTTP client.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, String); 2] {
        self.0.driver.identity(|identity, _| {
            [("X-Device-Id", identity.device_id.clone()), ("X-Session-Id", identity.session_id.clone())]
        })
    }

    fn decode<T: DeserializeOwned>(&self, handler: impl Fn(Event<T>) + 'static) -> OnEvent {
        let on_error = self.0.driver.application.on_error.clone();
        Rc::new(move |event| match serde_wasm_bindgen::from_value(event.clone()) {
            Ok(event) => handler(event),
            Err(error) => {
                if let Some(on_error) = &on_error {
                    let detail = Some(error.to_string());
                    on_error(&Trouble { code: "malformedPayload".into(), detail, ..Trouble::default() });
                }
            }
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// A channel or pattern, and how to subscribe to it.
#[must_use = "it does nothing before `subscribe_as`"]
pub struct Channel<'a> {
    client: &'a Client,
    pattern: Pattern,
    since: Option<String>,
    on_gap: Option<OnGap>,
}

impl Channel<'_> {
    /// First hear what the channel carried after this cursor. Take it from the server (`hub.cursor()`) **before** loading
    /// the data that the events change, or from an event's `cursor`. Defaults to now.
    pub fn since(mut self, cursor: impl Into<String>) -> Self {
        self.since = Some(cursor.into());
        self
    }

    /// Called when events of this channel may have been missed.
    pub fn on_gap(mut self, callback: impl Fn(Gap<'_>) + 'static) -> Self {
        self.on_gap = Some(Rc::new(callback));
        self
    }

    /// Hears its events.
    pub fn subscribe_as<T: DeserializeOwned + 'static>(self, handler: impl Fn(Event<T>) + 'static) -> Subscription {
        let Self { client, pattern, since, on_gap } = self;
        let (ready, settled) = Ready::new();
        let event = client.decode(handler);
        let id = client.0.driver.subscribe(pattern, since.as_deref());
        client.0.driver.application.add(Handler { id, event, gap: on_gap }, settled);
        Subscription { client: client.clone(), id, ready }
    }
}

impl fmt::Debug for Channel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&self.pattern).finish()
    }
}

/// A handler that hears, for as long as this lives.
#[must_use = "dropping it ends the subscription; keep it, or `forget` it"]
pub struct Subscription {
    client: Client,
    id: HandlerId,
    ready: Rc<Ready>,
}

impl Subscription {
    /// Waits until the handler hears everything: for a channel, until the server has confirmed it in the stream; for
    /// addressed events, until the connection is open.
    ///
    /// # Errors
    ///
    /// [`Refused`] when it never will.
    pub async fn ready(&self) -> Result<(), Refused> {
        poll_fn(|context| {
            let mut ready = self.ready.0.borrow_mut();
            match &ready.outcome {
                Some(outcome) => Poll::Ready(outcome.clone()),
                None => {
                    ready.waiting.push(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Hears for as long as the page lives.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let driver = &self.client.0.driver;
        driver.unsubscribe(self.id);
        driver.application.remove(self.id);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subscription").field(&self.id.0).finish()
    }
}

/// How a subscription stands, and who waits to know.
#[derive(Default)]
struct Ready(RefCell<Standing>);

#[derive(Default)]
struct Standing {
    outcome: Option<Result<(), Refused>>,
    waiting: Vec<Waker>,
}

impl Ready {
    fn new() -> (Rc<Self>, OnSettled) {
        let ready = Rc::new(Self::default());
        let settled = Rc::clone(&ready);
        let settled: OnSettled = Box::new(move |refusal| {
            let waiting = {
                let mut standing = settled.0.borrow_mut();
                standing.outcome = Some(refusal.map_or(Ok(()), |code| Err(Refused { code: code.to_owned() })));
                std::mem::take(&mut standing.waiting)
            };
            waiting.into_iter().for_each(Waker::wake);
        });
        (ready, settled)
    }
}
