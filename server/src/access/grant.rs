//! A grant, which is a pattern in which `{user}` stands for the caller; and all grants of one identity.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tidings_protocol::{Channel, ChannelError, Pattern, UserId, segment};

const USER: &str = "{user}";

/// A channel or pattern that an identity may subscribe to, publish to or watch. `{user}` in it stands for the user's id
/// as **one segment**, percent-encoded, so that an id such as `*` or `a:b` never becomes a pattern.
///
/// ```
/// use tidings::{Pattern, auth::{Grant, Identity}};
/// let grant = Grant::new("timer:{user}:*")?;
/// let identity = Identity::user("*")?.allow(grant)?;
/// assert!(identity.may_listen(&"timer:%2A:work".parse()?));
/// assert!(!identity.may_listen(&"timer:ana:work".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant(String);

impl Grant {
    /// Checks and takes a text.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] when it is no channel or pattern, or `{user}` stands where no segment can.
    pub fn new(text: impl AsRef<str>) -> Result<Self, ChannelError> {
        text.as_ref().parse()
    }
}

impl FromStr for Grant {
    type Err = ChannelError;

    fn from_str(text: &str) -> Result<Self, ChannelError> {
        text.replace(USER, "u").parse::<Pattern>()?;
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<&str> for Grant {
    type Error = ChannelError;

    fn try_from(text: &str) -> Result<Self, ChannelError> {
        text.parse()
    }
}

impl TryFrom<String> for Grant {
    type Error = ChannelError;

    fn try_from(text: String) -> Result<Self, ChannelError> {
        text.parse()
    }
}

impl TryFrom<&String> for Grant {
    type Error = ChannelError;

    fn try_from(text: &String) -> Result<Self, ChannelError> {
        text.parse()
    }
}

impl From<&Grant> for Grant {
    fn from(grant: &Grant) -> Self {
        grant.clone()
    }
}

macro_rules! from {
    ($($pattern:ty),*) => {$(
        impl From<$pattern> for Grant {
            fn from(pattern: $pattern) -> Self {
                Self(pattern.as_str().to_owned())
            }
        }
    )*};
}
from!(Pattern, &Pattern, Channel, &Channel);

impl Grant {
    /// The pattern that the grant gives to a user. `None` where the grant names `{user}` and the identity is anonymous,
    /// or where the user's id makes the channel longer than a channel may be.
    fn of(&self, user: Option<&UserId>) -> Option<Pattern> {
        match user {
            Some(user) => self.0.replace(USER, &segment(user.as_str())).parse().ok(),
            None if self.0.contains(USER) => None,
            None => self.0.parse().ok(),
        }
    }
}

/// A right that a grant gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    Subscribe,
    Publish,
    WatchPresence,
}

/// The grants of one identity. Access is denied by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Grants {
    subscribe: Vec<Pattern>,
    publish: Vec<Pattern>,
    #[serde(default)]
    watch_presence: Vec<Pattern>,
}

impl Grants {
    /// Adds a grant for this user.
    pub(crate) fn add(&mut self, right: Right, grant: &Grant, user: Option<&UserId>) {
        let granted = grant.of(user);
        match right {
            Right::Subscribe => &mut self.subscribe,
            Right::Publish => &mut self.publish,
            Right::WatchPresence => &mut self.watch_presence,
        }
        .extend(granted);
    }

    /// Whether one grant covers all of a channel or pattern.
    pub(crate) fn cover(&self, right: Right, pattern: &Pattern) -> bool {
        self.of(right).iter().any(|grant| grant.covers(pattern))
    }

    /// Whether there is any grant of this right.
    pub(crate) fn has_any(&self, right: Right) -> bool {
        !self.of(right).is_empty()
    }

    fn of(&self, right: Right) -> &[Pattern] {
        match right {
            Right::Subscribe => &self.subscribe,
            Right::Publish => &self.publish,
            Right::WatchPresence => &self.watch_presence,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(grant: &str, user: &str) -> Option<String> {
        let user = UserId::new(user).unwrap();
        grant.parse::<Grant>().unwrap().of(Some(&user)).map(|pattern| pattern.to_string())
    }

    #[test]
    fn a_user_id_stays_one_segment() {
        assert_eq!(granted("timer:{user}", "ana").as_deref(), Some("timer:ana"));
        assert_eq!(granted("timer:{user}", "*").as_deref(), Some("timer:%2A"));
        assert_eq!(granted("timer:{user}", "a:b").as_deref(), Some("timer:a%3Ab"));
        assert_eq!(granted("timer:{user}:*", "*:*").as_deref(), Some("timer:%2A%3A%2A:*"));
    }

    #[test]
    fn an_anonymous_caller_gets_no_grant_that_names_a_user() {
        assert_eq!("timer:{user}".parse::<Grant>().unwrap().of(None), None);
        assert!("news:*".parse::<Grant>().unwrap().of(None).is_some());
    }

    #[test]
    fn a_grant_that_grows_too_long_grants_nothing() {
        assert_eq!(granted(&format!("{}:{{user}}", "a".repeat(180)), &"ä".repeat(20)), None);
    }
}
