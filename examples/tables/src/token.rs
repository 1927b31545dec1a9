//! Short tokens: a session gets one by `POST /tables/token`, and everything else here asks for it.

use std::time::Duration;

use axum::{
    Json,
    extract::{FromRef, FromRequestParts, State},
};
use http::{header, request::Parts};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use shared::{Db, Error, User, now_ms};
use tidings::auth::{Jwt, JwtKey};

/// Makes and checks tokens. The secret is in the database, so that tokens outlive a restart.
#[derive(Clone)]
pub(crate) struct Tokens {
    secret: Vec<u8>,
    lifetime: Duration,
}

#[derive(Serialize, Deserialize)]
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

/// A request with a good token.
pub(crate) struct Bearer;

impl Tokens {
    pub(crate) fn open(db: &Db, lifetime: Duration) -> anyhow::Result<Self> {
        let mut fresh = vec![0; 32];
        getrandom::fill(&mut fresh)?;
        let secret = db.transact_now(move |tx| {
            tx.execute("INSERT INTO secrets SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM secrets)", [fresh])?;
            Ok(tx.query_row("SELECT bytes FROM secrets", [], |row| row.get(0))?)
        })?;
        Ok(Self { secret, lifetime })
    }

    /// The same tokens open the stream, which ends when they do unless the client brings a fresh one.
    pub(crate) fn auth(&self) -> anyhow::Result<Jwt> {
        Ok(Jwt::new(JwtKey::hs256(&self.secret)?).leeway(Duration::ZERO))
    }

    fn is_good(&self, token: &str) -> bool {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.leeway = 0;
        jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_secret(&self.secret), &rules).is_ok()
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
        let line = parts.headers.get(header::AUTHORIZATION).and_then(|line| line.to_str().ok());
        let token = line.and_then(|line| line.strip_prefix("Bearer ")).ok_or(Error::NotLoggedIn)?;
        if Tokens::from_ref(state).is_good(token) { Ok(Self) } else { Err(Error::NotLoggedIn) }
    }
}
