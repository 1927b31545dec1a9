//! Error bodies: `application/problem+json`, RFC 9457, with a stable `code`.

use serde::{Deserialize, Serialize};

/// The media type, RFC 9457 section 3.
pub const CONTENT_TYPE: &str = "application/problem+json";

crate::frame::string_enum! {
    /// What went wrong, for programs. New codes may be added; the meaning of one never changes.
    Code {
        /// 400: the body, the query or a header could not be read; `detail` says where.
        Malformed = "malformed",
        /// 400: a channel or pattern breaks the rules.
        MalformedChannel = "malformedChannel",
        /// 400: a `since` that is no cursor.
        MalformedCursor = "malformedCursor",
        /// 400: an array of events longer than allowed, or an audience of too many users.
        TooMany = "tooMany",
        /// 400: the client speaks an edition of the protocol that the server does not; `detail` names both.
        UnsupportedProtocol = "unsupportedProtocol",
        /// 401: no credentials.
        CredentialsMissing = "credentialsMissing",
        /// 401: something stands where credentials belong that cannot be read as such.
        CredentialsMalformed = "credentialsMalformed",
        /// 401: credentials that are not good.
        CredentialsInvalid = "credentialsInvalid",
        /// 401: credentials that were good once.
        CredentialsExpired = "credentialsExpired",
        /// 401: credentials that the server has taken back; newer ones are needed.
        CredentialsRevoked = "credentialsRevoked",
        /// 401: credentials that will be good later.
        CredentialsNotYetValid = "credentialsNotYetValid",
        /// 401: credentials made for somebody else to accept.
        CredentialsWrongAudience = "credentialsWrongAudience",
        /// 401: credentials made by somebody who is not trusted here.
        CredentialsWrongIssuer = "credentialsWrongIssuer",
        /// 401: credentials signed with a key that is not known here.
        CredentialsUnknownKey = "credentialsUnknownKey",
        /// 403: good credentials that do not allow this.
        Forbidden = "forbidden",
        /// 403: a page of another origin commands by its visitor's cookie.
        OriginNotAllowed = "originNotAllowed",
        /// 404: no such connection, or one of somebody else.
        UnknownConnection = "unknownConnection",
        /// 404: no such path below the base path.
        NotFound = "notFound",
        /// 405: the path takes another method.
        MethodNotAllowed = "methodNotAllowed",
        /// 408: the request, its head or its body, did not come in time.
        RequestTimeout = "requestTimeout",
        /// 413: the body, or one event's payload, is larger than allowed.
        TooLarge = "tooLarge",
        /// 414: the URL is longer than allowed.
        UrlTooLong = "urlTooLong",
        /// 415: the body is not `application/json`.
        UnsupportedMediaType = "unsupportedMediaType",
        /// 429: the user, or the address, holds as many streams as it may; `Retry-After` says when to try again.
        TooManyConnections = "tooManyConnections",
        /// 429: called too often; `Retry-After` says when to call again.
        TooManyRequests = "tooManyRequests",
        /// 431: the headers are larger than allowed.
        HeadersTooLarge = "headersTooLarge",
        /// 500: the server made a mistake; its log says which.
        ServerError = "serverError",
        /// 503: the server holds as many streams as it may; `Retry-After` says when to try again.
        Full = "full",
        /// 503: the event was not stored, because too much waits to be stored; `Retry-After` says when to publish it again.
        Overloaded = "overloaded",
        /// 503: the event was not stored; publish it again.
        Unavailable = "unavailable",
        /// 504: it is not known whether the event was stored; publish it again with the same key.
        Unknown = "unknown",
    }
}

impl Code {
    /// The HTTP status that goes with it.
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

    /// The short summary that never changes for a code (RFC 9457, `title`).
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Malformed => "The request could not be read",
            Self::MalformedChannel => "Not a channel",
            Self::MalformedCursor => "Not a cursor",
            Self::TooMany => "Too many at once",
            Self::UnsupportedProtocol => "Another edition of the protocol is spoken here",
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
            Self::OriginNotAllowed => "Not allowed to pages of this origin",
            Self::UnknownConnection => "No such connection",
            Self::NotFound => "No such path",
            Self::MethodNotAllowed => "The path takes another method",
            Self::RequestTimeout => "The request did not come in time",
            Self::TooLarge => "Too large",
            Self::UrlTooLong => "The URL is too long",
            Self::UnsupportedMediaType => "The body must be application/json",
            Self::TooManyConnections => "Too many streams",
            Self::HeadersTooLarge => "The headers are too large",
            Self::ServerError => "The server made a mistake",
            Self::Full => "The server is full",
            Self::Overloaded => "Too much waits to be stored",
            Self::TooManyRequests => "Called too often",
            Self::Unavailable => "Not stored; try again",
            Self::Unknown => "Not known whether stored; try again with the same key",
            Self::Other => "Something else went wrong",
        }
    }
}

/// The body of an error answer. `type` is left at its default, `about:blank` (RFC 9457 section 4.2.1); `code` is the
/// member for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The HTTP status, repeated.
    pub status: u16,
    /// What went wrong, for programs.
    pub code: Code,
    /// What went wrong, in a few words that never change for a code.
    pub title: String,
    /// This occurrence, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Problem {
    /// The problem of this code, without detail.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self { status: code.status(), code, title: code.title().to_owned(), detail: None }
    }

    /// Says what this occurrence was about. Never put a credential here.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}
