//! Short-lived tokens: a session gets one from `POST /tables/token`, and every other route here requires one.

use std::time::Duration;

use axum::{
    Json,
    extract::{FromRef, FromRequestParts, State},
};
use http::request::Parts;
use jsonwebtoken::{EncodingKey, Header};
use serde::Serialize;
use shared::{Db, Error, User, now_ms};
use tidings::auth::{Auth, AuthRequest, Jwt, JwtKey};

/// Makes and verifies tokens. The secret is in the database, so that tokens survive a restart.
#[derive(Clone)]
pub(crate) struct Tokens {
    secret: Vec<u8>,
    jwt: Jwt,
    lifetime: Duration,
}

#[derive(Serialize)]
struct Claims {
    sub: String,
    iat: i64,
    exp: i64,
}

/// The answer to `POST /tables/token`.
#[derive(Serialize)]
pub(crate) struct Issued {
    token: String,
}

/// A request with a valid token.
pub(crate) struct Bearer;

impl Tokens {
    pub(crate) fn open(db: &Db, lifetime: Duration) -> anyhow::Result<Self> {
        let mut fresh = vec![0; 32];
        getrandom::fill(&mut fresh)?;
        let secret = db.transact_now(move |tx| {
            tx.execute("INSERT INTO secrets SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM secrets)", [fresh])?;
            Ok(tx.query_row("SELECT bytes FROM secrets", [], |row| row.get(0))?)
        })?;
        let jwt = Jwt::new(JwtKey::hs256(&secret)?).leeway(Duration::ZERO);
        Ok(Self { secret, jwt, lifetime })
    }

    /// Authentication for the stream with the same tokens. The stream ends with its token unless the client brings a
    /// fresh one.
    pub(crate) fn auth(&self) -> Jwt {
        self.jwt.clone()
    }
}

/// `POST /tables/token`.
pub(crate) async fn issue(State(tokens): State<Tokens>, user: User) -> Result<Json<Issued>, Error> {
    let iat = now_ms() / 1000;
    let exp = iat + i64::try_from(tokens.lifetime.as_secs()).unwrap_or(i64::MAX);
    let claims = Claims { sub: user.id.to_string(), iat, exp };
    let token = jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(&tokens.secret));
    Ok(Json(Issued { token: token.map_err(|error| Error::Internal(error.into()))? }))
}

impl<S: Send + Sync> FromRequestParts<S> for Bearer
where
    Tokens: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Ok(request) = AuthRequest::from_request_parts(parts, state).await;
        let known = Tokens::from_ref(state).auth().authenticate(request).await;
        known.map(|_| Self).map_err(|_| Error::NotLoggedIn)
    }
}
