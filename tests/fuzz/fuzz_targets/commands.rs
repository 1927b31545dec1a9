//! The bodies and queries of every call.
#![no_main]

use axum::body::Body;
use fuzz::House;
use http::{Method, Request, StatusCode, header};
use libfuzzer_sys::fuzz_target;

thread_local!(static HOUSE: House = House::default());

/// A placeholder in an input for the open stream's id, which an input cannot know.
const CONNECTION: &str = "$C";
/// The calls, chosen by the first byte of an input. The seeds depend on their order.
const CALLS: [(Method, &str); 13] = [
    (Method::POST, "/subscribe"),
    (Method::POST, "/unsubscribe"),
    (Method::POST, "/publish"),
    (Method::POST, "/refresh"),
    (Method::POST, "/ticket"),
    (Method::POST, "/alive"),
    (Method::POST, "/presence"),
    (Method::POST, "/nowhere"),
    (Method::GET, "/"),
    (Method::GET, "/check"),
    (Method::GET, "/presence"),
    (Method::POST, "/latency"),
    (Method::POST, "/poll"),
];

fuzz_target!(|bytes: &[u8]| {
    let Some((which, rest)) = bytes.split_first() else { return };
    HOUSE.with(|house| {
        let (method, path) = &CALLS[usize::from(*which) % CALLS.len()];
        let request = Request::builder().header("x-user", "ana");
        let request = if method == Method::POST {
            let body = match std::str::from_utf8(rest) {
                // `waitMs` is disabled, because a fuzz run must not wait.
                Ok(text) => text.replace(CONNECTION, &house.connection).replace("waitMs", "wait").into_bytes(),
                Err(_) => rest.to_vec(),
            };
            let request = request.method(Method::POST).uri(*path).header(header::CONTENT_TYPE, "application/json");
            request.body(Body::from(body))
        } else {
            // A query that is not valid in a URI does not reach a handler.
            let Ok(query) = std::str::from_utf8(rest) else { return };
            request.uri(format!("{path}?{query}")).body(Body::empty())
        };
        let Ok(request) = request else { return };
        let _ = house.call(request);
        let check = Request::get("/check").header("x-user", "ana").body(Body::empty());
        assert_eq!(house.call(check.expect("a request")).status, StatusCode::OK);
    });
});
