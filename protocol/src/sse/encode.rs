//! Encoding an event stream.

use std::{borrow::Cow, fmt::Write};

use super::decode::line_end;
use crate::Cursor;

/// Appends one SSE event: `id:` if there is one, `event:` if it is not the default, one `data:` line per line of
/// `data`, and the blank line that dispatches it.
///
/// `data` may contain anything: CR, LF and CRLF each end a `data:` line, so no text can forge a field or a frame (a
/// reader joins the lines with LF, and JSON has no raw line ends inside its strings). `event` must be one of this
/// crate's names; it would be cut at a line end.
///
/// ```
/// use tidings_protocol::sse;
/// let mut out = String::new();
/// sse::encode(&mut out, Some("gap"), None, "{}\nid: forged");
/// assert_eq!(out, "event: gap\ndata: {}\ndata: id: forged\n\n");
/// ```
pub fn encode(out: &mut String, event: Option<&str>, id: Option<&Cursor>, data: &str) {
    if let Some(id) = id {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "id: {id}");
    }
    if let Some(event) = event {
        out.push_str("event: ");
        out.push_str(event.split(['\r', '\n']).next().unwrap_or_default());
        out.push('\n');
    }
    let mut rest = data;
    loop {
        let end = line_end(rest.as_bytes());
        out.push_str("data: ");
        out.push_str(&rest[..end.unwrap_or(rest.len())]);
        out.push('\n');
        let Some(end) = end else { break };
        let width = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[end + width..];
    }
    out.push('\n');
}

/// Appends the reconnection time in milliseconds, for browsers that reconnect by themselves. It belongs to the block of
/// the event that follows: some clients take a block of its own for an empty message.
///
/// ```
/// use tidings_protocol::sse;
/// let mut out = String::new();
/// sse::retry(&mut out, 1_000);
/// sse::encode(&mut out, Some("connected"), None, "{}");
/// assert_eq!(out, "retry: 1000\nevent: connected\ndata: {}\n\n");
/// ```
pub fn retry(out: &mut String, milliseconds: u64) {
    let _ = writeln!(out, "retry: {milliseconds}");
}

/// The same JSON with U+0085, U+2028 and U+2029 escaped. The standard ends a line at CR and LF only; line splitters in
/// Python and elsewhere also split at these characters, and would cut a payload in two.
///
/// ```
/// use tidings_protocol::sse;
/// assert_eq!(sse::escape("[\"\u{2028}\"]"), "[\"\\u2028\"]");
/// ```
#[must_use]
pub fn escape(json: &str) -> Cow<'_, str> {
    const SEPARATORS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];
    // Most events are ASCII, which is checked sixteen bytes at a time; of the others, nearly none contains the first
    // bytes of these characters.
    if json.is_ascii() || !json.bytes().any(|byte| byte == 0xc2 || byte == 0xe2) || !json.contains(SEPARATORS) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for char in json.chars() {
        // In JSON these characters occur inside strings only.
        if SEPARATORS.contains(&char) {
            let _ = write!(escaped, "\\u{:04x}", u32::from(char));
        } else {
            escaped.push(char);
        }
    }
    Cow::Owned(escaped)
}
