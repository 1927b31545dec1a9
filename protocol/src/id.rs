//! Opaque ids of users, devices, tabs, calls and events. They are validated once, and trusted afterwards.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

/// The longest id, in bytes.
pub const MAX_BYTES: usize = 128;

/// Why a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The text is empty.
    #[error("an id must not be empty")]
    Empty,
    /// The text has more than [`MAX_BYTES`] bytes.
    #[error("an id may have at most {MAX_BYTES} bytes")]
    TooLong,
    /// The text has a control character, or, for any id but a user id or an event type, a character that is not visible
    /// ASCII.
    #[error("an id must not contain control characters; ids other than user ids and event types must be visible ASCII")]
    Character,
}

impl From<std::convert::Infallible> for IdError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Validates a text.
            ///
            /// # Errors
            ///
            /// [`IdError`] when the text is empty, too long, or has a character that is not allowed.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                let text = text.as_ref();
                if text.is_empty() {
                    return Err(IdError::Empty);
                }
                if text.len() > MAX_BYTES {
                    return Err(IdError::TooLong);
                }
                let allowed: fn(char) -> bool = $allowed;
                if !text.chars().all(allowed) {
                    return Err(IdError::Character);
                }
                Ok(Self(text.into()))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The id as shared text, without copying.
            #[must_use]
            pub fn shared(&self) -> Arc<str> {
                self.0.clone()
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = IdError;

            fn try_from(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<&String> for $name {
            type Error = IdError;

            fn try_from(text: &String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<&$name> for $name {
            fn from(id: &$name) -> Self {
                id.clone()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::new(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

id! {
    /// The authenticated user: opaque UTF-8 without control characters, 1 to 128 bytes. It never becomes a pattern; in
    /// a channel it is escaped by [`segment`](crate::segment).
    UserId, |c| !c.is_control()
}
id! {
    /// A browser profile: visible ASCII, 1 to 128 bytes. The client makes one and keeps it in `localStorage`.
    DeviceId, |c| c.is_ascii_graphic()
}
id! {
    /// One tab: visible ASCII, 1 to 128 bytes. The client keeps it in memory, so that a duplicated tab gets its own.
    SessionId, |c| c.is_ascii_graphic()
}

id! {
    /// The type of an event, which names the kind of change (`started`, `deleted`): UTF-8 without control characters, 1
    /// to 128 bytes.
    EventType, |c| !c.is_control()
}
id! {
    /// The id of one SSE stream, held by one hub node: unguessable, bound to its identity, and containing the node.
    /// Visible ASCII.
    ConnectionId, |c| c.is_ascii_graphic()
}
id! {
    /// The client's id for one subscribe or unsubscribe call, which the stream repeats in its answer. Visible ASCII.
    RequestId, |c| c.is_ascii_graphic()
}
id! {
    /// An idempotency key: a publish retried with the same key is stored once. Visible ASCII; a UUIDv7 unless set.
    Key, |c| c.is_ascii_graphic()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked() {
        assert_eq!(UserId::new(""), Err(IdError::Empty));
        assert_eq!(UserId::new("a\nb"), Err(IdError::Character));
        assert_eq!(UserId::new("a".repeat(129)), Err(IdError::TooLong));
        assert!(UserId::new("Ána *:").is_ok());
        assert_eq!(DeviceId::new("two words"), Err(IdError::Character));
        assert_eq!(SessionId::new("ü"), Err(IdError::Character));
    }
}
