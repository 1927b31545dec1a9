//! The signals with which `browser.js` and `tabs.js` report what has happened, by number.

macro_rules! signals {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        $($(#[$doc])* pub(crate) const $name: u32 = $number;)*
        /// Each signal by its name, for `table.js`.
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, u32)] = &[$((stringify!($name), $number)),*];
    };
}

signals! {
    /// A live event. (This one and the next ten have the numbers of the names in `FRAMES`.)
    RECORD = 0,
    CONNECTED = 1,
    SUBSCRIBED = 2,
    BACKFILL = 3,
    GAP = 4,
    HEARTBEAT = 5,
    REVOKED = 6,
    CLOSING = 7,
    /// The stream failed or ended.
    ERROR = 8,
    /// The server does not report who is online, or has ended that.
    PRESENCE = 9,
    /// The server asks whether the stream is still read.
    CHALLENGE = 10,
    ONLINE = 11,
    HIDDEN = 12,
    BACK = 13,
    SHOWN = 14,
    TICK = 15,
    FLUSH = 16,
    ANSWER = 17,
    /// A frame that could not be read.
    GARBLED = 18,
    /// The browser has no means to open a stream.
    UNSUPPORTED = 19,
    LOCKED = 20,
    HELD = 21,
    LOST = 22,
    GONE = 23,
    /// Another tab has posted something.
    TOLD = 24,
    UNSHARED = 25,
    /// Users are online, or came, or left: delivered as events are, to handlers of their own.
    PRESENCE_UPDATE = 26,
    /// Bytes of a stream that is read with `fetch`.
    CHUNK = 27,
    /// The server refused a stream that was requested with `fetch`.
    REFUSED = 28,
    /// An error was thrown outside of any call of the driver.
    BROKEN = 29,
}

/// The names of frames on a stream, in the order of their numbers.
pub(crate) const FRAMES: [&str; 11] = [
    "message",
    "connected",
    "subscribed",
    "backfill",
    "gap",
    "heartbeat",
    "revoked",
    "closing",
    "error",
    "presence",
    "challenge",
];

/// The page events that are listened to, in the order of their numbers, which follow those of the frames.
#[cfg(test)]
pub(crate) const WORLD: [&str; 4] = ["online", "pagehide", "pageshow", "visibilitychange"];
