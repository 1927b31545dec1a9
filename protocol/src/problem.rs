//! Error bodies: `application/problem+json`, RFC 9457, with a stable `code`.

use serde::{Deserialize, Serialize};

/// The media type, RFC 9457 section 3.
pub const CONTENT_TYPE: &str = "application/problem+json";

crate::frame::string_enum! {
    /// The kind of error, for programs. New codes may be added; the meaning of a code never changes.
    Code {
        /// 400: the body, the query or a header could not be parsed; `detail` says where.
        Malformed = "malformed",
        /// 400: a channel or pattern breaks the rules.
        MalformedChannel = "malformedChannel",
        /// 400: a `since` that is not a cursor.
        MalformedCursor = "malformedCursor",
        /// 400: an array of too many events, or an audience of too many users.
        TooMany = "tooMany",
        /// 400: the client speaks an edition of the protocol that the server does not; `detail` names both.
        UnsupportedProtocol = "unsupportedProtocol",
        /// 401: the request has no credentials.
        CredentialsMissing = "credentialsMissing",
        /// 401: the credentials could not be parsed.
        CredentialsMalformed = "credentialsMalformed",
        /// 401: the credentials are wrong.
        CredentialsInvalid = "credentialsInvalid",
        /// 401: the credentials have expired.
        CredentialsExpired = "credentialsExpired",
        /// 401: the server has revoked the credentials; newer ones are needed.
        CredentialsRevoked = "credentialsRevoked",
        /// 401: the credentials are not valid yet.
        CredentialsNotYetValid = "credentialsNotYetValid",
        /// 401: the credentials were issued for another audience.
        CredentialsWrongAudience = "credentialsWrongAudience",
        /// 401: the credentials come from an issuer that is not trusted.
        CredentialsWrongIssuer = "credentialsWrongIssuer",
        /// 401: the credentials are signed with an unknown key.
        CredentialsUnknownKey = "credentialsUnknownKey",
        /// 403: the credentials are right but do not allow this.
        Forbidden = "forbidden",
        /// 403: a page of another origin sent a command with its visitor's cookie.
        OriginNotAllowed = "originNotAllowed",
        /// 404: no such connection, or another user's.
        UnknownConnection = "unknownConnection",
        /// 404: no such path below the base path.
        NotFound = "notFound",
        /// 405: the path accepts another method.
        MethodNotAllowed = "methodNotAllowed",
        /// 408: the head or the body of the request did not arrive in time.
        RequestTimeout = "requestTimeout",
        /// 413: the body, or one event's payload, is larger than allowed.
        TooLarge = "tooLarge",
        /// 414: the URL is longer than allowed.
        UrlTooLong = "urlTooLong",
        /// 415: the body is not `application/json`.
        UnsupportedMediaType = "unsupportedMediaType",
        /// 429: the user, or the address, has as many streams as allowed; `Retry-After` says when to try again.
        TooManyConnections = "tooManyConnections",
        /// 429: called too often; `Retry-After` says when to call again.
        TooManyRequests = "tooManyRequests",
        /// 431: the headers are larger than allowed.
        HeadersTooLarge = "headersTooLarge",
        /// 500: the server has a bug; its log has the details.
        ServerError = "serverError",
        /// 503: the server has as many streams as allowed; `Retry-After` says when to try again.
        Full = "full",
        /// 503: the event was not stored, because too many events wait to be stored; `Retry-After` says when to publish
        /// it again.
        Overloaded = "overloaded",
        /// 503: the event was not stored; publish it again.
        Unavailable = "unavailable",
        /// 504: it is unknown whether the event was stored; publish it again with the same key.
        Unknown = "unknown",
    }
}

impl Code {
    /// The HTTP status of this code.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed
            | Self::MalformedChannel
            | Self::MalformedCursor
            | Self::TooMany
            | Self::UnsupportedProtocol => 400,
            Self::CredentialsMissing
            | Self::CredentialsMalformed
            | Self::CredentialsInvalid
            | Self::CredentialsExpired
            | Self::CredentialsRevoked
            | Self::CredentialsNotYetValid
            | Self::CredentialsWrongAudience
            | Self::CredentialsWrongIssuer
            | Self::CredentialsUnknownKey => 401,
            Self::Forbidden | Self::OriginNotAllowed => 403,
            Self::UnknownConnection | Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::TooLarge => 413,
            Self::UrlTooLong => 414,
            Self::UnsupportedMediaType => 415,
            Self::TooManyConnections | Self::TooManyRequests => 429,
            Self::HeadersTooLarge => 431,
            Self::ServerError | Self::Other => 500,
            Self::Full | Self::Overloaded | Self::Unavailable => 503,
            Self::Unknown => 504,
        }
    }

    /// The short summary of a code, which never changes (RFC 9457, `title`).
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Malformed => "The request could not be read",
            Self::MalformedChannel => "Not a channel",
            Self::MalformedCursor => "Not a cursor",
            Self::TooMany => "Too many at once",
            Self::UnsupportedProtocol => "The server speaks another edition of the protocol",
            Self::CredentialsMissing => "Credentials are missing",
            Self::CredentialsMalformed => "Credentials cannot be read",
            Self::CredentialsInvalid => "Credentials are not valid",
            Self::CredentialsExpired => "Credentials have expired",
            Self::CredentialsRevoked => "Credentials were revoked",
            Self::CredentialsNotYetValid => "Credentials are not valid yet",
            Self::CredentialsWrongAudience => "Credentials are for another audience",
            Self::CredentialsWrongIssuer => "Credentials are of another issuer",
            Self::CredentialsUnknownKey => "Credentials are signed with an unknown key",
            Self::Forbidden => "Not allowed",
            Self::OriginNotAllowed => "Pages of this origin are not allowed",
            Self::UnknownConnection => "No such connection",
            Self::NotFound => "No such path",
            Self::MethodNotAllowed => "The path accepts another method",
            Self::RequestTimeout => "The request did not arrive in time",
            Self::TooLarge => "Too large",
            Self::UrlTooLong => "The URL is too long",
            Self::UnsupportedMediaType => "The body must be application/json",
            Self::TooManyConnections => "Too many streams",
            Self::HeadersTooLarge => "The headers are too large",
            Self::ServerError => "Internal server error",
            Self::Full => "The server is full",
            Self::Overloaded => "Too many events wait to be stored",
            Self::TooManyRequests => "Called too often",
            Self::Unavailable => "Not available now; try again",
            Self::Unknown => "It is unknown whether the event was stored; try again with the same key",
            Self::Other => "Another error",
        }
    }
}

/// The body of an error answer. `type` is left at its default, `about:blank` (RFC 9457, section 4.2.1); programs should
/// read `code`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The HTTP status, repeated.
    pub status: u16,
    /// The kind of error, for programs.
    pub code: Code,
    /// The short summary, which never changes for a code.
    pub title: String,
    /// The details of this occurrence, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Problem {
    /// The problem of this code, without detail.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self { status: code.status(), code, title: code.title().to_owned(), detail: None }
    }

    /// Sets the details of this occurrence. Never put a credential here.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}
