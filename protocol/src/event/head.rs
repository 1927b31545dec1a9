//! The head of an event: the fields by which a reader decides whether anyone needs the rest.

use super::Addressee;

/// The fields of an event that decide who receives it, as slices of its data. `payload`, which Tidings always writes as
/// the last field, is neither read nor validated.
///
/// ```
/// use tidings_protocol::event::Head;
/// let data = r#"{"channel":"a:b","type":"t","source":{"userId":"u"},"timestamp":"…","payload":{"…":[]}}"#;
/// let head = Head::read(data.as_bytes()).unwrap();
/// assert_eq!((head.channel, head.to, head.excludes), (&b"a:b"[..], None, false));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// The channel, or the label; not validated.
    pub channel: &'a [u8],
    /// The kind of receiver, if the event is addressed.
    pub to: Option<Addressee>,
    /// Whether the event is hidden from a tab or device.
    pub excludes: bool,
}

impl<'a> Head<'a> {
    /// Reads the head. Returns `None` for data that Tidings does not write in this way (an escape in a name, for
    /// example, or a missing field), and for data that is not an event: use a full JSON parser then.
    #[must_use]
    pub fn read(data: &'a [u8]) -> Option<Self> {
        let mut scan = Scan { rest: data };
        let mut head = Self { channel: b"", to: None, excludes: false };
        scan.take(b'{')?;
        loop {
            let name = scan.string()?;
            scan.take(b':')?;
            match name {
                b"payload" => break,
                b"channel" => head.channel = scan.string()?,
                b"to" => {
                    head.to = Some(match scan.string()? {
                        b"user" => Addressee::User,
                        b"device" => Addressee::Device,
                        _ => return None,
                    });
                }
                _ => {
                    head.excludes |= name == b"except";
                    scan.skip()?;
                }
            }
            scan.take(b',')?;
        }
        (!head.channel.is_empty()).then_some(head)
    }
}

/// Walks over JSON without white space between its tokens.
struct Scan<'a> {
    rest: &'a [u8],
}

impl<'a> Scan<'a> {
    fn take(&mut self, byte: u8) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        (*first == byte).then_some(())
    }

    /// A string without escapes.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let length = self.rest.iter().position(|&byte| byte == b'"' || byte == b'\\')?;
        let (string, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        self.take(b'"')?;
        Some(string)
    }

    /// Skips a value, up to the comma that follows it at its own level.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.rest.first()? {
                b',' if depth == 0 => return Some(()),
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.checked_sub(1)?,
                _ => {}
            }
            self.rest = self.rest.get(1..)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(data: &str) -> Option<(&str, Option<Addressee>, bool)> {
        let head = Head::read(data.as_bytes())?;
        Some((std::str::from_utf8(head.channel).unwrap(), head.to, head.excludes))
    }

    #[test]
    fn fields_may_come_in_any_order_before_the_payload() {
        let data =
            r#"{"except":{"userId":"u","sessionId":"s"},"to":"device","channel":"a","n":[1,{"x":2}],"payload":1}"#;
        assert_eq!(head(data), Some(("a", Some(Addressee::Device), true)));
    }

    #[test]
    fn the_payload_is_not_looked_at() {
        let data = r#"{"channel":"a","payload":{"channel":"b","unfinished"#;
        assert_eq!(head(data), Some(("a", None, false)));
    }

    #[test]
    fn a_text_inside_a_value_is_no_field() {
        let data = r#"{"channel":"a","type":"\"","payload":1}"#;
        assert_eq!(head(data), None, "data with escapes is left to a full parser");
        let data = r#"{"channel":"a","type":"},\u007b","payload":1}"#;
        assert_eq!(head(data), None);
        let data = r#"{"channel":"a","type":"}],[{","payload":1}"#;
        assert_eq!(head(data), Some(("a", None, false)));
    }

    #[test]
    fn a_frame_that_lacks_a_field_or_is_no_event_has_no_head() {
        for data in [
            "",
            "{",
            "{}",
            "[]",
            "null",
            r#"{"payload":1}"#,
            r#"{"channel":"a"}"#,
            r#"{"payload":1,"channel":"a"}"#,
            r#"{ "channel":"a","payload":1}"#,
            r#"{"channel":7,"payload":1}"#,
            r#"{"channel":"a","to":"all","payload":1}"#,
            r#"{"channel":"a","n":],"payload":1}"#,
        ] {
            assert_eq!(head(data), None, "{data}");
        }
    }
}
