//! Parsing and formatting of texts by hand: the standard library's code for it costs the browser a kilobyte for each
//! kind.

/// Splits a text at the first such byte, which is ASCII: the part before it, and the part after it.
pub(crate) fn cut(text: &str, at: u8) -> (&str, &str) {
    let index = text.bytes().position(|byte| byte == at);
    match index.and_then(|index| text.split_at_checked(index)) {
        Some((before, after)) => (before, after.get(1..).unwrap_or_default()),
        None => (text, ""),
    }
}

/// A number, with or without a plus.
#[inline(never)]
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    // A number with this many digits fits.
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut number = 0;
    for byte in digits.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    Some(number)
}

/// A number of 32 bits.
#[inline(never)]
pub(crate) fn small(text: &str) -> Option<u32> {
    decimal(text).and_then(|number| u32::try_from(number).ok())
}

/// The digits of a number.
pub(crate) const DECIMAL: &str = "0123456789";

/// A number's text.
pub(crate) fn text_of(number: u32) -> String {
    let mut text = String::new();
    push_number(&mut text, u64::from(number), DECIMAL);
    text
}

/// Adds a number in the base given by the number of digits.
pub(crate) fn push_number(out: &mut String, number: u64, digits: &str) {
    let radix = digits.len() as u64;
    if number >= radix {
        push_number(out, number / radix, digits);
    }
    let digit = usize::try_from(number % radix).unwrap_or_default();
    out.push_str(digits.get(digit..=digit).unwrap_or_default());
}

/// Adds the result of `tidings_protocol::segment`, without its formatter.
pub(crate) fn push_escaped(out: &mut String, id: &str) {
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"_.@~-".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(if byte < 16 { "%0" } else { "%" });
            push_number(out, u64::from(byte), UPPER_HEX);
        }
    }
}

pub(crate) const HEX: &str = "0123456789abcdef";
pub(crate) const BASE36: &str = "0123456789abcdefghijklmnopqrstuvwxyz";
const UPPER_HEX: &str = "0123456789ABCDEF";

#[cfg(test)]
mod tests {
    #[test]
    fn a_text_is_escaped_as_the_protocol_escapes_it() {
        let every: String = (1..128_u8).map(char::from).collect();
        let mut escaped = String::new();
        super::push_escaped(&mut escaped, &every);
        assert_eq!(escaped, tidings_protocol::segment(&every));
    }
}
