//! Channels and patterns. They are parsed once at the edge, and matched without looking at segments again.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The longest channel or pattern, in bytes.
pub const MAX_BYTES: usize = 200;
/// The most segments that a channel or pattern may have.
pub const MAX_SEGMENTS: usize = 8;

/// The characters of a segment that are not escaped; `%` occurs only as part of an escape that [`segment`] made.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'@').remove(b'~').remove(b'-');

/// Turns a foreign id into **one** channel segment by percent-encoding (RFC 3986) every byte outside
/// `[A-Za-z0-9_.@~-]`, so that an id such as `*` or `a:b` can neither become a pattern nor reach another channel.
///
/// ```
/// use tidings_protocol::segment;
/// assert_eq!(segment("u1"), "u1");
/// assert_eq!(segment("a:b"), "a%3Ab");
/// assert_eq!(segment("*"), "%2A");
/// ```
///
/// An empty id stays empty, and is refused when the channel is parsed.
#[must_use]
pub fn segment(id: &str) -> String {
    utf8_percent_encode(id, ESCAPED).to_string()
}

/// Why a text is not a channel or a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The text is empty, begins or ends with a colon, or has two colons in a row.
    #[error("a channel segment is empty")]
    EmptySegment,
    /// The text has more than [`MAX_BYTES`] bytes.
    #[error("a channel may have at most {MAX_BYTES} bytes")]
    TooLong,
    /// The text has more than [`MAX_SEGMENTS`] segments.
    #[error("a channel may have at most {MAX_SEGMENTS} segments")]
    TooManySegments,
    /// The text has a character outside `[A-Za-z0-9_.@~%-]`. Escape foreign ids with [`segment`].
    #[error("a channel segment may contain only A-Z a-z 0-9 _ . @ ~ % -; escape other characters with segment()")]
    Character,
    /// A `*` is not the whole last segment, or stands in a channel, where no pattern is allowed.
    #[error("`*` may only be the last segment of a pattern")]
    Wildcard,
}

impl From<std::convert::Infallible> for ChannelError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// A channel: 1 to 8 segments of `[A-Za-z0-9_.@~%-]+` joined by `:`, at most 200 bytes in all.
///
/// ```
/// use tidings_protocol::Channel;
/// assert!(Channel::new("chat:room:42").is_ok());
/// assert!(Channel::new("chat:*").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel(Arc<str>);

/// A channel, or everything below a prefix (`chat:*`; not `chat` itself), or everything (`*`).
///
/// Patterns match **symmetrically**: an event published to `chat:*` reaches subscribers of `chat:42`, and a
/// subscription to `chat:*` receives events on `chat:42`. Two patterns match if there is a channel that lies in both.
///
/// ```
/// use tidings_protocol::Pattern;
/// let all = Pattern::new("chat:*")?;
/// let one = Pattern::new("chat:42")?;
/// assert!(all.overlaps(&one) && one.overlaps(&all));
/// assert!(all.covers(&one) && !one.covers(&all));
/// # Ok::<(), tidings_protocol::ChannelError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pattern(Arc<str>);

/// A pattern as an index files it: a single channel, or everything below a prefix.
///
/// `chat:*` is `Below("chat:")` and `*` is `Below("")`, so the ancestors of any pattern are slices of its own text, and
/// looking them up allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route<'a> {
    /// One channel.
    Exact(&'a str),
    /// Everything that starts with this text, which is empty or ends in `:`.
    Below(&'a str),
}

impl Pattern {
    /// Parses bytes that were not validated yet, like [`FromStr`].
    ///
    /// # Errors
    ///
    /// [`ChannelError`] when the bytes are not a pattern.
    pub fn from_ascii(text: &[u8]) -> Result<Self, ChannelError> {
        check(text).map(|_| Self(text.iter().copied().map(char::from).collect::<String>().into()))
    }

    /// The pattern `*`, which matches every channel.
    #[must_use]
    pub fn all() -> Self {
        Self("*".into())
    }

    /// Whether it is a single channel, without `*`.
    #[must_use]
    pub fn is_channel(&self) -> bool {
        !self.0.ends_with('*')
    }

    /// The pattern as an index files it.
    #[must_use]
    pub fn route(&self) -> Route<'_> {
        match self.0.strip_suffix('*') {
            Some(prefix) => Route::Below(prefix),
            None => Route::Exact(&self.0),
        }
    }

    /// The patterns strictly above this one, nearest first, each as the prefix in [`Route::Below`]: for `a:b:c` these
    /// are `a:b:`, `a:` and the empty prefix (`*`); for `a:b:*`, they are `a:` and the empty prefix.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        let own = match self.route() {
            Route::Exact(text) => Some(text),
            Route::Below("") => None,
            Route::Below(prefix) => Some(&prefix[..prefix.len() - 1]),
        };
        let mut rest = own;
        std::iter::from_fn(move || {
            let text = rest?;
            match text.rfind(':') {
                Some(colon) => {
                    rest = Some(&text[..colon]);
                    Some(&text[..=colon])
                }
                None => {
                    rest = None;
                    Some("")
                }
            }
        })
    }

    /// Whether there is a channel that lies in both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self.route(), other.route()) {
            (Route::Exact(a), Route::Exact(b)) => a == b,
            (Route::Exact(a), Route::Below(b)) => a.starts_with(b),
            (Route::Below(a), Route::Exact(b)) => b.starts_with(a),
            (Route::Below(a), Route::Below(b)) => a.starts_with(b) || b.starts_with(a),
        }
    }

    /// Whether every channel of `other` lies in this one. By this rule a grant covers a subscription.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self.route(), other.route()) {
            (Route::Exact(a), Route::Exact(b)) => a == b,
            (Route::Exact(_), Route::Below(_)) => false,
            (Route::Below(a), Route::Exact(b) | Route::Below(b)) => b.starts_with(a),
        }
    }
}

/// Validates the text. Returns whether it ends in a `*` segment.
#[inline(never)]
fn check(text: &[u8]) -> Result<bool, ChannelError> {
    if text.len() > MAX_BYTES {
        return Err(ChannelError::TooLong);
    }
    let (mut segments, mut bytes, mut wildcard) = (1, 0, false);
    for &byte in text {
        if byte == b':' {
            if bytes == 0 {
                return Err(ChannelError::EmptySegment);
            }
            segments += 1;
            bytes = 0;
            continue;
        }
        if wildcard || byte == b'*' && bytes > 0 {
            return Err(ChannelError::Wildcard);
        }
        wildcard = byte == b'*';
        if !wildcard && !byte.is_ascii_alphanumeric() && !b"_.@~%-".contains(&byte) {
            return Err(ChannelError::Character);
        }
        bytes += 1;
    }
    if bytes == 0 {
        return Err(ChannelError::EmptySegment);
    }
    if segments > MAX_SEGMENTS {
        return Err(ChannelError::TooManySegments);
    }
    Ok(wildcard)
}

impl FromStr for Channel {
    type Err = ChannelError;

    fn from_str(text: &str) -> Result<Self, ChannelError> {
        match check(text.as_bytes())? {
            true => Err(ChannelError::Wildcard),
            false => Ok(Self(text.into())),
        }
    }
}

impl FromStr for Pattern {
    type Err = ChannelError;

    fn from_str(text: &str) -> Result<Self, ChannelError> {
        check(text.as_bytes()).map(|_| Self(text.into()))
    }
}

/// Validates the text, and shares it without copying.
impl TryFrom<Arc<str>> for Pattern {
    type Error = ChannelError;

    fn try_from(text: Arc<str>) -> Result<Self, ChannelError> {
        check(text.as_bytes()).map(|_| Self(text))
    }
}

impl From<Channel> for Pattern {
    fn from(channel: Channel) -> Self {
        Self(channel.0)
    }
}

impl From<&Channel> for Pattern {
    fn from(channel: &Channel) -> Self {
        Self(channel.shared())
    }
}

impl TryFrom<Pattern> for Channel {
    type Error = ChannelError;

    fn try_from(pattern: Pattern) -> Result<Self, ChannelError> {
        if pattern.is_channel() { Ok(Self(pattern.0)) } else { Err(ChannelError::Wildcard) }
    }
}

/// The common parts of the two text types, and of the [ids](crate::id): display, conversion from text, and serde as a string.
macro_rules! text {
    ($name:ident) => {
        impl $name {
            /// Reads a text.
            ///
            /// # Errors
            ///
            /// [`ChannelError`] names the rule that the text breaks.
            pub fn new(text: impl AsRef<str>) -> Result<Self, ChannelError> {
                text.as_ref().parse()
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text, shared instead of copied.
            #[must_use]
            pub fn shared(&self) -> Arc<str> {
                self.0.clone()
            }
        }

        impl From<&$name> for $name {
            fn from(same: &$name) -> Self {
                same.clone()
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

        impl TryFrom<&str> for $name {
            type Error = ChannelError;

            fn try_from(text: &str) -> Result<Self, ChannelError> {
                text.parse()
            }
        }

        impl TryFrom<String> for $name {
            type Error = ChannelError;

            fn try_from(text: String) -> Result<Self, ChannelError> {
                text.parse()
            }
        }

        impl TryFrom<&String> for $name {
            type Error = ChannelError;

            fn try_from(text: &String) -> Result<Self, ChannelError> {
                text.parse()
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
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
text!(Channel);
text!(Pattern);

#[cfg(test)]
mod tests;
