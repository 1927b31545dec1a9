//! Why types cannot be written.

use std::{io, path::PathBuf};

use tidings_protocol::ChannelError;

/// Why the types could not be written, or are not current.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TypesError {
    /// The channel of an event type breaks the rules.
    #[error("not a channel: {channel:?} ({error})")]
    Channel {
        /// As the type has it.
        channel: &'static str,
        /// What is wrong with it.
        error: ChannelError,
    },
    /// Two Rust types have one name in TypeScript: rename one by `#[ts(rename = "…")]`.
    #[error("two Rust types are called {0} in TypeScript; rename one by #[ts(rename = \"…\")]")]
    SameName(String),
    /// A field has an integer that JavaScript cannot hold: beyond 2^53 it loses digits.
    #[error(
        "{ty}: `{field}` is an integer of 64 bits or more, which loses digits in JavaScript beyond 2^53; say \
         #[ts(type = \"number\")] where it stays below that, or write it as a string and say #[ts(type = \"string\")]"
    )]
    LargeInteger {
        /// The type, by its name in TypeScript.
        ty: String,
        /// The field, by its name in TypeScript; that of the type where it has no fields.
        field: String,
    },
    /// The file is not what the types make now.
    #[error("{} is not current: run `{command}`", path.display())]
    Stale {
        /// The file.
        path: PathBuf,
        /// What writes it.
        command: String,
    },
    /// The file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
}
