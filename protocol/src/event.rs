//! The event, as an application publishes it and as a stream carries it.

mod head;

pub use head::Head;

#[cfg(feature = "serde")]
use crate::{Cursor, EventType, Pattern, RequestId};
use crate::{DeviceId, SessionId, UserId};

/// The kind of receiver of a record that is addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub enum Addressee {
    /// Every stream of a user. The channel is a label by which the client routes the event.
    User,
    /// Every stream of one device of a user. The channel is a label, too.
    Device,
}

impl Addressee {
    /// The value on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Device => "device",
        }
    }
}

/// The cause of an event, as the publisher names it. It informs the receiver and hides the event from nobody (that is
/// [`Except`]).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Source {
    /// The user who caused the event.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub user_id: Option<UserId>,
    /// The device that the change came from.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub device_id: Option<DeviceId>,
    /// The tab that the change came from.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub session_id: Option<SessionId>,
}

impl Source {
    /// Whether no field is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.user_id.is_none() && self.device_id.is_none() && self.session_id.is_none()
    }
}

/// The tab or device from which a record is hidden (echo suppression): one tab or one device **of one user**, live and
/// on replay. The backend supplies the user from its own authentication, so that nobody can hide an event from another
/// user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Except {
    /// The user whose streams do not receive the record.
    pub user_id: UserId,
    /// The tab from which it is hidden.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub session_id: Option<SessionId>,
    /// The device from whose tabs it is hidden.
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

    /// Whether a stream with these names must not receive the record. A stream that several tabs share declares no
    /// session, so it is never hidden by session; each of its tabs checks with its own names.
    #[must_use]
    pub fn hides(&self, user: Option<&UserId>, device: Option<&DeviceId>, session: Option<&SessionId>) -> bool {
        Some(&self.user_id) == user
            && (self.session_id.is_some() && self.session_id.as_ref() == session
                || self.device_id.is_some() && self.device_id.as_ref() == device)
    }
}

/// A point in time: milliseconds since 1970-01-01T00:00:00Z. On the wire it is RFC 3339, in UTC, with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg(feature = "serde")]
pub struct Timestamp(pub u64);

#[cfg(feature = "serde")]
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = i64::try_from(self.0).unwrap_or(i64::MAX);
        // A time beyond jiff's year 9999 is shown as its last moment, because a wrong clock must not make the hub
        // panic.
        let moment = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
        let moment = jiff::tz::Offset::UTC.to_datetime(moment);
        // Every event has a timestamp, and a fixed format is written faster than by jiff's general printer.
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

/// The text is not a time in RFC 3339 format.
// A type of our own, because jiff is below 1.0.
#[derive(Debug, thiserror::Error)]
#[error("the text is not a time in the format of RFC 3339")]
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

/// The data of a default SSE event, or of a `backfill` (then with a `requestId`). `payload` is the last field, so that
/// a reader can stop before it.
#[derive(Debug, Clone)]
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventFrame<P = Box<serde_json::value::RawValue>> {
    /// The channel, or pattern such as `chat:*`, that the event was published to; a label if `to` is present.
    pub channel: Pattern,
    /// The event's type, which names the kind of change.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// Present if the event was addressed to a user or a device and not to the channel's subscribers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Addressee>,
    /// The cause of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The tab or device from which the event is hidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<Except>,
    /// The position in the log, in a `backfill`, which has no `id:`. In a default event it is absent, because its `id:`
    /// is the position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// When the hub accepted it.
    pub timestamp: Timestamp,
    /// In a `backfill`, the subscribe call that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// The application's payload, as JSON.
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
