//! The whole surface towards JavaScript, in TypeScript terms.

use js_sys::{Function, Object};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &'static str = r#"
export type State = 'idle' | 'connecting' | 'open' | 'waiting' | 'closed'

/** Read once, by the constructor. */
export interface ClientOptions {
  url: string
  /** Given: used as it is. Absent: localStorage `tidings.deviceId`, or memory where storage is refused. */
  deviceId?: string
  /** A cursor to begin from (`lastEventId` of the very first connect). */
  since?: string
  /** For EventSource and for the client's own requests. */
  withCredentials?: boolean
  /** `false`: one attempt for each `connect()`. */
  reconnect?: false | { baseMs?: number; capMs?: number; maxAttempts?: number }
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
  /** `handlerError` only: what the callback threw. */
  cause?: unknown
}
"#;

#[wasm_bindgen]
extern "C" {
    /// `ClientOptions` as TypeScript sees it.
    #[wasm_bindgen(typescript_type = "ClientOptions")]
    pub type Options;
    /// A handler of events.
    #[wasm_bindgen(extends = Function, typescript_type = "(event: any) => void")]
    pub type Handler;
    /// Called once.
    #[wasm_bindgen(extends = Function, typescript_type = "(code?: string) => void")]
    pub type Settled;
    /// Called when events may be missing.
    #[wasm_bindgen(extends = Function, typescript_type = "(channels: string[] | null, reason: string) => void")]
    pub type OnGap;
    /// `{'X-Device-Id': …, 'X-Session-Id': …}`.
    #[wasm_bindgen(extends = Object, typescript_type = "{ 'X-Device-Id': string; 'X-Session-Id': string }")]
    pub type Headers;
}

/// One connection and its handlers.
///
/// No callback is ever called inside `subscribe`, `on` or `unsubscribe`; `connect`, `disconnect` and `reset` call
/// `onState` before they return, unless they were called from a callback: then after that callback has returned.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Client {}

#[wasm_bindgen]
impl Client {
    /// Makes a client; nothing is connected yet. Throws an `Error` with a `code`: `malformedCursor` for `since`,
    /// `malformedId` for `deviceId`, `malformedUrl` for an empty url.
    #[wasm_bindgen(constructor)]
    pub fn new(_options: Options) -> Result<Client, JsValue> {
        Ok(Self {})
    }

    /// Hears channel events. Returns the handler's number, for `unsubscribe`. Throws an `Error` with `code`:
    /// `malformedChannel` or `malformedCursor`.
    ///
    /// `settled()` is called once, later: without a code when the server has confirmed the channel in the stream, or with
    /// the code of the refusal (`forbidden`, …), or with `stopped` when it was unsubscribed or reset before.
    pub fn subscribe(
        &self,
        _pattern: &str,
        _handler: Handler,
        _settled: Option<Settled>,
        _on_gap: Option<OnGap>,
        _since: Option<String>,
    ) -> Result<u32, JsValue> {
        Ok(0)
    }

    /// Hears events addressed to this user or device, by label or pattern. `settled()` when the connection is open.
    pub fn on(&self, _label: &str, _handler: Handler, _settled: Option<Settled>) -> Result<u32, JsValue> {
        Ok(0)
    }

    /// Ends what `subscribe` or `on` began. Does nothing for a number that it does not know.
    pub fn unsubscribe(&self, _handler: u32) {}

    /// Tries at once, from any state, and resets the attempts.
    pub fn connect(&self) {}

    /// Ends the connection and keeps the handlers; only `connect` begins another.
    pub fn disconnect(&self) {}

    /// Forgets identity (a new session id; the device id stays), cursor and handlers; the state becomes `idle`.
    pub fn reset(&self) {}

    /// Where the connection stands.
    #[wasm_bindgen(getter, unchecked_return_type = "State")]
    pub fn state(&self) -> String {
        "idle".into()
    }

    /// The browser profile.
    #[wasm_bindgen(getter = deviceId)]
    pub fn device_id(&self) -> String {
        String::new()
    }

    /// This tab.
    #[wasm_bindgen(getter = sessionId)]
    pub fn session_id(&self) -> String {
        String::new()
    }

    /// The headers by which any request says from which device and tab it comes.
    pub fn headers(&self) -> Headers {
        Object::new().unchecked_into()
    }
}
