//! The SSE decoder compared with the standard, and the encoder, whose output the decoder reads back.
#![no_main]

#[path = "../../protocol/tests/model/stream.rs"]
mod stream_model;

use libfuzzer_sys::fuzz_target;
use stream_model::reference;
use tidings_protocol::{
    Cursor,
    sse::{self, Decoder},
};

fuzz_target!(|bytes: &[u8]| {
    let Some((how, stream)) = bytes.split_first() else { return };
    if *how == 0 {
        return round_trip(stream);
    }
    let whole = reference(stream);
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    for chunk in stream.chunks(usize::from(*how)) {
        let pushed =
            decoder.push(chunk, |m| messages.push((m.event.to_owned(), m.data.to_owned(), m.last_event_id.to_owned())));
        pushed.expect("shorter than the limit");
    }
    assert_eq!((messages, decoder.last_event_id().into_owned(), decoder.retry()), whole);

    // A decoder with a small limit refuses; the events before that are a prefix of all events.
    let mut limited = Decoder::with_limit(usize::from(*how));
    let mut count = 0;
    let _ = limited.push(stream, |m| {
        let (event, data, id) = &whole.0[count];
        assert_eq!((m.event, m.data, m.last_event_id), (&**event, &**data, &**id));
        count += 1;
    });
});

/// Any data is written as one event, and is read back unchanged except that each line end becomes LF.
fn round_trip(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let id = Cursor { epoch: 1, seq: 2, tag: 3 };
    let mut out = String::new();
    sse::encode(&mut out, Some("backfill"), Some(&id), &text);
    let (messages, ..) = reference(out.as_bytes());
    let expected = text.replace("\r\n", "\n").replace('\r', "\n");
    assert_eq!(messages, [("backfill".to_owned(), expected, id.to_string())]);
}
