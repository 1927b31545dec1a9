//! Credentials in every place where they may stand: unsigned ones are refused.
#![no_main]

use axum::body::Body;
use fuzz::{House, SECRET};
use http::{Request, StatusCode, header};
use jsonwebtoken::{EncodingKey, Header, encode};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

thread_local!(static HOUSE: House = House::default());

fuzz_target!(|bytes: &[u8]| {
    let Some((place, credentials)) = bytes.split_first() else { return };
    HOUSE.with(|house| {
        let signed = |claims: &Map<String, Value>| {
            encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET)).expect("claims are JSON")
        };
        let claims: Option<Map<String, Value>> = serde_json::from_slice(credentials).ok();
        let text = String::from_utf8_lossy(credentials);
        let escaped: String = credentials.iter().map(|byte| format!("%{byte:02X}")).collect();
        let bearer = |token: &[u8]| {
            Request::get("/check").header(header::AUTHORIZATION, [b"Bearer ", token].concat()).body(Body::empty())
        };
        let request = match place % 6 {
            0 => bearer(credentials),
            1 => Request::get("/check").header(header::AUTHORIZATION, credentials).body(Body::empty()),
            2 => Request::get("/check").header(header::COOKIE, format!("token={text}")).body(Body::empty()),
            3 => Request::get(format!("/check?token={escaped}")).body(Body::empty()),
            4 => Request::get(format!("/?ticket={escaped}")).body(Body::empty()),
            _ => match &claims {
                Some(claims) => bearer(signed(claims).as_bytes()),
                None => return,
            },
        };
        // Text that is not valid in a header does not reach the server.
        let Ok(request) = request else { return };
        let answer = house.call(request);
        match (place % 6, claims) {
            (5, Some(claims)) if answer.status == StatusCode::OK => {
                let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
                assert_eq!(&answer["userId"], claims.get("sub").unwrap_or(&Value::Null));
                assert!(claims["exp"].is_number());
            }
            (5, _) => assert!(matches!(answer.status.as_u16(), 401), "{}", answer.status),
            _ => assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "a request without a signed token was accepted"),
        }
    });
});
