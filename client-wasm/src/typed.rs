//! The client for Rust front ends: typed handlers, and handles that end their subscription or client when they are
//! dropped.

use std::{cell::RefCell, fmt, future::Future, rc::Rc};

use serde::{Deserialize, de::DeserializeOwned};
use tidings_protocol::{ChannelError, DeviceId, IdError, Pattern};
use wasm_bindgen::prelude::*;

mod channel;
mod events;
mod listeners;
mod presence;
mod subscription;

pub use channel::Channel;
pub use events::Events;
pub use presence::{Member, Presence};
pub use subscription::Subscription;

use listeners::{Handler, Listeners, OnEvent};
use presence::PresenceFrame;
use subscription::Ready;

use crate::{
    backoff::Backoff,
    browser::{agreed_device_id, device_id, random_id, share},
    client::{Config, Failure, Identity, State, Status},
    driver::{Driver, Environment},
};

/// An event that the application published, as it arrived.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Event<T> {
    /// The channel to which it was published, or a pattern such as `chat:*`. A label when `to` is present.
    pub channel: String,
    /// The kind of change that the event reports.
    #[serde(rename = "type")]
    pub event_type: String,
    /// `user` or `device`, when the event was addressed to one of them instead of its channel's subscribers.
    pub to: Option<String>,
    /// The user, device and tab that caused the event.
    #[serde(default)]
    pub source: Source,
    /// The event's position in the log: opaque, and valid for [`Channel::since`].
    pub cursor: String,
    /// When the server accepted the event: RFC 3339, UTC, milliseconds.
    pub timestamp: String,
    /// The data that the application sent.
    pub payload: T,
}

/// The user, device and tab that caused an event, as its publisher named them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Source {
    /// The user who caused the event.
    pub user_id: Option<String>,
    /// The device from which the event came.
    pub device_id: Option<String>,
    /// The tab from which the event came.
    pub session_id: Option<String>,
}

/// Reports that events may have been missed: refetch the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap<'a> {
    /// The channels on which events may be missing; `None` means all, with the events addressed to the user.
    pub channels: Option<&'a [Pattern]>,
    /// Whether events addressed to this user or device may be missing as well; always true when `channels` is `None`.
    pub addressed: bool,
    /// The reason: `malformed`, `epoch`, `trimmed`, `diverged`; `refused`, if a channel was refused and is now granted;
    /// or a word of a newer server.
    pub reason: &'a str,
}

/// Why a subscription will receive nothing: the server's code (`forbidden`, `tooManyChannels`, …), or `stopped` after
/// [`Client::reset`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The code, for programs.
    pub code: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the subscription was refused: {}", self.code)
    }
}

impl std::error::Error for Refused {}

/// The options of a [`Client`].
#[must_use = "it does nothing before `build`"]
pub struct Builder {
    config: Config,
    device_id: Option<String>,
    environment: Environment,
    listeners: Listeners,
}

impl Builder {
    /// How failed connections are retried; `None` disables retries. Defaults to [`Backoff::default`].
    pub fn reconnect(mut self, backoff: impl Into<Option<Backoff>>) -> Self {
        self.config.reconnect = backoff.into();
        self
    }

    /// Closes the connection this many milliseconds after the last handler left. Defaults to never.
    pub fn idle_ms(mut self, ms: u64) -> Self {
        self.config.idle_ms = Some(ms);
        self
    }

    /// Shares one stream between all tabs of the browser that have the same URL, credentials mode, device and user,
    /// where the browser has Web Locks and BroadcastChannel (secure pages only). Defaults to `false`: each tab opens
    /// its own stream.
    pub fn share_connection(mut self, share: bool) -> Self {
        self.config.share = share;
        self
    }

    /// Reports to the server how long events took to reach this tab's handlers, for this share of all streams, from 0
    /// to 1; the server must accept the reports (`Routes::latency`). Defaults to none.
    pub fn report_latency(mut self, sample: f64) -> Self {
        self.config.latency = share(sample);
        self
    }

    /// Begins at this cursor, which the server took (`hub.cursor()`) before it rendered the page. Defaults to now.
    pub fn since(mut self, cursor: impl Into<String>) -> Self {
        self.config.since = Some(cursor.into());
        self
    }

    /// Sets a device id of your own. Defaults to a random one, kept in `localStorage`.
    ///
    /// # Errors
    ///
    /// [`IdError`] when the id is not 1 to 128 visible ASCII characters.
    pub fn device_id(mut self, id: impl AsRef<str>) -> Result<Self, IdError> {
        self.device_id = Some(DeviceId::new(id)?.as_str().to_owned());
        Ok(self)
    }

    /// Sends cookies to another origin as well. Defaults to the page's own origin only.
    pub fn with_credentials(mut self) -> Self {
        self.environment.with_credentials = true;
        self
    }

    /// Reads streams with `fetch`, or with `EventSource`. Defaults to `fetch` where the browser supports it.
    pub fn by_fetch(mut self, by_fetch: bool) -> Self {
        self.environment.transport = if by_fetch { "fetch" } else { "eventsource" }.into();
        self
    }

    /// For users whom the server does not know by cookies: returns the token that identifies the user, or `None` for an
    /// anonymous one. The client calls it before each stream, once more when the server refuses the token, and before
    /// its credentials expire. An error is reported as `tokenFailed`, and the client asks for the token again.
    pub fn token<F, E>(mut self, token: impl Fn() -> F + 'static) -> Self
    where
        F: Future<Output = Result<Option<String>, E>> + 'static,
        E: fmt::Display,
    {
        let promise = move || {
            let given = token();
            let settled = async move {
                match given.await {
                    Ok(token) => Ok(token.map_or(JsValue::UNDEFINED, JsValue::from)),
                    Err(error) => Err(js_sys::Error::new(&error.to_string()).into()),
                }
            };
            wasm_bindgen_futures::future_to_promise(settled).into()
        };
        self.environment.token = Closure::<dyn Fn() -> JsValue>::new(promise).into_js_value();
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

    /// Called with every failure, also with those that the client retries. An event whose payload does not fit its
    /// handler's type is a failure with the code `malformedPayload`.
    pub fn on_error(mut self, callback: impl Fn(&Failure) + 'static) -> Self {
        self.listeners.on_error = Some(Rc::new(callback));
        self
    }

    /// Makes the client. It does not connect before its first handler, or [`Client::connect`].
    #[must_use]
    pub fn build(self) -> Client {
        let Self { config, device_id: given, mut environment, listeners } = self;
        if given.is_none() {
            environment.agreed = agreed_device_id();
        }
        let identity = Identity { device_id: given.unwrap_or_else(device_id), session_id: random_id() };
        Client(Rc::new(Shared { driver: Driver::new(config, identity, environment, listeners) }))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}

/// One connection to a Tidings server, shared by its clones. It ends when the last clone and the last [`Subscription`]
/// are dropped.
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
    /// A builder for a client of the server whose router is mounted at this URL, absolute or relative to the page.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder {
            config: Config::new(url),
            device_id: None,
            environment: Environment::default(),
            listeners: Listeners::default(),
        }
    }

    /// Calls the handler with the events of a channel, or of all channels that a pattern matches.
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
        Ok(Channel { client: self, pattern, since: None, on_gap: None, on_revoked: None })
    }

    /// Calls the handler with the events addressed to this user or device, by their label or a pattern of labels. They
    /// need no subscription.
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
        let event = self.decode(handler);
        self.0.driver.application.add(Handler { id, event, gap: None, revoked: None }, settled);
        Ok(Subscription::new(self.clone(), id, ready))
    }

    /// Calls the handler with the users who are online on a channel or pattern (`*`: everyone): first with all of them,
    /// then with those who come and leave. The call needs a presence grant, and a server with presence. Watching a
    /// channel does not put the user on it.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] when the text is neither a channel nor a pattern.
    pub fn presence(
        &self,
        channel: impl AsRef<str>,
        handler: impl Fn(Presence<'_>) + 'static,
    ) -> Result<Subscription, ChannelError> {
        let pattern = channel.as_ref().parse()?;
        let (ready, settled) = Ready::new();
        let roster = RefCell::new(None);
        let event = self.decode_as(move |frame: PresenceFrame| PresenceFrame::apply(frame, &roster, &handler));
        let id = self.0.driver.presence(pattern);
        self.0.driver.application.add(Handler { id, event, gap: None, revoked: None }, settled);
        Ok(Subscription::new(self.clone(), id, ready))
    }

    /// Connects at once, from any state, and resets the attempts. Refused channels are requested again.
    pub fn connect(&self) {
        self.0.driver.connect();
    }

    /// Ends the connection and keeps the subscriptions; only [`Self::connect`] starts again.
    pub fn disconnect(&self) {
        self.0.driver.disconnect();
    }

    /// For logout: forgets the user, session id, cursor and subscriptions. The device id stays.
    pub fn reset(&self) {
        self.0.driver.reset();
    }

    /// The state of the connection.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.driver.state()
    }

    /// The user id that the server reports; `None` before the first connection, and for anonymous users.
    #[must_use]
    pub fn user_id(&self) -> Option<String> {
        self.0.driver.identity(|_, user_id| user_id.map(str::to_owned))
    }

    /// The headers that name the device and tab from which a request comes, for any HTTP client.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, String); 2] {
        self.0.driver.identity(|identity, _| {
            [("X-Device-Id", identity.device_id.clone()), ("X-ClientCore-Id", identity.session_id.clone())]
        })
    }

    fn decode<T: DeserializeOwned + 'static>(&self, handler: impl Fn(Event<T>) + 'static) -> OnEvent {
        self.decode_as(handler)
    }

    fn decode_as<T: DeserializeOwned + 'static>(&self, handler: impl Fn(T) + 'static) -> OnEvent {
        let on_error = self.0.driver.application.on_error.clone();
        Rc::new(move |event| match serde_wasm_bindgen::from_value(event.clone()) {
            Ok(event) => handler(event),
            Err(error) => {
                if let Some(on_error) = &on_error {
                    let detail = Some(error.to_string());
                    on_error(&Failure { code: "malformedPayload".into(), detail, ..Failure::default() });
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
