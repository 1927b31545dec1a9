//! Why the types cannot be written.

use std::{io, path::PathBuf};

use tidings_protocol::ChannelError;

/// Why the types could not be written, or why the file is not current.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TypesError {
    /// The channel of an event type breaks the rules.
    #[error("the event type's channel {channel:?} is not valid: {error}")]
    Channel {
        /// The channel as the type declares it.
        channel: &'static str,
        /// The rule that it breaks.
        error: ChannelError,
    },
    /// Two Rust types have the same name in TypeScript: rename one with `#[ts(rename = "…")]`.
    #[error("two Rust types are named {0} in TypeScript; rename one with #[ts(rename = \"…\")]")]
    SameName(String),
    /// A field is an integer that JavaScript cannot hold: beyond 2^53 it loses digits.
    #[error(
        "{ty}: `{field}` is an integer of 64 bits or more, which loses digits in JavaScript beyond 2^53; say \
         #[ts(type = \"number\")] where it stays below that, or write it as a string and say #[ts(type = \"string\")]"
    )]
    LargeInteger {
        /// The name of the type in TypeScript.
        ty: String,
        /// The name of the field in TypeScript, or of the type where it has no fields.
        field: String,
    },
    /// The file is not what the types generate now.
    #[error("{} is not current: run `{command}`", path.display())]
    Stale {
        /// The path of the file.
        path: PathBuf,
        /// The command that regenerates the file.
        command: String,
    },
    /// The file cannot be read or written.
    #[error("the file {} cannot be read or written: {error}", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The system's error.
        #[source]
        error: io::Error,
    },
}
