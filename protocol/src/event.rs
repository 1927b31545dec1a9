//! The event: what an application publishes, and how a stream carries it.

mod head;

pub use head::Head;

#[cfg(feature = "serde")]
use crate::{Cursor, EventType, Pattern, RequestId};
use crate::{DeviceId, SessionId, UserId};

/// To whom a record that is not addressed to its channel went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub enum Addressee {
    /// Every stream of a user; the channel is a label to route by in the client.
    User,
    /// Every stream of one device of a user; likewise.
    Device,
}

impl Addressee {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Device => "device",
        }
    }
}

/// What caused an event, as the publisher tells it. Information for the receiver; it hides nothing from anybody (that is
/// [`Except`]).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Source {
    /// The user who caused it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub user_id: Option<UserId>,
    /// The device it came from.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub device_id: Option<DeviceId>,
    /// The tab it came from.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub session_id: Option<SessionId>,
}

impl Source {
    /// Whether nothing is told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.user_id.is_none() && self.device_id.is_none() && self.session_id.is_none()
    }
}

/// From whom a record is hidden (echo suppression): one tab or one device **of one user**, live and on replay. The
/// backend supplies the user from its own authentication, so that nobody can hide an event from somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Except {
    /// The user whose streams are meant.
    pub user_id: UserId,
    /// Hide it from this tab.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub session_id: Option<SessionId>,
    /// Hide it from every tab of this device.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub device_id: Option<DeviceId>,
}

impl Except {
    /// Hides a record from one tab of a user.
    #[must_use]
    pub fn tab(user: &UserId, session: &SessionId) -> Self {
        Self { user_id: user.clone(), session_id: Some(session.clone()), device_id: None }
    }

    /// Hides a record from every tab of a user's device.
    #[must_use]
    pub fn device(user: &UserId, device: &DeviceId) -> Self {
        Self { user_id: user.clone(), session_id: None, device_id: Some(device.clone()) }
    }

    /// Whether a stream with these names must not see the record. A stream that declares no session (one shared by
    /// several tabs) is not hidden by session; there each tab asks this again with its own names.
    #[must_use]
    pub fn hides(&self, user: Option<&UserId>, device: Option<&DeviceId>, session: Option<&SessionId>) -> bool {
        Some(&self.user_id) == user
            && (self.session_id.is_some() && self.session_id.as_ref() == session
                || self.device_id.is_some() && self.device_id.as_ref() == device)
    }
}

/// A moment in time: milliseconds since 1970-01-01T00:00:00Z. On the wire RFC 3339, UTC, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg(feature = "serde")]
pub struct Timestamp(pub u64);

#[cfg(feature = "serde")]
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = i64::try_from(self.0).unwrap_or(i64::MAX);
        // What lies beyond jiff's year 9999 shows as its last moment: a clock that wrong is not ours to crash on.
        let moment = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
        let moment = jiff::tz::Offset::UTC.to_datetime(moment);
        // Every event has one, and jiff's own printer knows a hundred formats that this is not.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |at: std::ops::Range<usize>, number: i16| {
            let mut rest = number.unsigned_abs();
            for digit in text[at].iter_mut().rev() {
                *digit += u8::try_from(rest % 10).unwrap_or_default();
                rest /= 10;
            }
        };
        put(0..4, moment.year());
        put(5..7, moment.month().into());
        put(8..10, moment.day().into());
        put(11..13, moment.hour().into());
        put(14..16, moment.minute().into());
        put(17..19, moment.second().into());
        put(20..23, moment.millisecond());
        f.write_str(str::from_utf8(&text).unwrap_or_default())
    }
}

/// A text is no moment in time.
// Its own type, for jiff is below 1.0.
#[derive(Debug, thiserror::Error)]
#[error("not a time as RFC 3339 writes it")]
#[cfg(feature = "serde")]
pub struct TimestampError(#[source] jiff::Error);

#[cfg(feature = "serde")]
impl std::str::FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let moment: jiff::Timestamp = text.parse().map_err(TimestampError)?;
        Ok(Self(u64::try_from(moment.as_millisecond()).unwrap_or(0)))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The data of a default SSE event, or of a `backfill` (then with a `requestId`). `payload` is the last field, so that a
/// reader can stop before it.
#[derive(Debug, Clone)]
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventFrame<P = Box<serde_json::value::RawValue>> {
    /// Where it was published: a channel, or a pattern such as `chat:*`. A label when `to` is there.
    pub channel: Pattern,
    /// What kind of change it tells of.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// Present when it was addressed to a user or a device instead of the channel's subscribers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Addressee>,
    /// What caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// From whom it is hidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<Except>,
    /// Where it stands in the log: in a `backfill`, which has no `id:`. A default event has none, for its `id:` says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// When the hub accepted it.
    pub timestamp: Timestamp,
    /// In a `backfill`: the subscribe call that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// The application's JSON.
    pub payload: P,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exclusion_hides_only_from_the_user_it_names() {
        let ana = UserId::new("ana").unwrap();
        let bob = UserId::new("bob").unwrap();
        let tab = SessionId::new("tab").unwrap();
        let except = Except { user_id: ana.clone(), session_id: Some(tab.clone()), device_id: None };
        assert!(except.hides(Some(&ana), None, Some(&tab)));
        assert!(!except.hides(Some(&bob), None, Some(&tab)));
        assert!(!except.hides(Some(&ana), None, None));
        assert!(!except.hides(None, None, Some(&tab)));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn timestamps_are_rfc_3339_with_milliseconds() {
        assert_eq!(Timestamp(1_700_000_000_007).to_string(), "2023-11-14T22:13:20.007Z");
        assert_eq!("2023-11-14T22:13:20.007Z".parse::<Timestamp>().unwrap(), Timestamp(1_700_000_000_007));
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(4_107_542_399_999).to_string(), "2100-02-28T23:59:59.999Z");
        assert!(Timestamp(u64::MAX).to_string().starts_with("9999-"));
    }
}
