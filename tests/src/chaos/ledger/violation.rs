//! The violations that the ledger can find.

use std::fmt;

use tidings_protocol::Cursor;

use super::Place;
use crate::chaos::traffic::{EventId, Interest};

/// The owner of a handler, and its subscription.
type Handler = (String, Interest);

/// One violation of the promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Violation {
    /// An event was acknowledged, and neither received nor covered by a gap.
    Missing { handler: Handler, event: EventId, place: Place },
    /// An event was received twice.
    Twice { handler: Handler, event: EventId },
    /// An event was received after one that comes later in the log.
    OutOfOrder { handler: Handler, event: EventId, place: Place, before: Place },
    /// An event was received by a handler that it is not for.
    NotForIt { handler: Handler, event: EventId },
    /// A gap was reported that nothing justifies.
    Gap { handler: Handler, reason: String },
    /// The handler continued in another log without a gap.
    Silence { handler: Handler, event: EventId },
    /// The handler was not confirmed by the end, or was refused.
    NotConfirmed { handler: Handler },
    /// An event was received that was never published.
    Unpublished { event: EventId, position: Cursor },
    /// The log has an event at two positions.
    StoredTwice { event: EventId, position: Cursor },
    /// Two events are reported at one position.
    Contradiction { event: EventId, other: EventId, position: Cursor },
    /// The log was replaced without a reason.
    AnotherLog { position: Cursor },
    /// A retry with the same key was not recognized as a duplicate.
    NotRecognised { event: EventId, position: Cursor },
    /// A retry with the same key was answered with another position.
    Moved { event: EventId, position: Cursor },
    /// The stream, the client or the hub did something else that it must not do.
    Behaviour { who: String, what: String },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handler = |(name, Interest { addressed, pattern }): &Handler| {
            format!("{name}, {} {pattern}", if *addressed { "on" } else { "subscribe" })
        };
        match self {
            Self::Missing { handler: by, event, place } => {
                write!(f, "{}: event {event} at {} is missing", handler(by), place.seq)
            }
            Self::Twice { handler: by, event } => write!(f, "{}: event {event} came twice", handler(by)),
            Self::OutOfOrder { handler: by, event, place, before } => {
                write!(f, "{}: event {event} at {} came after {}", handler(by), place.seq, before.seq)
            }
            Self::NotForIt { handler: by, event } => write!(f, "{}: event {event} is not for it", handler(by)),
            Self::Gap { handler: by, reason } => write!(f, "{}: gap ({reason}) without a cause", handler(by)),
            Self::Silence { handler: by, event } => {
                write!(f, "{}: event {event} is of another log, and no gap was told", handler(by))
            }
            Self::NotConfirmed { handler: by } => write!(f, "{}: was not confirmed", handler(by)),
            Self::Unpublished { event, position } => write!(f, "event {event} at {position} was never published"),
            Self::StoredTwice { event, position } => write!(f, "event {event} stands at {position} for a second time"),
            Self::Contradiction { event, other, position } => {
                write!(f, "{position}: event {event}, but elsewhere event {other}, or with another tag")
            }
            Self::AnotherLog { position } => write!(f, "{position}: another log without a reason"),
            Self::NotRecognised { event, position } => {
                write!(f, "event {event} at {position}: its key came again and was not known")
            }
            Self::Moved { event, position } => {
                write!(f, "event {event}: its key came again and was answered with {position}")
            }
            Self::Behaviour { who, what } => write!(f, "{who}: {what}"),
        }
    }
}
