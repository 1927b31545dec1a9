//! URLs and bodies. By hand: they are few and short, and every formatter costs the browser a kilobyte.

use tidings_protocol::{Cursor, Pattern, segment};

use super::Identity;

/// At most so many bytes of channels, escapes included, stand in a URL; proxies refuse lines that are much longer.
const CHANNEL_BYTES: usize = 2_000;

/// Where the server's router is mounted.
#[derive(Debug)]
pub(super) struct Address {
    path: String,
    query: String,
}

impl Address {
    pub(super) fn new(url: &str) -> Self {
        let url = url.split('#').next().unwrap_or_default();
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        Self { path: path.to_owned(), query: query.to_owned() }
    }

    /// A path below the base path. The URL's own query stays: the application may have put credentials there.
    pub(super) fn below(&self, name: &str) -> String {
        let mut url = self.path.trim_end_matches('/').to_owned();
        url.push('/');
        url.push_str(name);
        if !self.query.is_empty() {
            url.push('?');
            url.push_str(&self.query);
        }
        url
    }

    /// The stream's URL.
    pub(super) fn stream(
        &self,
        channels: &str,
        identity: &Identity,
        cursor: Option<Cursor>,
        seen: Option<Cursor>,
    ) -> String {
        let mut url = self.path.clone();
        url.push('?');
        url.push_str(&self.query);
        let mut add = |name: &str, value: &str| {
            if !url.ends_with(['?', '&']) {
                url.push('&');
            }
            url.push_str(name);
            url.push('=');
            url.push_str(value);
        };
        if !channels.is_empty() {
            add("channels", channels);
        }
        add("deviceId", &segment(&identity.device_id));
        add("sessionId", &segment(&identity.session_id));
        if let Some(cursor) = cursor {
            add("lastEventId", &cursor.to_string());
        }
        if let Some(seen) = seen.filter(|seen| Some(*seen) != cursor) {
            add("seen", &seen.to_string());
        }
        url
    }
}

/// Adds a channel to the list in a URL, unless it would become too long.
pub(super) fn list(channels: &mut String, channel: &Pattern) -> bool {
    // Of all that a channel may hold, only `%` means something else in a query.
    let escapes = channel.as_str().bytes().filter(|&byte| byte == b'%').count();
    let comma = usize::from(!channels.is_empty());
    if channels.len() + comma + channel.as_str().len() + 2 * escapes > CHANNEL_BYTES {
        return false;
    }
    if comma == 1 {
        channels.push(',');
    }
    for (index, part) in channel.as_str().split('%').enumerate() {
        if index > 0 {
            channels.push_str("%25");
        }
        channels.push_str(part);
    }
    true
}

/// The body of a subscribe or unsubscribe call.
pub(super) fn body(connection_id: &str, request_id: &str, channels: &[Pattern], since: Option<Cursor>) -> String {
    let mut body = String::from("{\"connectionId\":\"");
    for part in connection_id.chars() {
        if matches!(part, '"' | '\\') {
            body.push('\\');
        }
        body.push(part);
    }
    body.push_str("\",\"requestId\":\"");
    body.push_str(request_id);
    body.push_str("\",\"channels\":[");
    for (index, channel) in channels.iter().enumerate() {
        body.push_str(if index == 0 { "\"" } else { ",\"" });
        body.push_str(channel.as_str());
        body.push('"');
    }
    body.push(']');
    if let Some(since) = since {
        body.push_str(",\"since\":\"");
        body.push_str(&since.to_string());
        body.push('"');
    }
    body.push('}');
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity { device_id: "d+1".into(), session_id: "s1".into() }
    }

    #[test]
    fn the_urls_own_query_is_kept_and_its_fragment_dropped() {
        let address = Address::new("https://x.org/api/events?user=ana&x=1#top");
        assert_eq!(
            address.stream("", &identity(), None, None),
            "https://x.org/api/events?user=ana&x=1&deviceId=d%2B1&sessionId=s1"
        );
        assert_eq!(address.below("subscribe"), "https://x.org/api/events/subscribe?user=ana&x=1");
        assert_eq!(Address::new("/events/").below("check"), "/events/check");
    }

    #[test]
    fn the_stream_says_cursor_and_what_was_seen_beyond_it() {
        let address = Address::new("/e");
        let (cursor, seen) = ("a.1.2".parse().ok(), "a.7.3".parse().ok());
        assert_eq!(
            address.stream("a,b", &identity(), cursor, seen),
            "/e?channels=a,b&deviceId=d%2B1&sessionId=s1&lastEventId=a.1.2&seen=a.7.3"
        );
        assert!(!address.stream("", &identity(), cursor, cursor).contains("seen"));
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
        let channels = ["a:*".parse().unwrap(), "b".parse().unwrap()];
        assert_eq!(
            body(r#"n"\1"#, "7", &channels, "a.1.2".parse().ok()),
            r#"{"connectionId":"n\"\\1","requestId":"7","channels":["a:*","b"],"since":"a.1.2"}"#
        );
    }
}
