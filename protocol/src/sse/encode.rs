//! Writing an event stream.

use std::fmt::Write;

use super::decode::line_end;
use crate::Cursor;

/// Appends one SSE event: `id:` where there is one, `event:` where it is not the default, one `data:` line per line of
/// `data`, and the empty line that dispatches it.
///
/// `data` may hold anything: CR, LF and CRLF each end a `data:` line, so no text can forge a field or a frame (a reader
/// joins the lines with LF, and JSON has no raw line ends inside its strings). `event` is one of this crate's names; it
/// would be cut at a line end.
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

/// Appends the reconnection time, in milliseconds, for browsers that reconnect by themselves.
pub fn retry(out: &mut String, milliseconds: u64) {
    let _ = write!(out, "retry: {milliseconds}\n\n");
}
