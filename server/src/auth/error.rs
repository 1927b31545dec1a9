//! Why a request was not authenticated.

use tidings_protocol::{
    ChannelError,
    problem::{Code, Problem},
};

/// Why a request was not authenticated. Each kind is answered with its own `code`; no kind holds a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The request has no credentials of a known kind: 401 `credentialsMissing`. Only after this error
    /// [`Auth::or`](super::Auth::or) asks the other side.
    #[error("credentials are missing")]
    Missing,
    /// The credentials cannot be parsed: 401 `credentialsMalformed`.
    #[error("credentials cannot be read")]
    Malformed,
    /// The credentials are wrong: 401 `credentialsInvalid`.
    #[error("credentials are not valid")]
    Invalid,
    /// The credentials have expired: 401 `credentialsExpired`.
    #[error("credentials have expired")]
    Expired,
    /// The credentials were issued before [`Hub::disconnect`](crate::Hub::disconnect): 401 `credentialsRevoked`.
    #[error("credentials were revoked")]
    Revoked,
    /// The credentials are not valid yet: 401 `credentialsNotYetValid`. Usually a clock is wrong.
    #[error("credentials are not valid yet")]
    NotYetValid,
    /// The credentials were issued for another audience: 401 `credentialsWrongAudience`.
    #[error("credentials are for another audience")]
    WrongAudience,
    /// The credentials come from an issuer that is not trusted: 401 `credentialsWrongIssuer`.
    #[error("credentials are of another issuer")]
    WrongIssuer,
    /// The credentials are signed with an unknown key: 401 `credentialsUnknownKey`. Usually the key was replaced.
    #[error("credentials are signed with an unknown key")]
    UnknownKey,
    /// The credentials are right, but their owner has no access: 403 `forbidden`.
    #[error("access is forbidden")]
    Forbidden,
    /// The credentials could not be checked, because the session store is down for example: 503 `unavailable`, and the
    /// client tries again.
    #[error("authentication is not available now; try again")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A grant that is not a channel or pattern is a mistake of the program; the details go to its log only.
impl From<ChannelError> for AuthError {
    fn from(error: ChannelError) -> Self {
        Self::Unavailable(error.into())
    }
}

impl AuthError {
    pub(crate) fn problem(&self) -> Problem {
        Problem::new(match self {
            Self::Missing => Code::CredentialsMissing,
            Self::Malformed => Code::CredentialsMalformed,
            Self::Invalid => Code::CredentialsInvalid,
            Self::Expired => Code::CredentialsExpired,
            Self::Revoked => Code::CredentialsRevoked,
            Self::NotYetValid => Code::CredentialsNotYetValid,
            Self::WrongAudience => Code::CredentialsWrongAudience,
            Self::WrongIssuer => Code::CredentialsWrongIssuer,
            Self::UnknownKey => Code::CredentialsUnknownKey,
            Self::Forbidden => Code::Forbidden,
            Self::Unavailable(_) => Code::Unavailable,
        })
    }
}
