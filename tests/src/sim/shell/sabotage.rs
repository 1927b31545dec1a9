//! Sabotage: faults put back by hand, to test the judges. `tests/shell/sabotages.mjs` puts faults of the package's
//! JavaScript back into its text; faults of the state machine are put into its messages with the page.

/// A fault that the client had, or could have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShellSabotage {
    /// An exception in the engine is not reported (r1).
    SilentThrow,
    /// A URL is not checked before it is used (r1).
    UrlUnchecked,
    /// A refused `unsubscribe` counts as the refusal of a pending subscription (r1).
    RefusalSpreads,
    /// `headers()` loads the engine (r1).
    LoadedForNothing,
    /// Expired routes stay remembered (r5).
    RoutesKept,
    /// Events of the page do not restart an attempt that gets no answer (r7).
    HangingAttempt,
    /// Events of the page do not make a following tab check whether its leader is alive (r8).
    DeafFollower,
    /// The page's origin is read from its location (r11).
    LocationOrigin,
    /// A method does not work without its object (r11).
    Unbound,
    /// A module that was replaced cannot configure the client again (r11).
    ConfiguredOnce,
    /// Events of the page do not shorten the wait that a 503 asks for (r12).
    LongWait,
    /// A text that is cut between the bytes of a character is decoded part by part.
    CutCharacters,
    /// A handler's position is recorded after the call, so a handler that throws receives the event again.
    NotedAfter,
    /// The phase that waits for a lock has no deadline.
    PatientForLock,
    /// `reset()` keeps the handlers.
    ResetKeepsHandlers,
    /// A browser that refuses storage is not expected.
    StorageExpected,
    /// A closed stream is not released.
    StreamKept,
}

impl ShellSabotage {
    /// All faults.
    pub const ALL: [Self; 17] = [
        Self::SilentThrow,
        Self::UrlUnchecked,
        Self::RefusalSpreads,
        Self::LoadedForNothing,
        Self::RoutesKept,
        Self::HangingAttempt,
        Self::DeafFollower,
        Self::LocationOrigin,
        Self::Unbound,
        Self::ConfiguredOnce,
        Self::LongWait,
        Self::CutCharacters,
        Self::NotedAfter,
        Self::PatientForLock,
        Self::ResetKeepsHandlers,
        Self::StorageExpected,
        Self::StreamKept,
    ];

    /// The name, which is also used in `sabotages.mjs`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SilentThrow => "r1: a throw is told to nobody",
            Self::UrlUnchecked => "r1: a URL that is none is not looked at",
            Self::RefusalSpreads => "r1: a refused unsubscribe refuses everything",
            Self::LoadedForNothing => "r1: the engine is loaded for nothing",
            Self::RoutesKept => "r5: old routes stay remembered",
            Self::HangingAttempt => "r7: an attempt that hangs is not begun anew",
            Self::DeafFollower => "r8: a leader that stands still is not doubted",
            Self::LocationOrigin => "r11: the origin is the location's",
            Self::Unbound => "r11: methods are not bound",
            Self::ConfiguredOnce => "r11: a replaced module cannot configure again",
            Self::LongWait => "r12: a long wait is not cut short",
            Self::CutCharacters => "characters are cut with the chunk",
            Self::NotedAfter => "a cursor is noted after its handler",
            Self::PatientForLock => "a lock is waited for without a deadline",
            Self::ResetKeepsHandlers => "reset keeps the handlers",
            Self::StorageExpected => "storage is never refused",
            Self::StreamKept => "a closed stream is kept",
        }
    }
}
