//! TypeScript types for the front end, generated from the Rust types of events, so that server and client cannot drift
//! apart. (Feature `typescript`.)
//!
//! Derive `TS` of the crate [`ts_rs`] (version 12, a dependency of your own) on the enums that implement [`Typed`], and
//! on the types that they carry. One program writes the file, and one test checks that the file is current:
//!
//! ```
//! use serde::Serialize;
//! use tidings::{Typed, typescript::Channels};
//! use ts_rs::TS;
//!
//! #[derive(Serialize, TS)]
//! #[serde(tag = "type", content = "payload", rename_all = "camelCase")]
//! enum TimerEvent {
//!     Started { title: String, ends_at: Option<u32> },
//!     Stopped,
//! }
//!
//! impl Typed for TimerEvent {
//!     const CHANNEL: &'static str = "timer:{user}";
//! }
//!
//! fn channels() -> Channels {
//!     Channels::new("cargo run --example types").channel::<TimerEvent>()
//! }
//!
//! // examples/types.rs: channels().write("web/src/channels.ts")
//! // tests/types.rs:    channels().check("web/src/channels.ts")
//! assert_eq!(channels().to_typescript()?, r#"// Written from the server's Rust types by `cargo run --example types`. Do not edit.
//! import type {} from 'tidings'
//!
//! export type TimerEvent = { "type": "started", "payload": { title: string, ends_at: number | null, } } | { "type": "stopped" };
//!
//! /** The events of each channel and label. */
//! export interface Channels {
//!   [channel: `timer:${string}`]: TimerEvent
//! }
//!
//! declare module 'tidings' {
//!   interface Register {
//!     channels: Channels
//!   }
//! }
//! "#);
//! # Ok::<(), tidings::typescript::TypesError>(())
//! ```
//!
//! Integers of 32 bits become `number`. Integers of 64 bits and more lose digits in JavaScript beyond 2^53, so a field
//! of such a type is refused by its name ([`TypesError::LargeInteger`]) until an attribute decides: `#[ts(type =
//! "number")]` promises that the value stays below 2^53 (milliseconds since 1970 do), and `#[ts(type = "string")]`
//! belongs to a field that serde writes as a string (`#[serde(with = "…")]`).
//!
//! To avoid the dependency on `ts-rs`, derive [`TS`] from this module, with `#[ts(crate =
//! "tidings::typescript::ts_rs")]` on each type.

mod declared;
mod error;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::Path,
};

use tidings_protocol::Pattern;
use ts_rs::TypeVisitor;
pub use ts_rs::{self, TS};

use self::declared::Declared;
pub use self::error::TypesError;
use crate::{event::is_placeholder, typed::Typed};

/// The types of the events on each channel, or under each label.
type Map = BTreeMap<&'static str, BTreeSet<String>>;

/// The channels and labels of an application with the types of their events, to be written as TypeScript.
#[must_use = "types do nothing until they are written or checked"]
pub struct Channels {
    command: String,
    declared: Declared,
    channels: Map,
    labels: Map,
}

impl Channels {
    /// No channels yet. `command` is the command that regenerates the file; the file names it, and so does a failed
    /// [`check`](Self::check).
    pub fn new(command: impl Into<String>) -> Self {
        let (declared, channels, labels) = Default::default();
        Self { command: command.into(), declared, channels, labels }
    }

    /// Adds the events of a channel, which clients subscribe to, and the types that they need. Several event types may
    /// share a channel.
    pub fn channel<E: Typed + TS + 'static>(mut self) -> Self {
        let name = self.name::<E>();
        self.channels.entry(E::CHANNEL).or_default().insert(name);
        self.and::<E>()
    }

    /// Adds the events that are addressed to users or devices under a label. Clients receive them by `on`; a label is
    /// not a channel to subscribe to. As soon as there is one label, `on` accepts labels only, and `subscribe` channels
    /// only.
    pub fn label<E: Typed + TS + 'static>(mut self) -> Self {
        let name = self.name::<E>();
        self.labels.entry(E::CHANNEL).or_default().insert(name);
        self.and::<E>()
    }

    /// The name of an event type, after its channel or label was validated.
    fn name<E: Typed + TS + 'static>(&mut self) -> String {
        let sample: Vec<_> = E::CHANNEL.split(':').map(|part| if is_placeholder(part) { "id" } else { part }).collect();
        if let Err(error) = sample.join(":").parse::<Pattern>() {
            self.declared.error.get_or_insert(TypesError::Channel { channel: E::CHANNEL, error });
        }
        E::name(&self.declared.config)
    }

    /// Adds a type that no event carries, such as the answer to a request.
    pub fn and<T: TS + 'static>(mut self) -> Self {
        self.declared.visit::<T>();
        self
    }

    /// The text of the file.
    ///
    /// # Errors
    ///
    /// [`TypesError::Channel`] or [`TypesError::SameName`].
    pub fn to_typescript(self) -> Result<String, TypesError> {
        let Self { command, mut declared, channels, labels } = self;
        if let Some(error) = declared.error.take() {
            return Err(error);
        }
        let mut text = format!(
            "// Written from the server's Rust types by `{command}`. Do not edit.\nimport type {{}} from 'tidings'\n\n"
        );
        for declaration in declared.texts() {
            for line in declaration.lines() {
                text.push_str(line.trim_end());
                text.push('\n');
            }
            text.push('\n');
        }
        let mut registered = vec![];
        // Both maps are written where there are labels, so that a label is not taken for a channel.
        let has_labels = !labels.is_empty();
        let about = if has_labels { "The events of each channel." } else { "The events of each channel and label." };
        let mut put = |name: &'static str, about: &str, map: Map| {
            let field = name.to_lowercase();
            let _ = write!(text, "/** {about} */\nexport interface {name} {{\n");
            for (channel, types) in map {
                let types = types.into_iter().collect::<Vec<_>>().join(" | ");
                // Writing to a String does not fail.
                let _ = writeln!(text, "  {}: {types}", key(channel));
            }
            text.push_str("}\n\n");
            registered.push(format!("    {field}: {name}\n"));
        };
        put("Channels", about, channels);
        if has_labels {
            put("Labels", "The events that are addressed to users and devices under each label.", labels);
        }
        let registered = registered.concat();
        let _ = write!(text, "declare module 'tidings' {{\n  interface Register {{\n{registered}  }}\n}}\n");
        Ok(text)
    }

    /// Writes the file, unless it is current.
    ///
    /// # Errors
    ///
    /// The errors of [`to_typescript`](Self::to_typescript), and [`TypesError::File`].
    pub fn write(self, path: impl AsRef<Path>) -> Result<(), TypesError> {
        let path = path.as_ref();
        let text = self.to_typescript()?;
        if fs::read_to_string(path).is_ok_and(|present| present == text) {
            return Ok(());
        }
        fs::write(path, text).map_err(|error| TypesError::File { path: path.to_owned(), error })
    }

    /// Checks, for a test, that the file is what the types generate now.
    ///
    /// # Errors
    ///
    /// [`TypesError::Stale`] where the file is not current; the errors of [`to_typescript`](Self::to_typescript);
    /// [`TypesError::File`].
    pub fn check(self, path: impl AsRef<Path>) -> Result<(), TypesError> {
        let path = path.as_ref();
        let command = self.command.clone();
        let text = self.to_typescript()?;
        let present = fs::read_to_string(path).map_err(|error| TypesError::File { path: path.to_owned(), error })?;
        // Git may have converted line ends to those of Windows.
        let current = present.replace("\r\n", "\n") == text;
        current.then_some(()).ok_or_else(|| TypesError::Stale { path: path.to_owned(), command })
    }
}

/// A channel as the key of an interface member.
fn key(channel: &str) -> String {
    if !channel.split(':').any(is_placeholder) {
        return format!("'{channel}'");
    }
    let parts: Vec<_> = channel.split(':').map(|part| if is_placeholder(part) { "${string}" } else { part }).collect();
    format!("[channel: `{}`]", parts.join(":"))
}

#[cfg(test)]
#[allow(dead_code, reason = "the test uses only the shape of these types")]
mod tests;
