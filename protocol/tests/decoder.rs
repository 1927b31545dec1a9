//! The decoder against a reference that follows the standard literally, on the whole text at once.

#[path = "model/stream.rs"]
mod stream_model;

use proptest::prelude::*;
use stream_model::{Outcome, reference};
use tidings_protocol::{
    Cursor,
    sse::{self, DecodeError, Decoder},
};

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    for chunk in chunks {
        decoder
            .push(chunk, |m| messages.push((m.event.to_owned(), m.data.to_owned(), m.last_event_id.to_owned())))
            .unwrap();
    }
    (messages, decoder.last_event_id().into_owned(), decoder.retry())
}

/// The stream cut at these places (modulo the remaining length).
fn cut<'a>(mut stream: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    for place in places {
        let (chunk, rest) = stream.split_at(place % (stream.len() + 1));
        chunks.push(chunk);
        stream = rest;
    }
    chunks.push(stream);
    chunks
}

/// Bytes that often form fields, line ends, byte-order marks and broken characters.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "data",
            "data:",
            "data: ",
            "event: ",
            "event",
            "id:",
            "id: 7",
            "id",
            "id: a\0b",
            "retry: 15",
            "retry:1x",
            "retry:",
            "retry: 99999999999999999999",
            ":",
            ": note",
            "unknown: x",
            " ",
            "Data: x",
            "\u{feff}",
            "ü",
            "😀",
            "x",
            "\0",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::sample::select(vec!["\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n"])
            .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Any text, with many characters of the stream's syntax.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "\n",
            "\r",
            "\r\n",
            "\n\n",
            "id: 9",
            "event: gap",
            "data: {}",
            ":",
            " ",
            "\0",
            "\u{feff}"
        ])
        .prop_map(str::to_owned),
        ".{0,6}".prop_map(|text| text),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_decoder_agrees_with_the_standard_however_the_stream_is_cut(
        stream in stream(),
        places in prop::collection::vec(0usize..64, 0..12),
    ) {
        let expected = reference(&stream);
        prop_assert_eq!(&decode([&stream[..]]), &expected);
        prop_assert_eq!(&decode(cut(&stream, &places)), &expected);
        prop_assert_eq!(&decode(stream.chunks(1)), &expected);
    }

    #[test]
    fn encoded_events_decode_and_no_text_forges_a_field_or_a_frame(
        events in prop::collection::vec((text(), text(), any::<Option<(u32, u64, u32)>>()), 0..5),
        places in prop::collection::vec(0usize..64, 0..8),
    ) {
        let mut stream = String::new();
        sse::retry(&mut stream, 1500);
        let (mut expected, mut last) = (Vec::new(), String::new());
        for (name, data, id) in &events {
            let id = id.map(|(epoch, seq, tag)| Cursor { epoch, seq, tag });
            sse::encode(&mut stream, Some(name), id.as_ref(), data);
            last = id.map_or(last, |id| id.to_string());
            let name = name.split(['\r', '\n']).next().unwrap();
            let name = if name.is_empty() { "message" } else { name };
            let data = data.replace("\r\n", "\n").replace('\r', "\n");
            expected.push((name.to_owned(), data, last.clone()));
        }
        prop_assert_eq!(decode(cut(stream.as_bytes(), &places)), (expected, last, Some(1500)));
    }

    #[test]
    fn the_limit_falls_at_the_same_place_however_the_stream_is_cut(
        stream in stream(),
        places in prop::collection::vec(0usize..64, 0..12),
        limit in 0usize..40,
    ) {
        let run = |chunks: Vec<&[u8]>| {
            let mut decoder = Decoder::with_limit(limit);
            let mut messages = Vec::new();
            let result = chunks.into_iter().try_for_each(|chunk| {
                decoder.push(chunk, |m| messages.push((m.event.to_owned(), m.data.to_owned())))
            });
            (messages, result)
        };
        prop_assert_eq!(run(vec![&stream]), run(cut(&stream, &places)));
    }
}

#[test]
fn a_line_without_end_is_refused_and_so_is_all_that_follows() {
    let mut decoder = Decoder::with_limit(10);
    let mut seen = 0;
    decoder.push(b"data:12345\n\n", |_| seen += 1).unwrap();
    decoder.push(b"data:1234", |_| seen += 1).unwrap();
    assert_eq!(decoder.push(b"56", |_| seen += 1), Err(DecodeError { limit: 10 }));
    assert_eq!(decoder.push(b"\n\ndata\n\n", |_| seen += 1), Err(DecodeError { limit: 10 }));
    assert_eq!(seen, 1);
}

#[test]
fn an_event_of_endless_lines_is_refused() {
    let mut decoder = Decoder::with_limit(10);
    decoder.push(b"data: a\n", |_| ()).unwrap();
    let result = (0..10).try_for_each(|_| decoder.push(b"data: a\n", |_| ()));
    assert_eq!(result, Err(DecodeError { limit: 10 }));
}

#[test]
fn a_data_line_within_one_chunk_is_not_copied() {
    let chunk = b"data: {\"a\":1}\n\n";
    let mut within = false;
    Decoder::new().push(chunk, |m| within = chunk.as_ptr_range().contains(&m.data.as_ptr())).unwrap();
    assert!(within);
}
