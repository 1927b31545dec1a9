//! Why a request was not let in.

use tidings_protocol::{
    ChannelError,
    problem::{Code, Problem},
};

/// Why a request was not authenticated. Each kind is answered with its own `code`; none holds a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// No credentials of a kind that is known here: 401 `credentialsMissing`. Only this lets [`Auth::or`](super::Auth::or)
    /// ask the next.
    #[error("credentials are missing")]
    Missing,
    /// Something stands where credentials belong that cannot be read as such: 401 `credentialsMalformed`.
    #[error("credentials cannot be read")]
    Malformed,
    /// Credentials that are not good: 401 `credentialsInvalid`.
    #[error("credentials are not valid")]
    Invalid,
    /// Credentials that were good once: 401 `credentialsExpired`.
    #[error("credentials have expired")]
    Expired,
    /// Credentials issued before [`Hub::disconnect`](crate::Hub::disconnect): 401 `credentialsRevoked`.
    #[error("credentials were revoked")]
    Revoked,
    /// Credentials that will be good later: 401 `credentialsNotYetValid`. Mostly a clock that goes wrong.
    #[error("credentials are not valid yet")]
    NotYetValid,
    /// Credentials made for somebody else to accept: 401 `credentialsWrongAudience`.
    #[error("credentials are for another audience")]
    WrongAudience,
    /// Credentials made by somebody who is not trusted here: 401 `credentialsWrongIssuer`.
    #[error("credentials are of another issuer")]
    WrongIssuer,
    /// Credentials signed with a key that is not known here: 401 `credentialsUnknownKey`. Mostly a key that was replaced.
    #[error("credentials are signed with an unknown key")]
    UnknownKey,
    /// Good credentials of somebody who may not come in: 403 `forbidden`.
    #[error("not allowed")]
    Forbidden,
    /// It could not be found out (the session store is down): 503 `unavailable`, and the client tries again.
    #[error("authentication is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A grant that is no channel or pattern: the program's mistake, told as what it is only to its log.
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
