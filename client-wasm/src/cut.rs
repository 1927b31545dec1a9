//! Taking a text apart. The standard library's searchers would cost the browser a kilobyte.

/// A text up to the first such byte, which is ASCII, and what follows it.
pub(crate) fn cut(text: &str, at: u8) -> (&str, &str) {
    match text.bytes().position(|byte| byte == at) {
        Some(index) => (text.get(..index).unwrap_or_default(), text.get(index + 1..).unwrap_or_default()),
        None => (text, ""),
    }
}
