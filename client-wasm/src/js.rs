//! The whole interface for JavaScript, in TypeScript's terms. The npm package is built on it.

use std::rc::Rc;

use tidings_protocol::Pattern;
use wasm_bindgen::prelude::*;

use crate::{
    client::{Config, Failure, HandlerId, Identity, Status},
    codec::settings::Settings,
    driver::{Application, Driver, Environment},
};

/// 2.6 KB of gzip smaller than the default allocator.
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &'static str = r#"
export type State = 'idle' | 'connecting' | 'open' | 'waiting' | 'closed'

/** The options of the constructor, which reads them once. All times are in milliseconds. */
export interface ClientOptions {
  url: string
  /** The id of the browser profile. */
  deviceId: string
  /** The id of this tab. */
  sessionId: string
  /** A cursor at which to begin (`lastEventId` of the first connection). A malformed cursor is reported as a gap. */
  since?: string
  /** Whether cookies are sent to another origin, by EventSource and by the client's own requests. */
  withCredentials?: boolean
  /** How streams are read. Defaults to `auto`, which is `fetch` where bodies can be streamed. */
  transport?: 'eventsource' | 'fetch' | 'auto'
  /** Returns the token that authenticates streams and calls, for users without cookies. Without a token the client is anonymous. */
  token?: () => string | null | undefined | Promise<string | null | undefined>
  /** Shares one stream between all tabs, where the browser has locks and channels. Defaults to `true`. */
  shareConnection?: boolean
  /** How failed connections are retried; `false` makes one attempt for each `connect()`. */
  reconnect?: false | { baseMs?: number; capMs?: number; maxAttempts?: number }
  /** How long after the last handler left the connection is closed. Defaults to never. */
  idleMs?: number
  /** The share of streams that report how long events took to their handlers, from 0 to 1. Defaults to none. */
  latencySample?: number
  /** Called after every change. `retryInMs` is set while waiting for an attempt, `connectionId` while open. */
  onState?: (state: State, attempt: number, retryInMs: number | undefined, connectionId: string | undefined) => void
  onGap?: (channels: string[] | null, reason: string, addressed: boolean) => void
  onError?: (report: ErrorReport) => void
  /**
   * `closing`: the server is about to end the stream, for this reason. `unheard`: this event has no handler in any tab that shares
   * the stream; to report that, every event has to be read.
   */
  onDebug?: (what: 'closing' | 'unheard', detail: unknown) => void
}

export interface ErrorReport {
  code: string
  willRetry: boolean
  status?: number
  detail?: string
  /** The channel that was refused or revoked. */
  channel?: string
  /** For `handlerError`, the error that the callback threw; for `unsupported`, the reason why no EventSource could be made. */
  cause?: unknown
}
"#;

#[wasm_bindgen]
extern "C" {
    /// `ClientOptions` as TypeScript sees it.
    #[wasm_bindgen(typescript_type = "ClientOptions")]
    pub type Options;
    #[wasm_bindgen(method, getter)]
    fn token(this: &Options) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn transport(this: &Options) -> JsValue;
}

#[wasm_bindgen(module = "/src/browser.js")]
extern "C" {
    /// The options that are texts and numbers, each on a line. `serde-wasm-bindgen` would cost 19 KB.
    fn settings(options: &JsValue) -> String;
}

#[wasm_bindgen(module = "/src/listeners.js")]
extern "C" {
    /// The callbacks of an application.
    type Listeners;
    fn listeners(options: &JsValue) -> Listeners;
    #[wasm_bindgen(method)]
    fn add(this: &Listeners, id: u32, handler: &JsValue, settled: &JsValue, gap: &JsValue);
    #[wasm_bindgen(method)]
    fn remove(this: &Listeners, id: u32);
    #[wasm_bindgen(method)]
    fn event(this: &Listeners, id: u32, record: &JsValue);
    #[wasm_bindgen(method, js_name = eventOf)]
    fn event_of(this: &Listeners, id: u32, list: &JsValue, index: u32);
    #[wasm_bindgen(method)]
    fn settled(this: &Listeners, id: u32, refusal: Option<&str>, cursor: &str);
    #[wasm_bindgen(method)]
    fn gap(this: &Listeners, id: Option<u32>, channels: Option<&str>, reason: &str, addressed: bool);
    #[wasm_bindgen(method)]
    fn state(this: &Listeners, state: &str, attempt: u32, retry_in_ms: Option<f64>, connection_id: Option<&str>);
    #[wasm_bindgen(method)]
    fn error(
        this: &Listeners,
        code: &str,
        will_retry: bool,
        status: u16,
        detail: Option<&str>,
        channel: Option<&str>,
        thrown: &JsValue,
    );

    #[wasm_bindgen(method)]
    fn debug(this: &Listeners, what: &str, detail: &JsValue);
    #[wasm_bindgen(method)]
    fn broken(this: &Listeners, cause: &JsValue);

    /// Checks the options, and returns an `Error` if one is not valid, else `undefined`.
    fn check(options: &JsValue) -> JsValue;
    #[wasm_bindgen(js_name = malformedChannel)]
    fn malformed_channel() -> JsValue;
}

impl Application for Listeners {
    fn event(&self, handler: HandlerId, record: &JsValue) {
        self.event(handler.0, record);
    }

    fn event_of(&self, handler: HandlerId, list: &JsValue, index: u32) {
        self.event_of(handler.0, list, index);
    }

    fn settled(&self, handler: HandlerId, refusal: Option<&str>, cursor: &str) {
        self.settled(handler.0, refusal, cursor);
    }

    fn gap(&self, handler: Option<HandlerId>, channels: Option<&[Pattern]>, addressed: bool, reason: &str) {
        let channels = channels.map(|channels| {
            let mut lines = String::new();
            for channel in channels {
                lines.push_str(channel.as_str());
                lines.push('\n');
            }
            lines
        });
        self.gap(handler.map(|id| id.0), channels.as_deref(), reason, addressed);
    }

    fn state(&self, status: &Status) {
        let Status { state, attempt, retry_in_ms, connection_id } = status;
        let retry_in_ms = retry_in_ms.map(|ms| ms as f64);
        self.state(state.as_str(), *attempt, retry_in_ms, connection_id.as_deref());
    }

    fn error(&self, failure: &Failure, thrown: &JsValue) {
        let Failure { code, will_retry, status, detail, channel } = failure;
        let channel = channel.as_ref().map(Pattern::as_str);
        self.error(code, *will_retry, status.unwrap_or(0), detail.as_deref(), channel, thrown);
    }

    #[cfg(feature = "typed")]
    fn clear(&self) {}

    fn broken(&self, cause: &JsValue) {
        self.broken(cause);
    }

    fn debug(&self, what: &str, detail: &JsValue) {
        self.debug(what, detail);
    }
}

/// One connection and its handlers.
///
/// No callback is called inside `subscribe`, `on` or `unsubscribe`. `connect` and `disconnect` call `onState` before
/// they return, unless they are called from a callback: then after that callback has returned. The connection itself
/// begins at the end of the microtask.
///
/// A client lives on while it connects or is connected, even if JavaScript has dropped it; `free` frees its handle.
#[wasm_bindgen]
pub struct Client {
    driver: Rc<Driver<Listeners>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

#[wasm_bindgen]
impl Client {
    /// Makes a client, without connecting. Throws an `Error` with a `code`: `malformedUrl` without a URL, `malformedId`
    /// for a device or session id that is not 1 to 128 visible ASCII characters.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &Options) -> Result<Client, JsValue> {
        let malformed = check(options);
        if !malformed.is_undefined() {
            return Err(malformed);
        }
        let settings = settings(options);
        let settings = Settings::read(&settings);
        let config = Config {
            since: settings.since.clone(),
            idle_ms: settings.idle_ms,
            share: settings.share(),
            reconnect: settings.reconnect(),
            latency: settings.latency,
            ..Config::new(settings.url)
        };
        let environment = Environment {
            with_credentials: settings.with_credentials,
            debugs: settings.debugs,
            token: options.token(),
            transport: options.transport(),
            agreed: JsValue::UNDEFINED,
        };
        let identity = Identity { device_id: settings.device_id, session_id: settings.session_id };
        Ok(Self { driver: Driver::new(config, identity, environment, listeners(options)) })
    }

    /// Calls the handler with channel events. Returns the handler's number, for `unsubscribe`. Throws an `Error` with
    /// the `code` `malformedChannel`.
    ///
    /// `settled` is called later: without a code when the server has confirmed the channel in the stream, with the
    /// cursor after which the handler receives every event (empty without one); or with the code of the refusal
    /// (`forbidden`, …), or with `stopped` if the handler was unsubscribed before. After the confirmation it is called
    /// with a code when the channel is revoked, and without one when the channel is confirmed again. A malformed
    /// `since` is reported as a gap, once the channel is confirmed.
    pub fn subscribe(
        &self,
        #[wasm_bindgen(unchecked_param_type = "string")] pattern: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "(event: any) => void")] handler: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "(code: string | undefined, cursor: string) => void")]
        settled: &JsValue,
        #[wasm_bindgen(
            unchecked_optional_param_type = "(channels: string[] | null, reason: string, addressed: boolean) => void"
        )]
        on_gap: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "string")] since: &JsValue,
    ) -> Result<u32, JsValue> {
        let id = self.driver.subscribe(parse(pattern)?, since.as_string().as_deref()).0;
        self.driver.application.add(id, handler, settled, on_gap);
        Ok(id)
    }

    /// Calls the handler with events addressed to this user or device, by label or pattern. `settled` is called when
    /// the connection is open. Throws as `subscribe` does.
    pub fn on(
        &self,
        #[wasm_bindgen(unchecked_param_type = "string")] label: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "(event: any) => void")] handler: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "(code: string | undefined, cursor: string) => void")]
        settled: &JsValue,
    ) -> Result<u32, JsValue> {
        self.listen(false, label, handler, settled)
    }

    /// Calls the handler with the users who are online on a channel or pattern: with the frames of the stream, `{here?:
    /// Member[], join?: Member[], leave?: Member[]}`, the first of which has `here`. `settled` is called as that of
    /// `subscribe`, with `presenceOff` if the server has no presence. Throws as `subscribe` does.
    pub fn presence(
        &self,
        #[wasm_bindgen(unchecked_param_type = "string")] pattern: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "(frame: any) => void")] handler: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "(code: string | undefined, cursor: string) => void")]
        settled: &JsValue,
    ) -> Result<u32, JsValue> {
        self.listen(true, pattern, handler, settled)
    }

    /// Ends what `subscribe`, `on` or `presence` began. Does nothing for an unknown number.
    pub fn unsubscribe(&self, handler: u32) {
        self.driver.unsubscribe(HandlerId(handler));
        self.driver.application.remove(handler);
    }

    /// Connects at once, from any state, and resets the attempts. Refused channels are requested again.
    pub fn connect(&self) {
        self.driver.connect();
    }

    /// Ends the connection and keeps the handlers; only `connect` starts again.
    pub fn disconnect(&self) {
        self.driver.disconnect();
    }

    /// The state of the connection.
    #[must_use]
    #[wasm_bindgen(getter, unchecked_return_type = "State")]
    pub fn state(&self) -> JsValue {
        self.driver.state().as_str().into()
    }

    /// The user id that the server reports; `undefined` before the first connection, and for anonymous users.
    #[must_use]
    #[wasm_bindgen(getter = userId, unchecked_return_type = "string | undefined")]
    pub fn user_id(&self) -> JsValue {
        self.driver.identity(|_, user_id| user_id.into())
    }
}

impl Client {
    /// The common part of `subscribe`, `on` and `presence`, because code that is part of several functions is
    /// downloaded several times.
    #[inline(never)]
    fn listen(&self, presence: bool, pattern: &JsValue, handler: &JsValue, settled: &JsValue) -> Result<u32, JsValue> {
        let pattern = parse(pattern)?;
        let HandlerId(id) = if presence { self.driver.presence(pattern) } else { self.driver.on(pattern) };
        self.driver.application.add(id, handler, settled, &JsValue::UNDEFINED);
        Ok(id)
    }
}

fn parse(pattern: &JsValue) -> Result<Pattern, JsValue> {
    pattern.as_string().unwrap_or_default().parse().map_err(|_| malformed_channel())
}
