//! Values that differ in each run, because a hub draws them or reads its clock: connection ids, and the time in the
//! greeting. A page receives another value of the same length in their place, so that a seed always sends it the same
//! bytes.

use bytes::BytesMut;

/// The field of the greeting that contains the connection id; the next constant is that of the time.
const ID: &str = "\"connectionId\":\"";
const TIME: &str = "\"timestamp\":\"";

/// The connections of a schedule.
#[derive(Debug, Default)]
pub(super) struct Aliases(Vec<String>);

impl Aliases {
    /// Copies a hub's write for a page, with aliases.
    pub(super) fn pass(&mut self, bytes: &[u8], out: &mut BytesMut) {
        let greets = std::str::from_utf8(bytes).ok().filter(|text| text.contains("event: connected\n"));
        let Some(text) = greets else { return out.extend_from_slice(bytes) };
        let (frame, rest) = text.split_once("\n\n").unwrap_or((text, ""));
        let Some(id) = between(frame, ID) else { return out.extend_from_slice(bytes) };
        let alias = self.alias(id);
        let frame = frame.replacen(id, &alias, 1);
        let time = between(&frame, TIME).unwrap_or_default();
        let zeros: String = time.chars().map(|one| if one.is_ascii_digit() { '0' } else { one }).collect();
        let frame =
            if time.is_empty() { frame.clone() } else { frame.replacen(time, &zeros.replace("00-00T", "01-01T"), 1) };
        out.extend_from_slice(frame.as_bytes());
        out.extend_from_slice(b"\n\n");
        out.extend_from_slice(rest.as_bytes());
    }

    fn alias(&mut self, id: &str) -> String {
        let number = self.0.iter().position(|one| one == id).unwrap_or_else(|| {
            self.0.push(id.to_owned());
            self.0.len() - 1
        });
        name(number, id.len())
    }

    /// Replaces aliases in a page's text by the hub's values.
    pub(super) fn meant(&self, mut text: String) -> String {
        for (number, id) in self.0.iter().enumerate() {
            text = text.replace(&name(number, id.len()), id);
        }
        text
    }
}

/// An alias. Its part before the point is no node's id.
fn name(number: usize, length: usize) -> String {
    format!("alias{number:0width$}", width = length.saturating_sub("alias".len()))
}

fn between<'t>(text: &'t str, before: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once('"')?.0)
}
