//! The event stream by its standard, on the whole text at once: the model that the decoder is compared with, here and
//! by the fuzzer.

/// The outcome of a stream: the messages as (event, data, last event id), the last event id, the reconnection time.
pub(crate) type Outcome = (Vec<(String, String, String)>, String, Option<u64>);

/// WHATWG HTML, section 9.2.5 and 9.2.6, step by step.
pub(crate) fn reference(stream: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<&str> = text.split('\n').collect();
    lines.pop(); // The text after the last line end is not a line.

    let (mut data, mut event_type, mut id_buffer) = (String::new(), String::new(), String::new());
    let (mut last_event_id, mut retry, mut messages) = (String::new(), None, Vec::new());
    for line in lines {
        if line.is_empty() {
            last_event_id.clone_from(&id_buffer);
            if let Some(data) = data.strip_suffix('\n') {
                let event = if event_type.is_empty() { "message" } else { &event_type };
                messages.push((event.to_owned(), data.to_owned(), last_event_id.clone()));
            }
            data.clear();
            event_type.clear();
            continue;
        }
        if line.starts_with(':') {
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut event_type),
            "data" => data = data + value + "\n",
            "id" if !value.contains('\0') => value.clone_into(&mut id_buffer),
            "retry" if !value.is_empty() && value.chars().all(|c| c.is_ascii_digit()) => {
                retry = Some(value.parse().unwrap_or(u64::MAX));
            }
            _ => {}
        }
    }
    (messages, last_event_id, retry)
}
