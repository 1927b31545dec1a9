//! The keys that tokens are signed with.

use jsonwebtoken::{
    Algorithm, DecodingKey,
    crypto::rust_crypto::DEFAULT_PROVIDER,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, KeyOperations, PublicKeyUse},
};

/// The shortest secret of HS256, in bytes (RFC 7518, section 3.2).
const SECRET_BYTES: usize = 32;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwtKeyError {
    /// The secret is short enough to be guessed.
    #[error("a secret for HS256 must have at least {SECRET_BYTES} bytes")]
    ShortSecret,
    /// The text is not a readable public key for this algorithm.
    #[error("the key is not a readable public key for {0}")]
    NotAKey(&'static str),
    /// The text is not a JWKS document, or contains no key that could verify a token here.
    #[error("the text is not a JWKS document with a key for RS256, ES256 or EdDSA")]
    NoKeys,
}

/// A key, and the one algorithm it is used with.
#[derive(Clone)]
pub struct JwtKey {
    pub(super) key: DecodingKey,
    pub(super) algorithm: Algorithm,
    id: Option<String>,
}

impl std::fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtKey").field("algorithm", &self.algorithm).field("id", &self.id).finish_non_exhaustive()
    }
}

impl JwtKey {
    /// A secret shared with the issuer, for HS256.
    ///
    /// # Errors
    ///
    /// [`JwtKeyError::ShortSecret`] below 32 bytes.
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, JwtKeyError> {
        if secret.as_ref().len() < SECRET_BYTES {
            return Err(JwtKeyError::ShortSecret);
        }
        Self::checked(DecodingKey::from_secret(secret.as_ref()), Algorithm::HS256, "HS256")
    }

    /// An RSA public key in PEM, for RS256.
    ///
    /// # Errors
    ///
    /// [`JwtKeyError::NotAKey`].
    pub fn rs256(pem: impl AsRef<[u8]>) -> Result<Self, JwtKeyError> {
        let key = DecodingKey::from_rsa_pem(pem.as_ref()).map_err(|_| JwtKeyError::NotAKey("RS256"))?;
        Self::checked(key, Algorithm::RS256, "RS256")
    }

    /// A P-256 public key in PEM, for ES256.
    ///
    /// # Errors
    ///
    /// [`JwtKeyError::NotAKey`].
    pub fn es256(pem: impl AsRef<[u8]>) -> Result<Self, JwtKeyError> {
        let key = DecodingKey::from_ec_pem(pem.as_ref()).map_err(|_| JwtKeyError::NotAKey("ES256"))?;
        Self::checked(key, Algorithm::ES256, "ES256")
    }

    /// An Ed25519 public key in PEM, for EdDSA.
    ///
    /// # Errors
    ///
    /// [`JwtKeyError::NotAKey`].
    pub fn eddsa(pem: impl AsRef<[u8]>) -> Result<Self, JwtKeyError> {
        let key = DecodingKey::from_ed_pem(pem.as_ref()).map_err(|_| JwtKeyError::NotAKey("EdDSA"))?;
        Self::checked(key, Algorithm::EdDSA, "EdDSA")
    }

    /// Restricts the key to tokens with this `kid` or without a `kid`. Defaults to all tokens.
    #[must_use]
    pub fn id(mut self, kid: impl Into<String>) -> Self {
        self.id = Some(kid.into());
        self
    }

    /// Rejects a key now that would make every later token fail.
    fn checked(key: DecodingKey, algorithm: Algorithm, name: &'static str) -> Result<Self, JwtKeyError> {
        // The library chooses its cryptography by its features, and panics if another crate has switched on a second
        // one. A provider that was already installed is kept.
        let _ = DEFAULT_PROVIDER.install_default();
        (DEFAULT_PROVIDER.verifier_factory)(&algorithm, &key).map_err(|_| JwtKeyError::NotAKey(name))?;
        Ok(Self { key, algorithm, id: None })
    }

    /// A public key of a JWKS document; `None` where it serves another purpose. Secrets are skipped, because a public
    /// document must not hold one.
    fn from_jwk(jwk: &Jwk) -> Option<Self> {
        let named = jwk.common.key_algorithm;
        let (algorithm, name, own) = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => (Algorithm::RS256, "RS256", KeyAlgorithm::RS256),
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                (Algorithm::ES256, "ES256", KeyAlgorithm::ES256)
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                (Algorithm::EdDSA, "EdDSA", KeyAlgorithm::EdDSA)
            }
            _ => return None,
        };
        let is_for_signatures = jwk.common.public_key_use.as_ref().is_none_or(|of| *of == PublicKeyUse::Signature);
        let operations = jwk.common.key_operations.as_ref();
        let verifies = operations.is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        if !is_for_signatures || !verifies || named.is_some_and(|named| named != own) {
            return None;
        }
        let key = Self::checked(DecodingKey::from_jwk(jwk).ok()?, algorithm, name).ok()?;
        Some(Self { id: jwk.common.key_id.clone(), ..key })
    }
}

/// The keys that tokens may be signed with: one key, an array or list of keys, or a JWKS document.
#[derive(Debug, Clone)]
pub struct JwtKeys(Vec<JwtKey>);

impl JwtKeys {
    /// The keys of a JWKS document (RFC 7517, section 5) for RS256, ES256 or EdDSA. Other keys are skipped, as that
    /// section asks.
    ///
    /// # Errors
    ///
    /// [`JwtKeyError::NoKeys`] when the text is not a JWKS document, or has no such key.
    pub fn jwks(document: &str) -> Result<Self, JwtKeyError> {
        let set: JwkSet = serde_json::from_str(document).map_err(|_| JwtKeyError::NoKeys)?;
        let keys: Vec<_> = set.keys.iter().filter_map(JwtKey::from_jwk).collect();
        if keys.is_empty() { Err(JwtKeyError::NoKeys) } else { Ok(Self(keys)) }
    }

    /// The keys that may have signed a token with this `kid`.
    pub(super) fn of(&self, kid: Option<&str>) -> impl Iterator<Item = &JwtKey> {
        self.0.iter().filter(move |key| match (kid, &key.id) {
            (Some(kid), Some(id)) => kid == id,
            _ => true,
        })
    }
}

impl From<JwtKey> for JwtKeys {
    fn from(key: JwtKey) -> Self {
        Self(vec![key])
    }
}

impl From<Vec<JwtKey>> for JwtKeys {
    fn from(keys: Vec<JwtKey>) -> Self {
        Self(keys)
    }
}

impl<const N: usize> From<[JwtKey; N]> for JwtKeys {
    fn from(keys: [JwtKey; N]) -> Self {
        Self(keys.into())
    }
}
