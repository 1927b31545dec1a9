//! The whole surface towards JavaScript, in TypeScript's terms. The npm package stands on it.

use std::rc::Rc;

use tidings_protocol::{DeviceId, Pattern};
use wasm_bindgen::prelude::*;

use crate::{
    backoff::Backoff,
    browser::{Array, get, literal, set, whole},
    driver::{Driver, Hooks, Names, OnEvent, OnGap, OnSettled},
    session::{Config, HandlerId, Status, Trouble},
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
    /// A handler of events.
    #[wasm_bindgen(typescript_type = "(event: any) => void")]
    pub type Handler;
    /// Called once.
    #[wasm_bindgen(typescript_type = "(code?: string) => void")]
    pub type Settled;
    /// Called when events may be missing.
    #[wasm_bindgen(typescript_type = "(channels: string[] | null, reason: string) => void")]
    pub type GapHandler;
    /// `{'X-Device-Id': …, 'X-Session-Id': …}`.
    #[wasm_bindgen(typescript_type = "{ 'X-Device-Id': string; 'X-Session-Id': string }")]
    pub type Headers;

    /// A callback of the application's.
    type Callback;
    #[wasm_bindgen(method, catch, variadic)]
    fn call(this: &Callback, this_argument: &JsValue, arguments: &[JsValue]) -> Result<JsValue, JsValue>;
    // For events: without an array for the arguments.
    #[wasm_bindgen(method, catch, js_name = call)]
    fn call_with(this: &Callback, this_argument: &JsValue, argument: &JsValue) -> Result<JsValue, JsValue>;

    type Error;
    #[wasm_bindgen(constructor)]
    fn new(message: &str) -> Error;
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
        let text = |name| get(options, name).as_string();
        let number = |name| get(options, name).as_f64();
        let url = text("url").filter(|url| !url.is_empty());
        let Some(url) = url else { return Err(coded_error("malformedUrl", "the option `url` is empty")) };
        let names = Names { device_id: text("deviceId"), session_id: text("sessionId") };
        let bad = |id: &Option<String>| id.as_deref().is_some_and(|id| DeviceId::new(id).is_err());
        if bad(&names.device_id) || bad(&names.session_id) {
            return Err(coded_error("malformedId", "a device or session id is 1 to 128 visible ASCII characters"));
        }
        let config = Config {
            url,
            since: text("since"),
            reconnect: backoff(&get(options, "reconnect")),
            idle_ms: number("idleMs").map(whole),
        };
        let hooks = Hooks {
            state: callback(options, "onState").map(|callback| {
                let hook = move |status: &Status| {
                    let retry_in = status.retry_in_ms.map(|ms| f64::from(u32::try_from(ms).unwrap_or(u32::MAX)));
                    let arguments = [
                        status.state.as_str().into(),
                        status.attempt.into(),
                        retry_in.into(),
                        status.connection_id.as_deref().into(),
                    ];
                    callback.call(&JsValue::UNDEFINED, &arguments).map(drop)
                };
                Box::new(hook) as Box<_>
            }),
            gap: callback(options, "onGap").map(on_gap),
            error: callback(options, "onError").map(|callback| {
                let hook = move |trouble: &Trouble, thrown: Option<&JsValue>| {
                    callback.call(&JsValue::UNDEFINED, &[report(trouble, thrown)]).map(drop)
                };
                Box::new(hook) as Box<_>
            }),
        };
        let with_credentials = get(options, "withCredentials").is_truthy();
        Ok(Self { driver: Driver::new(config, names, with_credentials, hooks) })
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
        let gap = on_gap.map(|callback| self::on_gap(callback.unchecked_into()));
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
        let headers = literal("{}");
        set(&headers, "X-Device-Id", &identity.device_id.into());
        set(&headers, "X-Session-Id", &identity.session_id.into());
        headers.unchecked_into()
    }
}

/// An `Error` with a `code`.
fn coded_error(code: &str, message: &str) -> JsValue {
    let error = Error::new(message);
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

fn callback(options: &JsValue, name: &str) -> Option<Callback> {
    Some(get(options, name)).filter(JsValue::is_function).map(JsCast::unchecked_into)
}

fn backoff(given: &JsValue) -> Option<Backoff> {
    if given.as_bool() == Some(false) {
        return None;
    }
    let Backoff { base_ms, cap_ms, max_attempts } = Backoff::default();
    let number = |name, default| get(given, name).as_f64().map_or(default, whole);
    let max_attempts = number("maxAttempts", u64::from(max_attempts));
    Some(Backoff {
        base_ms: number("baseMs", base_ms),
        cap_ms: number("capMs", cap_ms),
        max_attempts: u32::try_from(max_attempts).unwrap_or(u32::MAX),
    })
}

fn on_event(handler: Handler) -> OnEvent {
    let handler: Callback = handler.unchecked_into();
    Rc::new(move |event| handler.call_with(&JsValue::UNDEFINED, event).map(drop))
}

fn on_settled(settled: Settled) -> OnSettled {
    let settled: Callback = settled.unchecked_into();
    Box::new(move |code| {
        let code = code.map(JsValue::from_str);
        settled.call(&JsValue::UNDEFINED, code.as_slice()).map(drop)
    })
}

fn on_gap(callback: Callback) -> OnGap {
    Rc::new(move |channels, reason| {
        let list = match channels {
            None => JsValue::NULL,
            Some(channels) => {
                let list = Array::new();
                for channel in channels {
                    list.push(&channel.as_str().into());
                }
                list.into()
            }
        };
        callback.call(&JsValue::UNDEFINED, &[list, reason.into()]).map(drop)
    })
}

fn report(trouble: &Trouble, thrown: Option<&JsValue>) -> JsValue {
    let report = literal("{}");
    let put = |name, value: Option<JsValue>| {
        if let Some(value) = value {
            set(&report, name, &value);
        }
    };
    put("code", Some((&*trouble.code).into()));
    put("willRetry", Some(trouble.will_retry.into()));
    put("status", trouble.status.map(Into::into));
    put("detail", trouble.detail.as_deref().map(Into::into));
    put("channel", trouble.channel.as_ref().map(|channel| channel.as_str().into()));
    put("cause", thrown.cloned());
    report
}
