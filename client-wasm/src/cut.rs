//! Taking a text apart. The standard library's searchers would cost the browser a kilobyte.

/// A text up to the first such byte, which is ASCII, and what follows it.
pub(crate) fn cut(text: &str, at: u8) -> (&str, &str) {
    let index = text.bytes().position(|byte| byte == at);
    match index.and_then(|index| text.split_at_checked(index)) {
        Some((before, after)) => (before, after.get(1..).unwrap_or_default()),
        None => (text, ""),
    }
}
