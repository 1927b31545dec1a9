//! The whole surface towards JavaScript, in TypeScript's terms. The npm package stands on it.

use std::rc::Rc;

use js_sys::{Array, Function, Object};
use tidings_protocol::{DeviceId, Pattern, SessionId};
use wasm_bindgen::prelude::*;

use crate::{
    backoff::Backoff,
    browser::{set, whole},
    driver::{Driver, Hooks, Names, OnEvent, OnGap, OnSettled},
    session::{Config, HandlerId, Trouble},
};

/// 2.6 KB of gzip smaller than the default allocator.
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &'static str = r#"
export type State = 'idle' | 'connecting' | 'open' | 'waiting' | 'closed'

/** Read once, by the constructor. All times in milliseconds. */
export interface ClientOptions {
  url: string
  /** Absent: localStorage `tidings.deviceId`, or memory where storage is refused. */
  deviceId?: string
  /** Absent: random. */
  sessionId?: string
  /** A cursor to begin from (`lastEventId` of the very first connect). One that cannot be read is told as a gap. */
  since?: string
  /** For EventSource and for the client's own requests. */
  withCredentials?: boolean
  /** `false`: one attempt for each `connect()`. */
  reconnect?: false | { baseMs?: number; capMs?: number; maxAttempts?: number }
  /** Close the connection this long after the last handler left. */
  idleMs?: number
  /** After every change. `retryInMs` while waiting for an attempt; `connectionId` while open. */
  onState?: (state: State, attempt: number, retryInMs: number | undefined, connectionId: string | undefined) => void
  onGap?: (channels: string[] | null, reason: string) => void
  onError?: (report: ErrorReport) => void
}

export interface ErrorReport {
  code: string
  willRetry: boolean
  status?: number
  detail?: string
  /** The channel that was refused or revoked. */
  channel?: string
  /** `handlerError`: what the callback threw. `unsupported`: why no EventSource could be made. */
  cause?: unknown
}
"#;

#[wasm_bindgen]
extern "C" {
    /// `ClientOptions` as TypeScript sees it.
    #[wasm_bindgen(typescript_type = "ClientOptions")]
    pub type Options;
    #[wasm_bindgen(method, getter, structural)]
    fn url(this: &Options) -> String;
    #[wasm_bindgen(method, getter, structural, js_name = deviceId)]
    fn device_id(this: &Options) -> Option<String>;
    #[wasm_bindgen(method, getter, structural, js_name = sessionId)]
    fn session_id(this: &Options) -> Option<String>;
    #[wasm_bindgen(method, getter, structural)]
    fn since(this: &Options) -> Option<String>;
    #[wasm_bindgen(method, getter, structural, js_name = withCredentials)]
    fn with_credentials(this: &Options) -> Option<bool>;
    #[wasm_bindgen(method, getter, structural)]
    fn reconnect(this: &Options) -> JsValue;
    #[wasm_bindgen(method, getter, structural, js_name = idleMs)]
    fn idle_ms(this: &Options) -> Option<f64>;
    #[wasm_bindgen(method, getter, structural, js_name = onState)]
    fn on_state(this: &Options) -> Option<Function>;
    #[wasm_bindgen(method, getter, structural, js_name = onGap)]
    fn on_gap(this: &Options) -> Option<Function>;
    #[wasm_bindgen(method, getter, structural, js_name = onError)]
    fn on_error(this: &Options) -> Option<Function>;

    type Reconnect;
    #[wasm_bindgen(method, getter, structural, js_name = baseMs)]
    fn base_ms(this: &Reconnect) -> Option<f64>;
    #[wasm_bindgen(method, getter, structural, js_name = capMs)]
    fn cap_ms(this: &Reconnect) -> Option<f64>;
    #[wasm_bindgen(method, getter, structural, js_name = maxAttempts)]
    fn max_attempts(this: &Reconnect) -> Option<f64>;

    /// A handler of events.
    #[wasm_bindgen(extends = Function, typescript_type = "(event: any) => void")]
    pub type Handler;
    /// Called once.
    #[wasm_bindgen(extends = Function, typescript_type = "(code?: string) => void")]
    pub type Settled;
    /// Called when events may be missing.
    #[wasm_bindgen(extends = Function, typescript_type = "(channels: string[] | null, reason: string) => void")]
    pub type GapHandler;
    /// `{'X-Device-Id': …, 'X-Session-Id': …}`.
    #[wasm_bindgen(extends = Object, typescript_type = "{ 'X-Device-Id': string; 'X-Session-Id': string }")]
    pub type Headers;
}

/// One connection and its handlers.
///
/// No callback is called inside `subscribe`, `on` or `unsubscribe`. `connect`, `disconnect` and `reset` call `onState`
/// before they return, unless they were called from a callback: then after that one has returned. Connecting itself
/// begins at the end of the microtask.
///
/// A client lives on while it connects or is connected, also when JavaScript has let go of it; `free` frees its handle.
#[wasm_bindgen]
pub struct Client {
    driver: Rc<Driver>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

#[wasm_bindgen]
impl Client {
    /// Makes a client; nothing is connected yet. Throws an `Error` with a `code`: `malformedUrl` if there is none,
    /// `malformedId` for a device or session id that is not 1 to 128 visible ASCII characters.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &Options) -> Result<Client, JsValue> {
        let url = options.url();
        if url.is_empty() {
            return Err(coded_error("malformedUrl", "the option `url` is empty"));
        }
        let names = Names { device_id: options.device_id(), session_id: options.session_id() };
        let bad_device = names.device_id.as_deref().is_some_and(|id| DeviceId::new(id).is_err());
        let bad_session = names.session_id.as_deref().is_some_and(|id| SessionId::new(id).is_err());
        if bad_device || bad_session {
            return Err(coded_error("malformedId", "a device or session id is 1 to 128 visible ASCII characters"));
        }
        let config = Config {
            url,
            since: options.since(),
            reconnect: backoff(options.reconnect()),
            idle_ms: options.idle_ms().map(whole),
        };
        let hooks = Hooks {
            state: options.on_state().map(|callback| {
                let hook = move |status: &crate::session::Status| {
                    let retry_in = status.retry_in_ms.map(|ms| f64::from(u32::try_from(ms).unwrap_or(u32::MAX)));
                    let arguments = Array::of4(
                        &status.state.as_str().into(),
                        &status.attempt.into(),
                        &retry_in.into(),
                        &status.connection_id.as_deref().into(),
                    );
                    callback.apply(&JsValue::UNDEFINED, &arguments).map(drop)
                };
                Box::new(hook) as Box<_>
            }),
            gap: options.on_gap().map(on_gap),
            error: options.on_error().map(|callback| {
                let hook = move |trouble: &Trouble, thrown: Option<&JsValue>| {
                    callback.call1(&JsValue::UNDEFINED, &report(trouble, thrown)).map(drop)
                };
                Box::new(hook) as Box<_>
            }),
        };
        Ok(Self { driver: Driver::new(config, names, options.with_credentials().unwrap_or(false), hooks) })
    }

    /// Hears channel events. Returns the handler's number, for `unsubscribe`. Throws an `Error` with the `code`
    /// `malformedChannel`.
    ///
    /// `settled` is called once, later: without a code when the server has confirmed the channel in the stream, or with
    /// the code of the refusal (`forbidden`, …), or with `stopped` when it was unsubscribed or reset before. A `since`
    /// that is no cursor is told as a gap, once the channel is confirmed.
    #[expect(clippy::needless_pass_by_value, reason = "wasm-bindgen takes no `Option<&str>`")]
    pub fn subscribe(
        &self,
        pattern: &str,
        handler: Handler,
        settled: Option<Settled>,
        on_gap: Option<GapHandler>,
        since: Option<String>,
    ) -> Result<u32, JsValue> {
        let pattern = parse(pattern)?;
        let gap = on_gap.map(|callback| self::on_gap(callback.into()));
        let id = self.driver.subscribe(pattern, since.as_deref(), on_event(handler), settled.map(on_settled), gap);
        Ok(id.0)
    }

    /// Hears events addressed to this user or device, by label or pattern. `settled` is called when the connection is
    /// open. Throws as `subscribe` does.
    pub fn on(&self, label: &str, handler: Handler, settled: Option<Settled>) -> Result<u32, JsValue> {
        Ok(self.driver.on(parse(label)?, on_event(handler), settled.map(on_settled)).0)
    }

    /// Ends what `subscribe` or `on` began. Does nothing for a number that it does not know.
    pub fn unsubscribe(&self, handler: u32) {
        self.driver.unsubscribe(HandlerId(handler));
    }

    /// Connects at once, from any state, and resets the attempts. Channels that were refused are asked for again.
    pub fn connect(&self) {
        self.driver.connect();
    }

    /// Ends the connection and keeps the handlers; only `connect` begins another.
    pub fn disconnect(&self) {
        self.driver.disconnect();
    }

    /// Forgets identity (a new session id; the device id stays), cursor and handlers; the state becomes `idle`.
    pub fn reset(&self) {
        self.driver.reset();
    }

    /// Where the connection stands.
    #[wasm_bindgen(getter, unchecked_return_type = "State")]
    pub fn state(&self) -> String {
        self.driver.state().as_str().to_owned()
    }

    /// Who the server says the user is; `undefined` before the first connection, and for anonymous users.
    #[wasm_bindgen(getter = userId)]
    pub fn user_id(&self) -> Option<String> {
        self.driver.user_id()
    }

    /// The browser profile.
    #[wasm_bindgen(getter = deviceId)]
    pub fn device_id(&self) -> String {
        self.driver.identity().device_id
    }

    /// This tab.
    #[wasm_bindgen(getter = sessionId)]
    pub fn session_id(&self) -> String {
        self.driver.identity().session_id
    }

    /// The headers by which any request says from which device and tab it comes.
    pub fn headers(&self) -> Headers {
        let identity = self.driver.identity();
        let headers = Object::new();
        set(&headers, "X-Device-Id", &identity.device_id.into());
        set(&headers, "X-Session-Id", &identity.session_id.into());
        headers.unchecked_into()
    }
}

/// An `Error` with a `code`.
fn coded_error(code: &str, message: &str) -> JsValue {
    let error = js_sys::Error::new(message);
    set(&error, "code", &code.into());
    error.into()
}

fn parse(pattern: &str) -> Result<Pattern, JsValue> {
    pattern.parse().map_err(|_| {
        let message = "a channel has 1 to 8 segments of A-Z a-z 0-9 _ . @ ~ % - joined by `:`, at most 200 bytes; \
                       `*` only as the last one";
        coded_error("malformedChannel", message)
    })
}

fn backoff(given: JsValue) -> Option<Backoff> {
    if given.as_bool() == Some(false) {
        return None;
    }
    let mut backoff = Backoff::default();
    if given.is_object() {
        let given: Reconnect = given.unchecked_into();
        backoff.base_ms = given.base_ms().map_or(backoff.base_ms, whole);
        backoff.cap_ms = given.cap_ms().map_or(backoff.cap_ms, whole);
        let attempts = given.max_attempts().map(|attempts| u32::try_from(whole(attempts)).unwrap_or(u32::MAX));
        backoff.max_attempts = attempts.unwrap_or(backoff.max_attempts);
    }
    Some(backoff)
}

fn on_event(handler: Handler) -> OnEvent {
    Rc::new(move |event| handler.call1(&JsValue::UNDEFINED, event).map(drop))
}

fn on_settled(settled: Settled) -> OnSettled {
    Box::new(move |code| settled.call1(&JsValue::UNDEFINED, &code.into()).map(drop))
}

fn on_gap(callback: Function) -> OnGap {
    Rc::new(move |channels, reason| {
        let list = match channels {
            None => JsValue::NULL,
            Some(channels) => {
                channels.iter().map(|channel| JsValue::from_str(channel.as_str())).collect::<Array>().into()
            }
        };
        callback.call2(&JsValue::UNDEFINED, &list, &reason.into()).map(drop)
    })
}

fn report(trouble: &Trouble, thrown: Option<&JsValue>) -> Object {
    let report = Object::new();
    set(&report, "code", &(&*trouble.code).into());
    set(&report, "willRetry", &trouble.will_retry.into());
    if let Some(status) = trouble.status {
        set(&report, "status", &status.into());
    }
    if let Some(detail) = &trouble.detail {
        set(&report, "detail", &detail.as_str().into());
    }
    if let Some(channel) = &trouble.channel {
        set(&report, "channel", &channel.as_str().into());
    }
    if let Some(thrown) = thrown {
        set(&report, "cause", thrown);
    }
    report
}
