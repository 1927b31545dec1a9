//! Sabotage: faults put back by hand, to judge the judges. Those of the package's JavaScript are put back into its text by
//! `tests/shell/sabotages.mjs`; those of the state machine into what passes between it and its page.

/// A fault that the client had, or could have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShellSabotage {
    /// What is thrown in the engine is told to nobody (r1).
    SilentThrow,
    /// A URL is not looked at before it is used (r1).
    UrlUnchecked,
    /// A refused `unsubscribe` is taken for the refusal of what is being subscribed to (r1).
    RefusalSpreads,
    /// `headers()` loads the engine (r1).
    LoadedForNothing,
    /// Routes that are no longer good stay remembered (r5).
    RoutesKept,
    /// What befalls a page does not make an attempt begin anew that gets no answer (r7).
    HangingAttempt,
    /// What befalls a tab that another has the stream for does not make it ask whether that one still lives (r8).
    DeafFollower,
    /// The page's origin is asked of its location (r11).
    LocationOrigin,
    /// A method needs its object (r11).
    Unbound,
    /// A module that is replaced must not configure the client again (r11).
    ConfiguredOnce,
    /// What befalls a page does not cut short what a 503 asks for (r12).
    LongWait,
    /// A text that is cut between the bytes of a character is read part by part.
    CutCharacters,
    /// What a handler has heard is noted after it was called, so that one that throws hears it again.
    NotedAfter,
    /// The phase that waits for a lock has no deadline.
    PatientForLock,
    /// `reset()` keeps the handlers.
    ResetKeepsHandlers,
    /// Storage that is refused is not expected.
    StorageExpected,
    /// A stream that is closed is not let go of.
    StreamKept,
}

impl ShellSabotage {
    /// Every one of them.
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

    /// Its name, also in `sabotages.mjs`.
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
