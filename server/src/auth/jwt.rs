//! JSON Web Tokens (RFC 7519).

mod key;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use jsonwebtoken::{Header, Validation, decode, decode_header, errors::ErrorKind};
pub use key::{JwtKey, JwtKeyError, JwtKeys};
use parking_lot::RwLock;
use serde_json::{Map, Value};

use super::{Auth, AuthError, AuthRequest, Grant, Identity};

/// Authenticates by JSON Web Tokens, from `Authorization: Bearer` and other places that are switched on.
///
/// A token must be signed by one of the keys, with the algorithm **of that key** (the token's own header chooses
/// nothing), and must have an `exp` that has not passed. `nbf` is honoured where present. A token with an `aud` is
/// accepted only if [`audience`](Self::audience) names it (RFC 7519, section 4.1.3); where an audience or an issuer is
/// configured, a token without that claim is refused.
///
/// The claim `iat` says whether a token is older than a [revocation](crate::Hub::revoke).
///
/// The claim `sub` is the user; a token without it is anonymous. The token may carry grants, in which `{user}` stands
/// for the user:
///
/// ```json
/// {"sub": "ana", "exp": 1767225600, "tidings": {"subscribe": ["timer:{user}", "room:7"], "publish": ["room:7"],
/// "presence": ["room:7"]}}
/// ```
///
/// ```
/// use tidings::auth::{Auth, Jwt, JwtKey};
/// # let secret = [7; 32];
/// # fn check(_: impl Auth) {}
/// let auth = Jwt::new(JwtKey::hs256(secret)?).audience("tidings").issuer("https://login.example").allow("timer:{user}")?;
/// # check(auth);
///
/// // The public keys of an identity provider, replaced when it rotates them. Each has its own algorithm and `kid`.
/// # let fetched = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// let jwt = Jwt::new(tidings::auth::JwtKeys::jwks(fetched)?).audience("tidings");
/// let auth = jwt.clone().allow("timer:{user}")?;
/// # check(auth);
/// jwt.replace_keys(tidings::auth::JwtKeys::jwks(fetched)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Jwt {
    keys: Arc<RwLock<Arc<JwtKeys>>>,
    audiences: Vec<String>,
    issuers: Vec<String>,
    leeway: Duration,
    user_claim: String,
    grants_claim: String,
    cookie: Option<String>,
    token_parameter: bool,
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { audiences, issuers, .. } = self;
        f.debug_struct("Jwt").field("audiences", audiences).field("issuers", issuers).finish_non_exhaustive()
    }
}

impl Jwt {
    /// Accepts tokens signed by one of these keys.
    #[must_use]
    pub fn new(keys: impl Into<JwtKeys>) -> Self {
        Self {
            keys: Arc::new(RwLock::new(Arc::new(keys.into()))),
            audiences: Vec::new(),
            issuers: Vec::new(),
            leeway: Duration::from_secs(30),
            user_claim: "sub".into(),
            grants_claim: "tidings".into(),
            cookie: None,
            token_parameter: false,
        }
    }

    /// Accepts tokens with this `aud`. Call it again to accept further ones.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Accepts only tokens with this `iss`. Call it again to accept further ones.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuers.push(issuer.into());
        self
    }

    /// How far the clocks of issuer and hub may differ; at most an hour. Defaults to 30 s.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway.min(Duration::from_secs(3_600));
        self
    }

    /// The claim that holds the user's id. Defaults to `sub`.
    #[must_use]
    pub fn user_claim(mut self, name: impl Into<String>) -> Self {
        self.user_claim = name.into();
        self
    }

    /// The claim that holds the grants. Defaults to `tidings`.
    #[must_use]
    pub fn grants_claim(mut self, name: impl Into<String>) -> Self {
        self.grants_claim = name.into();
        self
    }

    /// Also looks for the token in this cookie, if there is no `Authorization` header.
    #[must_use]
    pub fn cookie(mut self, name: impl Into<String>) -> Self {
        self.cookie = Some(name.into());
        self
    }

    /// Also looks for the token in the query parameter `token`, if it is nowhere else. Off by default, because proxies
    /// log URLs and the token with them. [Tickets](crate::Routes::tickets) are better for clients that can set no
    /// header.
    #[must_use]
    pub fn token_parameter(mut self) -> Self {
        self.token_parameter = true;
        self
    }

    /// Replaces the keys, in all clones, after the issuer has rotated its keys.
    pub fn replace_keys(&self, keys: impl Into<JwtKeys>) {
        *self.keys.write() = Arc::new(keys.into());
    }

    fn token(&self, request: &AuthRequest) -> Option<String> {
        let cookie = || request.cookie(self.cookie.as_deref()?);
        let parameter = || request.query("token").filter(|_| self.token_parameter);
        request.bearer().map(str::to_owned).or_else(cookie).or_else(parameter)
    }

    /// The claims of a token that passes every check.
    fn verify(&self, token: &str) -> Result<Map<String, Value>, AuthError> {
        let header = decode_header(token).map_err(|_| AuthError::Malformed)?;
        // A token may demand that its reader understands an extension (RFC 7515, section 4.1.11). This reader
        // understands none.
        if header.crit.is_some() {
            return Err(AuthError::Invalid);
        }
        let keys = self.keys.read().clone();
        let mut known = false;
        for key in keys.of(header.kid.as_deref()) {
            known = true;
            if key.algorithm != header.alg {
                continue;
            }
            match decode::<Map<String, Value>>(token, &key.key, &self.validation(&header)) {
                Ok(token) => return Ok(token.claims),
                Err(error) => match error.into_kind() {
                    ErrorKind::InvalidSignature => {}
                    kind => return Err(refused(&kind)),
                },
            }
        }
        Err(if known { AuthError::Invalid } else { AuthError::UnknownKey })
    }

    fn validation(&self, header: &Header) -> Validation {
        // The algorithm of the header was compared with the key's above.
        let mut validation = Validation::new(header.alg);
        validation.leeway = self.leeway.as_secs();
        validation.validate_nbf = true;
        if !self.audiences.is_empty() {
            validation.set_audience(&self.audiences);
            validation.required_spec_claims.insert("aud".into());
        }
        if !self.issuers.is_empty() {
            validation.set_issuer(&self.issuers);
            validation.required_spec_claims.insert("iss".into());
        }
        validation
    }

    fn identity(&self, claims: &Map<String, Value>) -> Result<Identity, AuthError> {
        let mut identity = match claims.get(&self.user_claim) {
            None | Some(Value::Null) => Identity::anonymous(),
            Some(Value::String(user)) => Identity::user(user)?,
            Some(_) => return Err(AuthError::Invalid),
        };
        for grant in self.grants(claims, "subscribe")? {
            identity = identity.allow(grant)?;
        }
        for grant in self.grants(claims, "publish")? {
            identity = identity.allow_publish(grant)?;
        }
        for grant in self.grants(claims, "presence")? {
            identity = identity.allow_presence(grant)?;
        }
        let time =
            |claim| claims.get(claim).and_then(Value::as_f64).and_then(|time| Duration::try_from_secs_f64(time).ok());
        if let Some(issued) = time("iat").and_then(|iat| SystemTime::UNIX_EPOCH.checked_add(iat)) {
            identity = identity.issued_at(issued);
        }
        let expires = time("exp").and_then(|exp| SystemTime::UNIX_EPOCH.checked_add(exp)?.checked_add(self.leeway));
        Ok(match expires {
            Some(time) => identity.expires_at(time),
            // The time lies beyond what `SystemTime` can hold.
            None => identity,
        })
    }

    fn grants(&self, claims: &Map<String, Value>, kind: &str) -> Result<Vec<Grant>, AuthError> {
        let Some(list) = claims.get(&self.grants_claim).and_then(|grants| grants.get(kind)) else {
            return Ok(Vec::new());
        };
        let list = list.as_array().ok_or(AuthError::Invalid)?;
        let grant = |text: &Value| text.as_str().and_then(|text| text.parse().ok()).ok_or(AuthError::Invalid);
        list.iter().map(grant).collect()
    }
}

fn refused(kind: &ErrorKind) -> AuthError {
    match kind {
        ErrorKind::ExpiredSignature => AuthError::Expired,
        ErrorKind::ImmatureSignature => AuthError::NotYetValid,
        ErrorKind::InvalidAudience => AuthError::WrongAudience,
        ErrorKind::InvalidIssuer => AuthError::WrongIssuer,
        ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => AuthError::WrongAudience,
        ErrorKind::MissingRequiredClaim(claim) if claim == "iss" => AuthError::WrongIssuer,
        ErrorKind::InvalidToken | ErrorKind::Base64(_) | ErrorKind::Json(_) | ErrorKind::Utf8(_) => {
            AuthError::Malformed
        }
        _ => AuthError::Invalid,
    }
}

#[async_trait]
impl Auth for Jwt {
    async fn authenticate(&self, request: AuthRequest) -> Result<Identity, AuthError> {
        let token = self.token(&request).ok_or(AuthError::Missing)?;
        self.identity(&self.verify(&token)?)
    }
}

#[cfg(test)]
mod tests;
