//! The published payload: JSON that contains the time at which it was due, in nanoseconds of this process's clock,
//! padded to the required length.

use std::{sync::LazyLock, time::Instant};

/// How a payload begins; the digits follow. No server writes anything else that looks like it.
pub const MARK: &[u8] = b"{\"t\":";
/// How many digits follow the mark, always.
pub const DIGITS: usize = 15;
/// The length of a mark with its digits.
pub const STAMP: usize = MARK.len() + DIGITS;

/// The default length of a payload.
pub const BYTES: usize = 200;
/// The first stamp, so that every stamp has the same number of digits: JSON allows no leading zeros. The range lasts
/// for ten days.
const FIRST: u64 = 100_000_000_000_000;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A moment as a number in a payload.
#[must_use]
pub fn stamp(at: Instant) -> u64 {
    FIRST + u64::try_from(at.saturating_duration_since(*START).as_nanos()).unwrap_or(0)
}

/// The payload, of this many bytes, of an event that was due at this stamp.
#[must_use]
pub fn payload(due: u64, bytes: usize) -> String {
    let mut text = format!("{{\"t\":{due},\"pad\":\"");
    let pad = bytes.saturating_sub(text.len() + 2);
    text.extend(std::iter::repeat_n('x', pad));
    text.push_str("\"}");
    text
}

/// The digits of a stamp as a number; `None` if the text is not digits.
#[must_use]
pub fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |number: u64, byte| byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_json_of_its_size_and_says_when() {
        let due = stamp(Instant::now());
        assert_eq!(payload(due, 2_000).len(), 2_000);
        let text = payload(due, BYTES);
        assert_eq!(text.len(), BYTES);
        assert!(text.as_bytes().starts_with(MARK));
        assert_eq!(digits(&text.as_bytes()[MARK.len()..STAMP]), Some(due));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["t"], due);
    }
}
