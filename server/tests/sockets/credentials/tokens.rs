//! JSON Web Tokens, in headers and in the URL.

use super::*;

fn soon() -> u64 {
    jsonwebtoken::get_current_timestamp() + 600
}

#[tokio::test]
async fn a_token_lets_in_with_the_grants_that_it_holds() {
    let fixture = with(jwt()).await;
    let grants = json!({"subscribe": ["room:{user}"]});
    let token = token(&json!({"sub": "ana", "exp": soon(), "tidings": grants}));
    let mut stream = fixture.stream(&token, &[("channels", "room:ana,room:bob")]).await;
    assert_eq!(stream.connected.data["channels"], json!(["room:ana"]));
    assert_eq!(stream.connected.data["rejected"], json!([{"channel": "room:bob", "code": "forbidden"}]));
    let left = stream.connected.data["expiresIn"].as_u64().unwrap();
    assert!((600..=630).contains(&left), "{left}, leeway included");
    fixture.publish("room:ana", "hers").await;
    stream.hears("hers").await;
}

#[tokio::test]
async fn each_way_of_being_bad_has_its_code() {
    let fixture = with(jwt().audience("tidings").issuer("login")).await;
    let good = json!({"sub": "ana", "exp": soon(), "aud": "tidings", "iss": "login"});
    assert_eq!(check(&fixture, &token(&good)).await.good(), json!({"userId": "ana"}));
    let spoilt = |claim: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        claims[claim] = value;
        token(&claims)
    };
    for (token, code) in [
        (String::new(), "credentialsMissing"),
        ("opaque".into(), "credentialsMalformed"),
        (format!("{}x", token(&good)), "credentialsInvalid"),
        (spoilt("exp", 1.into()), "credentialsExpired"),
        (spoilt("nbf", soon().into()), "credentialsNotYetValid"),
        (spoilt("aud", "billing".into()), "credentialsWrongAudience"),
        (spoilt("iss", "evil".into()), "credentialsWrongIssuer"),
        (spoilt("sub", 7.into()), "credentialsInvalid"),
    ] {
        let answer = check(&fixture, &token).await;
        answer.is_problem(401, code);
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
}

#[tokio::test]
async fn a_token_in_the_url_is_taken_only_where_that_is_switched_on() {
    let token = token(&json!({"sub": "ana", "exp": soon()}));
    let query = [("token", &*token)];
    with(jwt()).await.client("").get("/check", &query).await.is_problem(401, "credentialsMissing");
    with(jwt().token_parameter()).await.client("").get("/check", &query).await.good();
}

#[tokio::test]
async fn a_bad_token_is_not_replaced_by_a_cookie() {
    let session =
        |request: AuthRequest| async move { Identity::user(request.cookie("session").ok_or(AuthError::Missing)?) };
    let fixture = with(jwt().or(session)).await;
    let cookie = |token| fixture.client(token).header("cookie", "session=bob");
    assert_eq!(cookie("").get("/check", &[]).await.good(), json!({"userId": "bob"}));
    cookie("opaque").get("/check", &[]).await.is_problem(401, "credentialsMalformed");
    let anas = token(&json!({"sub": "ana", "exp": soon()}));
    assert_eq!(cookie(&anas).get("/check", &[]).await.good(), json!({"userId": "ana"}));
}

async fn check(fixture: &Fixture, token: &str) -> Answer {
    fixture.client(token).get("/check", &[]).await
}
