//! URLs and bodies. They are written by hand: they are few and short, and every formatter costs the browser a kilobyte.

use tidings_protocol::Pattern;

use super::{
    cursors::{Cursors, push_cursor},
    sharing::Call,
};
use crate::text::{DECIMAL, cut, push_escaped, push_number};

/// The most bytes of channels in a URL, escapes included; proxies refuse much longer lines.
const CHANNEL_BYTES: usize = 2_000;

/// The edition of the protocol that this client uses, at the end of a URL.
const PROTOCOL: &str = "&protocol=2";
const _: () = assert!(tidings_protocol::EDITION == 2, "as in `PROTOCOL`, and in the URL of a stream");

/// The URL at which the server's router is mounted.
#[derive(Debug)]
pub(super) struct Address {
    path: String,
    query: String,
}

impl Address {
    pub(super) fn new(url: &str) -> Self {
        let (url, _) = cut(url, b'#');
        let (mut path, query) = cut(url, b'?');
        // A trailing slash makes no difference, unless it is the whole path.
        while let Some(shorter) = path.strip_suffix('/').filter(|shorter| !shorter.is_empty()) {
            path = shorter;
        }
        Self { path: path.to_owned(), query: query.to_owned() }
    }

    /// A path below the base path. The URL's own query is kept, because the application may have put credentials there.
    pub(super) fn below(&self, name: &str) -> String {
        let mut url = self.path.clone();
        if url != "/" {
            url.push('/');
        }
        url.push_str(name);
        if !self.query.is_empty() {
            url.push('?');
            url.push_str(&self.query);
        }
        url
    }

    /// The URL at which the server reports whose the credentials are, and whether they are valid on this device.
    pub(super) fn check(&self, device_id: &str) -> String {
        let mut url = self.below("check");
        url.push(if self.query.is_empty() { '?' } else { '&' });
        url.push_str("deviceId=");
        push_escaped(&mut url, device_id);
        url.push_str(PROTOCOL);
        url
    }

    /// The stream's URL.
    pub(super) fn stream(
        &self,
        channels: &str,
        device_id: &str,
        session_id: Option<&str>,
        cursor: &Option<Cursors>,
        seen: &Option<Cursors>,
        ticket: &str,
    ) -> String {
        let mut url = self.path.clone();
        url.push('?');
        url.push_str(&self.query);
        if !channels.is_empty() {
            add(&mut url, "channels=");
            url.push_str(channels);
        }
        add(&mut url, "deviceId=");
        push_escaped(&mut url, device_id);
        if let Some(session_id) = session_id {
            add(&mut url, "sessionId=");
            push_escaped(&mut url, session_id);
        }
        if let Some(cursor) = cursor {
            add(&mut url, "lastEventId=");
            cursor.push_to(&mut url);
        }
        let mut first = true;
        for seen in seen.iter().flat_map(Cursors::as_slice) {
            if cursor.as_ref().and_then(|cursor| cursor.of(seen.epoch)) == Some(*seen) {
                continue;
            }
            if std::mem::take(&mut first) {
                add(&mut url, "seen=");
            } else {
                url.push(',');
            }
            push_cursor(&mut url, *seen);
        }
        if !ticket.is_empty() {
            add(&mut url, "ticket=");
            push_escaped(&mut url, ticket);
        }
        url
    }
}

/// Begins a parameter.
#[inline(never)]
pub(super) fn add(url: &mut String, name: &str) {
    if !matches!(url.as_bytes().last(), Some(b'?' | b'&')) {
        url.push('&');
    }
    url.push_str(name);
}

/// Adds a channel to the list in a URL, unless the URL would become too long. Says whether it did.
pub(super) fn list(channels: &mut String, channel: &Pattern) -> bool {
    // Of all characters of a channel, only `%` has another meaning in a query.
    let escapes = channel.as_str().bytes().filter(|&byte| byte == b'%').count();
    let comma = usize::from(!channels.is_empty());
    if channels.len() + comma + channel.as_str().len() + 2 * escapes > CHANNEL_BYTES {
        return false;
    }
    if comma == 1 {
        channels.push(',');
    }
    push_with(channels, channel.as_str(), b'%', "%25");
    true
}

/// The path and the body of a call on a stream.
pub(super) fn call_body(connection_id: &str, number: u32, call: &Call) -> (&'static str, String) {
    let mut body = object("connectionId", connection_id);
    let (name, channels) = match call {
        Call::Subscribe { channels, .. } => ("subscribe", channels),
        Call::Unsubscribe { channels } => ("unsubscribe", channels),
        Call::Presence { channels } => ("presence", channels),
        Call::Alive => return ("alive", body),
    };
    body.pop();
    let revises = name == "presence";
    body.push_str(if revises { ",\"revision\":" } else { ",\"requestId\":\"" });
    push_number(&mut body, u64::from(number), DECIMAL);
    if !revises {
        body.push('"');
    }
    body.push_str(",\"channels\":[");
    for (index, channel) in channels.iter().enumerate() {
        body.push_str(if index == 0 { "\"" } else { ",\"" });
        body.push_str(channel.as_str());
        body.push('"');
    }
    body.push(']');
    if let Call::Subscribe { addressed: true, .. } = call {
        body.push_str(",\"addressed\":true");
    }
    if let Call::Subscribe { since: Some(since), .. } = call {
        body.push_str(",\"since\":\"");
        since.push_to(&mut body);
        body.push('"');
    }
    body.push('}');
    (name, body)
}

/// The body of a report on how long events took.
pub(super) fn times_body(connection_id: &str, times: &[u64]) -> String {
    let mut body = object("connectionId", connection_id);
    body.pop();
    body.push_str(",\"ms\":");
    for (index, time) in times.iter().enumerate() {
        body.push(if index == 0 { '[' } else { ',' });
        push_number(&mut body, *time, DECIMAL);
    }
    body.push_str("]}");
    body
}

/// A body that holds one text, of visible ASCII.
pub(super) fn object(name: &str, value: &str) -> String {
    let mut slashed = String::new();
    push_with(&mut slashed, value, b'\\', "\\\\");
    let mut body = String::from("{\"");
    body.push_str(name);
    body.push_str("\":\"");
    push_with(&mut body, &slashed, b'"', "\\\"");
    body.push_str("\"}");
    body
}

/// Adds a text with one ASCII byte replaced.
fn push_with(out: &mut String, text: &str, byte: u8, instead: &str) {
    let mut rest = text;
    loop {
        let (part, after) = cut(rest, byte);
        out.push_str(part);
        if part.len() == rest.len() {
            break;
        }
        out.push_str(instead);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_urls_own_query_is_kept_and_its_fragment_dropped() {
        let address = Address::new("https://x.org/api/events?user=ana&x=1#top");
        assert_eq!(
            address.stream("", "d+1", Some("s1"), &None, &None, ""),
            "https://x.org/api/events?user=ana&x=1&deviceId=d%2B1&sessionId=s1"
        );
        assert_eq!(address.below("subscribe"), "https://x.org/api/events/subscribe?user=ana&x=1");
        assert_eq!(address.check("d+1"), "https://x.org/api/events/check?user=ana&x=1&deviceId=d%2B1&protocol=2");
        assert_eq!(Address::new("/events/").check("d"), "/events/check?deviceId=d&protocol=2");
        assert_eq!(Address::new("/events//").stream("", "d", None, &None, &None, ""), "/events?deviceId=d");
        assert_eq!(Address::new("/").stream("", "d", None, &None, &None, ""), "/?deviceId=d");
        assert_eq!(Address::new("/").below("subscribe"), "/subscribe");
    }

    #[test]
    fn the_stream_says_cursor_and_what_was_seen_beyond_it() {
        let address = Address::new("/e");
        let [cursor, seen] = ["a.1.2", "a.7.3"].map(|text| text.parse().ok());
        assert_eq!(
            address.stream("a,b", "d+1", Some("s1"), &cursor, &seen, "n1.x&y"),
            "/e?channels=a,b&deviceId=d%2B1&sessionId=s1&lastEventId=a.1.2&seen=a.7.3&ticket=n1.x%26y"
        );
        assert!(!address.stream("", "d", None, &cursor, &cursor, "").contains("seen"));
    }

    #[test]
    fn the_url_names_the_cursor_of_each_log_and_the_latest_one_seen() {
        let [cursor, seen] = ["a.1.2,b.9.1", "a.7.3,b.9.1"].map(|text| text.parse().ok());
        assert_eq!(
            Address::new("/e").stream("", "d", None, &cursor, &seen, ""),
            "/e?deviceId=d&lastEventId=a.1.2,b.9.1&seen=a.7.3"
        );
    }

    #[test]
    fn a_stream_for_several_tabs_names_no_session() {
        assert_eq!(Address::new("/e").stream("", "d", None, &None, &None, ""), "/e?deviceId=d");
    }

    #[test]
    fn a_channel_list_ends_at_its_limit_and_escapes_what_is_escaped() {
        let mut channels = String::new();
        assert!(list(&mut channels, &"a:x%2Fy".parse().unwrap()));
        assert!(list(&mut channels, &"b:*".parse().unwrap()));
        assert_eq!(channels, "a:x%252Fy,b:*");

        let long: Pattern = "c".repeat(200).parse().unwrap();
        while list(&mut channels, &long) {}
        assert!(channels.len() > CHANNEL_BYTES - 201 && channels.len() <= CHANNEL_BYTES);
    }

    #[test]
    fn a_body_is_json_whatever_the_connection_is_called() {
        let channels: Vec<Pattern> = ["a:*".parse().unwrap(), "b".parse().unwrap()].into();
        let since = "a.1.2".parse().ok();
        let subscribe = Call::Subscribe { channels: channels.clone(), addressed: false, since };
        assert_eq!(
            call_body(r#"n"\1"#, 7, &subscribe),
            (
                "subscribe",
                r#"{"connectionId":"n\"\\1","requestId":"7","channels":["a:*","b"],"since":"a.1.2"}"#.to_owned()
            )
        );
        let addressed = Call::Subscribe { channels: Vec::new(), addressed: true, since };
        assert_eq!(
            call_body("n1", 7, &addressed).1,
            r#"{"connectionId":"n1","requestId":"7","channels":[],"addressed":true,"since":"a.1.2"}"#
        );
        assert_eq!(
            call_body("n1", 7, &Call::Presence { channels }),
            ("presence", r#"{"connectionId":"n1","revision":7,"channels":["a:*","b"]}"#.to_owned())
        );
        assert_eq!(call_body("n1", 7, &Call::Alive), ("alive", r#"{"connectionId":"n1"}"#.to_owned()));
    }
}
