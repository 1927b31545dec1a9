use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};

use super::*;

const SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcdef";
const OTHER_SECRET: &[u8; 32] = b"fedcba9876543210fedcba9876543210";

/// The file is read while the test runs: private keys are not published with the crate, whose tests must compile all
/// the same.
macro_rules! pem {
    ($name:literal) => {
        &std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/", $name, ".pem"))
            .expect("a key of the repository")[..]
    };
}

fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

/// Valid claims of Ana, changed by `spoil`.
fn claims(spoil: impl FnOnce(&mut Value)) -> Value {
    let mut claims = json!({"sub": "ana", "exp": now() + 600});
    spoil(&mut claims);
    claims
}

fn signed_by(key: &EncodingKey, header: &Header, claims: &Value) -> String {
    // The provider is installed as in `checked`; the first one to do so wins.
    let _ = JwtKey::hs256(SECRET);
    encode(header, claims, key).unwrap()
}

fn signed(claims: &Value) -> String {
    signed_by(&EncodingKey::from_secret(SECRET), &Header::new(Algorithm::HS256), claims)
}

fn jwt() -> Jwt {
    Jwt::new(JwtKey::hs256(SECRET).unwrap())
}

fn request(uri: &str, header: Option<(&str, String)>) -> AuthRequest {
    let mut request = http::Request::get(uri);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    AuthRequest::new(request.body(()).unwrap().into_parts().0)
}

async fn bearer(jwt: &Jwt, token: &str) -> Result<Identity, AuthError> {
    jwt.authenticate(request("/", Some(("authorization", format!("Bearer {token}"))))).await
}

/// The result for a token with these claims.
async fn told(jwt: Jwt, spoil: impl FnOnce(&mut Value)) -> &'static str {
    match bearer(&jwt, &signed(&claims(spoil))).await {
        Ok(_) => "in",
        Err(error) => error.problem().code.as_str(),
    }
}

fn refusal(result: Result<Identity, AuthError>) -> &'static str {
    result.unwrap_err().problem().code.as_str()
}

#[tokio::test]
async fn each_algorithm_lets_in_what_its_own_key_signed_and_nothing_else() {
    let kinds: [(_, _, EncodingKey, Algorithm); 4] = [
        ("HS256", JwtKey::hs256(SECRET), EncodingKey::from_secret(SECRET), Algorithm::HS256),
        (
            "RS256",
            JwtKey::rs256(pem!("rsa.public")),
            EncodingKey::from_rsa_pem(pem!("rsa.private")).unwrap(),
            Algorithm::RS256,
        ),
        (
            "ES256",
            JwtKey::es256(pem!("p256.public")),
            EncodingKey::from_ec_pem(pem!("p256.private")).unwrap(),
            Algorithm::ES256,
        ),
        (
            "EdDSA",
            JwtKey::eddsa(pem!("ed25519.public")),
            EncodingKey::from_ed_pem(pem!("ed25519.private")).unwrap(),
            Algorithm::EdDSA,
        ),
    ];
    let kinds = kinds.map(|(name, key, signer, algorithm)| {
        let token = signed_by(&signer, &Header::new(algorithm), &claims(|_| ()));
        (name, Jwt::new(key.unwrap()), token)
    });
    for (taker, jwt, _) in &kinds {
        for (giver, _, token) in &kinds {
            let result = bearer(jwt, token).await;
            if taker == giver {
                assert_eq!(result.unwrap().user_id().unwrap().as_str(), "ana", "{taker}");
            } else {
                assert_eq!(refusal(result), "credentialsInvalid", "{giver} for {taker}");
            }
        }
    }
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    let confused = EncodingKey::from_secret(pem!("rsa.public"));
    let token = signed_by(&confused, &Header::new(Algorithm::HS256), &claims(|_| ()));
    let jwt = Jwt::new(JwtKey::rs256(pem!("rsa.public")).unwrap());
    assert_eq!(refusal(bearer(&jwt, &token).await), "credentialsInvalid");
}

#[tokio::test]
async fn an_algorithm_of_the_same_family_is_another_one() {
    let token = signed_by(&EncodingKey::from_secret(SECRET), &Header::new(Algorithm::HS512), &claims(|_| ()));
    assert_eq!(refusal(bearer(&jwt(), &token).await), "credentialsInvalid");
}

#[tokio::test]
async fn the_algorithm_none_is_none() {
    // {"alg":"none"}, {"sub":"ana","exp":99999999999}
    let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbmEiLCJleHAiOjk5OTk5OTk5OTk5fQ.";
    assert_eq!(refusal(bearer(&jwt(), token).await), "credentialsMalformed");
}

#[tokio::test]
async fn a_text_that_is_no_token_is_malformed() {
    for text in ["", "x", "a.b.c", "..", "eyJhbGciOiJIUzI1NiJ9", "opaque-session-id", "a.b.c.d"] {
        assert_eq!(refusal(bearer(&jwt(), text).await), "credentialsMalformed", "{text}");
    }
}

#[tokio::test]
async fn a_token_signed_with_another_secret_is_invalid() {
    let token = signed_by(&EncodingKey::from_secret(OTHER_SECRET), &Header::default(), &claims(|_| ()));
    assert_eq!(refusal(bearer(&jwt(), &token).await), "credentialsInvalid");
}

#[tokio::test]
async fn a_token_with_a_changed_payload_is_invalid() {
    let (ana, bob) = (signed(&claims(|_| ())), signed(&claims(|claims| claims["sub"] = "bob".into())));
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (ana, bob) = (parts(&ana), parts(&bob));
    let forged = format!("{}.{}.{}", ana[0], bob[1], ana[2]);
    assert_eq!(refusal(bearer(&jwt(), &forged).await), "credentialsInvalid");
}

#[tokio::test]
async fn an_extension_that_must_be_understood_is_not() {
    let header = Header { crit: Some(vec!["b64".into()]), ..Header::new(Algorithm::HS256) };
    let token = signed_by(&EncodingKey::from_secret(SECRET), &header, &claims(|_| ()));
    assert_eq!(refusal(bearer(&jwt(), &token).await), "credentialsInvalid");
}

#[tokio::test]
async fn the_time_of_a_token_is_honoured_within_the_leeway() {
    let at = |claim: &'static str, time: u64| move |claims: &mut Value| claims[claim] = time.into();
    assert_eq!(told(jwt(), at("exp", now() - 10)).await, "in");
    assert_eq!(told(jwt(), at("exp", now() - 40)).await, "credentialsExpired");
    assert_eq!(told(jwt().leeway(Duration::ZERO), at("exp", now() - 10)).await, "credentialsExpired");
    assert_eq!(told(jwt(), at("nbf", now() + 10)).await, "in");
    assert_eq!(told(jwt(), at("nbf", now() + 600)).await, "credentialsNotYetValid");
    assert_eq!(told(jwt(), at("exp", u64::MAX)).await, "in");
}

#[tokio::test]
async fn a_token_without_an_end_is_refused() {
    for end in [Value::Null, "soon".into(), (-1).into()] {
        assert_eq!(told(jwt(), |claims| claims["exp"] = end).await, "credentialsInvalid");
    }
}

#[tokio::test]
async fn the_audience_is_the_configured_one() {
    let for_us = || jwt().audience("tidings").audience("push");
    let aud = |aud: Value| move |claims: &mut Value| claims["aud"] = aud;
    assert_eq!(told(for_us(), aud("push".into())).await, "in");
    assert_eq!(told(for_us(), aud(json!(["billing", "tidings"]))).await, "in");
    assert_eq!(told(for_us(), aud("billing".into())).await, "credentialsWrongAudience");
    assert_eq!(told(for_us(), |_| ()).await, "credentialsWrongAudience");
    assert_eq!(told(jwt(), aud("billing".into())).await, "credentialsWrongAudience");
}

#[tokio::test]
async fn the_issuer_is_the_configured_one() {
    let trusting = || jwt().issuer("https://login.example");
    let iss = |iss: &'static str| move |claims: &mut Value| claims["iss"] = iss.into();
    assert_eq!(told(trusting(), iss("https://login.example")).await, "in");
    assert_eq!(told(trusting(), iss("https://login.example.evil")).await, "credentialsWrongIssuer");
    assert_eq!(told(trusting(), |_| ()).await, "credentialsWrongIssuer");
}

#[tokio::test]
async fn a_key_serves_the_tokens_that_name_it() {
    let old = JwtKey::hs256(SECRET).unwrap().id("2025");
    let new = JwtKey::hs256(OTHER_SECRET).unwrap().id("2026");
    let jwt = Jwt::new([old, new.clone()]);
    let token = |secret: &[u8], kid: Option<&str>| {
        let header = Header { kid: kid.map(str::to_owned), ..Header::default() };
        signed_by(&EncodingKey::from_secret(secret), &header, &claims(|_| ()))
    };
    assert!(bearer(&jwt, &token(SECRET, Some("2025"))).await.is_ok());
    assert!(bearer(&jwt, &token(OTHER_SECRET, Some("2026"))).await.is_ok());
    assert!(bearer(&jwt, &token(OTHER_SECRET, None)).await.is_ok());
    assert_eq!(refusal(bearer(&jwt, &token(SECRET, Some("2026"))).await), "credentialsInvalid");
    assert_eq!(refusal(bearer(&jwt, &token(SECRET, Some("2024"))).await), "credentialsUnknownKey");

    let clone = jwt.clone();
    jwt.replace_keys(new);
    assert_eq!(refusal(bearer(&clone, &token(SECRET, Some("2025"))).await), "credentialsUnknownKey");
}

#[tokio::test]
async fn a_jwks_document_brings_each_keys_algorithm_and_name() {
    let public = |key: &EncodingKey, algorithm, kid: &str| {
        let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
        jwk.common.key_id = Some(kid.into());
        serde_json::to_value(jwk).unwrap()
    };
    let rsa = EncodingKey::from_rsa_pem(pem!("rsa.private")).unwrap();
    let ec = EncodingKey::from_ec_pem(pem!("p256.private")).unwrap();
    let ed = EncodingKey::from_ed_pem(pem!("ed25519.private")).unwrap();
    let mut unnamed = public(&ec, Algorithm::ES256, "ec");
    unnamed.as_object_mut().unwrap().remove("alg");
    let for_else = |member: &str, value: serde_json::Value| {
        let mut key = public(&ed, Algorithm::EdDSA, "else");
        key[member] = value;
        key
    };
    let document = json!({"keys": [
        for_else("use", json!("enc")),
        for_else("key_ops", json!(["deriveKey"])),
        public(&rsa, Algorithm::RS256, "rsa"),
        unnamed,
        public(&ed, Algorithm::EdDSA, "ed"),
        {"kty": "oct", "kid": "secret", "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"},
        {"kty": "something new", "kid": "new"},
    ]});
    let jwt = Jwt::new(JwtKeys::jwks(&document.to_string()).unwrap());
    let token = |key, algorithm, kid: &str| {
        let header = Header { kid: Some(kid.into()), ..Header::new(algorithm) };
        signed_by(key, &header, &claims(|_| ()))
    };
    assert!(bearer(&jwt, &token(&rsa, Algorithm::RS256, "rsa")).await.is_ok());
    assert!(bearer(&jwt, &token(&ec, Algorithm::ES256, "ec")).await.is_ok());
    assert!(bearer(&jwt, &token(&ed, Algorithm::EdDSA, "ed")).await.is_ok());
    assert_eq!(refusal(bearer(&jwt, &token(&ed, Algorithm::EdDSA, "else")).await), "credentialsUnknownKey");
    // A document that others can fetch must not hold secrets.
    let secret = EncodingKey::from_secret(SECRET);
    assert_eq!(refusal(bearer(&jwt, &token(&secret, Algorithm::HS256, "secret")).await), "credentialsUnknownKey");
    assert_eq!(refusal(bearer(&jwt, &token(&rsa, Algorithm::RS512, "rsa")).await), "credentialsInvalid");
}

#[test]
fn a_jwks_document_without_a_key_for_us_is_told_at_start_up() {
    for document in ["", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#] {
        assert!(matches!(JwtKeys::jwks(document), Err(JwtKeyError::NoKeys)), "{document}");
    }
}

#[test]
fn a_key_that_cannot_be_used_is_told_at_start_up() {
    assert!(matches!(JwtKey::hs256("short"), Err(JwtKeyError::ShortSecret)));
    assert!(matches!(JwtKey::rs256(pem!("p256.public")), Err(JwtKeyError::NotAKey("RS256"))));
    assert!(matches!(JwtKey::es256(pem!("rsa.public")), Err(JwtKeyError::NotAKey("ES256"))));
    assert!(matches!(JwtKey::eddsa("no PEM"), Err(JwtKeyError::NotAKey("EdDSA"))));
}

#[tokio::test]
async fn grants_stand_in_the_token() {
    let grants = json!({"subscribe": ["timer:{user}", "room:7"], "publish": ["chat:*"], "presence": ["chat:{user}"]});
    let identity = bearer(&jwt(), &signed(&claims(|claims| claims["tidings"] = grants))).await.unwrap();
    let pattern = |text: &str| text.parse().unwrap();
    assert!(identity.may_listen(&pattern("timer:ana")) && identity.may_listen(&pattern("room:7")));
    assert!(!identity.may_listen(&pattern("timer:bob")) && !identity.may_listen(&pattern("chat:1")));
    assert!(identity.may_publish(&pattern("chat:1")) && !identity.may_publish(&pattern("room:7")));
    assert!(identity.may_watch(&pattern("chat:ana")) && !identity.may_watch(&pattern("room:7")));
}

#[tokio::test]
async fn grants_that_are_none_refuse_the_token() {
    for grants in [json!({"subscribe": "room:7"}), json!({"subscribe": ["a::b"]}), json!({"publish": [7]})] {
        assert_eq!(told(jwt(), |claims| claims["tidings"] = grants).await, "credentialsInvalid");
    }
}

#[tokio::test]
async fn the_user_is_the_configured_claim() {
    let token = signed(&claims(|claims| claims["uid"] = "u7".into()));
    assert_eq!(bearer(&jwt().user_claim("uid"), &token).await.unwrap().user_id().unwrap().as_str(), "u7");
    assert_eq!(bearer(&jwt().user_claim("nobody"), &token).await.unwrap().user_id(), None);
    assert_eq!(told(jwt(), |claims| claims["sub"] = 7.into()).await, "credentialsInvalid");
}

#[tokio::test]
async fn an_identity_ends_with_its_token() {
    let identity = bearer(&jwt(), &signed(&claims(|_| ()))).await.unwrap();
    let left = identity.expires_in().unwrap();
    assert!(left > Duration::from_secs(600) && left <= Duration::from_secs(630), "{left:?}, leeway included");
}

#[tokio::test]
async fn a_token_is_looked_for_only_where_it_was_switched_on() {
    let token = signed(&claims(|_| ()));
    let in_url = || request(&format!("/?token={token}"), None);
    let in_cookie = || request("/", Some(("cookie", format!("other=1; jwt={token}"))));
    assert_eq!(refusal(jwt().authenticate(in_url()).await), "credentialsMissing");
    assert_eq!(refusal(jwt().authenticate(in_cookie()).await), "credentialsMissing");
    assert!(jwt().token_parameter().authenticate(in_url()).await.is_ok());
    assert!(jwt().cookie("jwt").authenticate(in_cookie()).await.is_ok());
}

#[test]
fn its_debug_holds_no_key() {
    let key = JwtKey::hs256(SECRET).unwrap();
    let shown = format!("{:?} {key:?} {:?}", jwt(), JwtKeys::from(key.clone()));
    assert!(!shown.contains("0123456789") && !shown.contains("48, 49, 50"), "{shown}");
}
