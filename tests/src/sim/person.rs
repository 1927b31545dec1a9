//! The people of the simulation: their identities, and what each of them may receive.

use tidings::{Event, Hub, Origin, PublishError, Receipt, UserId, record::Audience, record::Entry};
use tidings_client::routes::Hears;
use tidings_protocol::Pattern;

/// A tab: its user, device and session.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) user: &'static str,
    pub(super) device: &'static str,
    pub(super) session: String,
}

/// Two tabs of one device, and another user; where tabs share, also his tab in her browser, and her third tab.
pub(super) const PEOPLE: [(&str, &str); 5] =
    [("ana", "d1"), ("ana", "d1"), ("bob", "d2"), ("bob", "d1"), ("ana", "d1")];

/// The channels that everyone may receive. `secret` and `*` only reach users whom the server has subscribed.
pub(super) const GRANTS: [&str; 6] = ["a", "a:*", "b", "b:*", "c", "unheard"];

/// The channels and patterns whose presence tabs watch.
pub(super) const ROOMS: [&str; 6] = ["a", "b", "a:x", "a:*", "*", "c"];

/// The presence that everyone may see. One user may see all.
pub(super) const PRESENCE_GRANTS: [&str; 3] = ["a", "a:*", "b"];
pub(super) const SEES_ALL: &str = "ana";

/// Whether a user may see the presence on a pattern.
pub(super) fn sees(user: &str, pattern: &Pattern) -> bool {
    user == SEES_ALL || !matches!(pattern.as_str(), "*" | "c")
}

/// Whether the grants cover a pattern.
pub(super) fn is_granted(pattern: &Pattern) -> bool {
    !matches!(pattern.as_str(), "secret" | "*")
}

/// The patterns that tabs subscribe to. The last two are refused unless the server has subscribed the user.
pub(super) const PATTERNS: [&str; 10] = ["a", "b", "c", "a:x", "a:*", "a:*", "b:*", "a:x:*", "secret", "*"];

/// The patterns to which the server subscribes users: one partly covered by grants, one not covered, and everything.
pub(super) const GIFTS: [&str; 4] = ["secret", "secret", "a:*", "*"];

/// The labels that tabs listen to by `on`.
pub(super) const LABELS: [&str; 4] = ["note", "a", "*", "note:*"];

impl Person {
    pub(super) fn new(index: usize, incarnation: u32) -> Self {
        let (user, device) = PEOPLE[index];
        Self { user, device, session: format!("s{index}-{incarnation}") }
    }

    /// Whether the record may be sent to this tab at all.
    pub(super) fn may_see(&self, entry: &Entry) -> bool {
        let hidden = entry.except.as_ref().is_some_and(|except| {
            except.user_id.as_str() == self.user
                && except.session_id.as_ref().is_some_and(|session| session.as_str() == self.session)
        });
        self.shares(entry) && !hidden
    }

    /// Whether the record may come on a stream that the tab shares with others.
    pub(super) fn shares(&self, entry: &Entry) -> bool {
        let addressed = match &entry.audience {
            Audience::Channel => true,
            Audience::Control(_) | Audience::Void => false,
            Audience::Users(users) => users.iter().any(|user| user.as_str() == self.user),
            Audience::Device(user, device) => user.as_str() == self.user && device.as_str() == self.device,
        };
        let hidden = entry.except.as_ref().is_some_and(|except| {
            except.user_id.as_str() == self.user
                && except.device_id.as_ref().is_some_and(|device| device.as_str() == self.device)
        });
        addressed && !hidden
    }

    /// Whether a handler of this tab must get the record.
    pub(super) fn hears(&self, hears: Hears, pattern: &Pattern, entry: &Entry) -> bool {
        let kind = match entry.audience {
            Audience::Channel => Hears::Channels,
            _ => Hears::Addressed,
        };
        kind == hears && pattern.overlaps(&entry.channel) && self.may_see(entry)
    }

    fn origin(&self) -> Origin {
        Origin::new(self.device.parse().ok(), self.session.parse().ok())
    }
}

/// The receivers of an event.
#[derive(Debug, Clone, Copy)]
enum Topic {
    Channel(&'static str),
    User(&'static str, &'static str),
    Everybody(&'static str),
    Device(&'static str, &'static str, &'static str),
}

const TOPICS: [Topic; 16] = [
    Topic::Channel("a"),
    Topic::Channel("a"),
    Topic::Channel("b"),
    Topic::Channel("c"),
    Topic::Channel("a:x"),
    Topic::Channel("a:y"),
    Topic::Channel("a:x:z"),
    Topic::Channel("a:*"),
    Topic::Channel("b:1"),
    Topic::Channel("*"),
    Topic::Channel("secret"),
    Topic::User("ana", "note"),
    Topic::User("bob", "a"),
    Topic::Everybody("note"),
    Topic::Device("ana", "d1", "note:1"),
    Topic::Device("bob", "d1", "note"),
];

/// The tab or device from which an event is hidden.
#[derive(Debug, Clone)]
pub(super) enum Hide {
    Nobody,
    Tab(Person),
    Device(Person),
}

/// One event, published as often as necessary, always with one key.
#[derive(Debug, Clone)]
pub(super) struct Publication {
    pub(super) number: usize,
    topic: Topic,
    hide: Hide,
    bytes: usize,
    text: &'static str,
}

/// The number of topics.
pub(super) const TOPIC_COUNT: usize = TOPICS.len();

impl Publication {
    pub(super) fn new(number: usize, topic: usize, hide: Hide, bytes: usize) -> Self {
        Self { number, topic: TOPICS[topic % TOPIC_COUNT], hide, bytes, text: "x" }
    }

    /// The same with this text.
    pub(super) fn saying(self, text: &'static str) -> Self {
        Self { text, bytes: 1, ..self }
    }

    fn event(&self) -> Event {
        let label = match self.topic {
            Topic::Channel(label) | Topic::User(_, label) | Topic::Everybody(label) | Topic::Device(_, _, label) => {
                label
            }
        };
        let payload = (self.number, self.text.repeat(self.bytes));
        let event = Event::new(label, "t", &payload).and_then(|event| event.key(format!("k{}", self.number)));
        let event = event.expect("a good event");
        let of = |person: &Person| person.origin().of(&UserId::new(person.user).expect("a user id"));
        match &self.hide {
            Hide::Nobody => event,
            Hide::Tab(person) => event.except(&of(person)),
            Hide::Device(person) => event.except(of(person).device()),
        }
    }

    pub(super) async fn publish(self, hub: Hub) -> Result<Receipt, PublishError> {
        let event = self.event();
        match self.topic {
            Topic::Channel(_) => hub.publish(event).await,
            Topic::User(user, _) => hub.to_user(user).publish(event).await,
            Topic::Everybody(_) => hub.to_users(["ana", "bob"]).publish(event).await,
            Topic::Device(user, device, _) => hub.to_device(user, device).publish(event).await,
        }
    }
}
