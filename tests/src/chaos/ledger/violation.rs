//! What can be found wrong.

use std::fmt;

use tidings_protocol::Cursor;

use super::Place;
use crate::chaos::traffic::{EventId, Interest};

/// Whose handler, and what it hears.
type Handler = (String, Interest);

/// One breach of the promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Violation {
    /// Acknowledged, and neither heard nor covered by a gap.
    Missing { handler: Handler, event: EventId, place: Place },
    /// Heard twice.
    Twice { handler: Handler, event: EventId },
    /// Heard after one that comes later in the log.
    OutOfOrder { handler: Handler, event: EventId, place: Place, before: Place },
    /// Heard by somebody whom it is not for.
    NotForIt { handler: Handler, event: EventId },
    /// A gap that nothing justifies.
    Gap { handler: Handler, reason: String },
    /// The handler went over to another log and was not told of a gap.
    Silence { handler: Handler, event: EventId },
    /// The handler was not confirmed in the end, or was refused.
    NotConfirmed { handler: Handler },
    /// Never published.
    Unpublished { event: EventId, position: Cursor },
    /// The log has it in two places.
    StoredTwice { event: EventId, position: Cursor },
    /// Two things are said to stand at one place.
    Contradiction { event: EventId, other: EventId, position: Cursor },
    /// The log is another one without a reason.
    AnotherLog { position: Cursor },
    /// Its key came again and was not known.
    NotRecognised { event: EventId, position: Cursor },
    /// Its key came again and was answered with another position.
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
