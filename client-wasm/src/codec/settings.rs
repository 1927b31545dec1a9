//! The options of a client that are texts, numbers and booleans.

use super::Port;
use crate::backoff::Backoff;

/// The options that an application in JavaScript has set; the others are `None`.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) device_id: String,
    pub(crate) session_id: String,
    pub(crate) since: Option<String>,
    pub(crate) idle_ms: Option<u64>,
    share: Option<u64>,
    reconnects: Option<u64>,
    base_ms: Option<u64>,
    cap_ms: Option<u64>,
    max_attempts: Option<u64>,
    pub(crate) latency: u64,
    pub(crate) url: String,
    pub(crate) with_credentials: bool,
    pub(crate) debugs: bool,
}

impl Settings {
    pub(crate) fn read(text: &str) -> Self {
        let mut settings = Self::default();
        settings.fields(&mut Port::Read(text));
        settings
    }

    pub(super) fn fields(&mut self, port: &mut Port<'_>) {
        port.text("deviceId", &mut self.device_id);
        port.text("sessionId", &mut self.session_id);
        port.some_text("since", &mut self.since);
        port.some_number("idleMs", &mut self.idle_ms);
        port.some_number("shareConnection", &mut self.share);
        port.some_number("reconnect", &mut self.reconnects);
        port.some_number("baseMs", &mut self.base_ms);
        port.some_number("capMs", &mut self.cap_ms);
        port.some_number("maxAttempts", &mut self.max_attempts);
        port.number("latency", &mut self.latency);
        port.text("url", &mut self.url);
        port.truth("withCredentials", &mut self.with_credentials);
        port.truth("debugs", &mut self.debugs);
    }

    /// An absent option means `true`.
    pub(crate) fn share(&self) -> bool {
        self.share != Some(0)
    }

    pub(crate) fn reconnect(&self) -> Option<Backoff> {
        let Backoff { base_ms, cap_ms, max_attempts } = Backoff::default();
        let attempts = |attempts| u32::try_from(attempts).unwrap_or(u32::MAX);
        let backoff = Backoff {
            base_ms: self.base_ms.unwrap_or(base_ms),
            cap_ms: self.cap_ms.unwrap_or(cap_ms),
            max_attempts: self.max_attempts.map_or(max_attempts, attempts),
        };
        (self.reconnects != Some(0)).then_some(backoff)
    }
}
