//! The front end's types, written from the Rust types of events, so that server and client cannot drift apart. (Feature
//! `typescript`.)
//!
//! Derive `TS` of the crate [`ts_rs`] (version 12, a dependency of yours) on the enums that implement [`Typed`], and on what they carry. One program writes the file, and one test
//! checks that it is current:
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
//! /** What each channel and label brings. */
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
//! Integers of 32 bits are `number`s there. Those of 64 bits and more lose digits in JavaScript beyond 2^53, so a field of them is
//! refused by its name ([`TypesError::LargeInteger`]) until an attribute says what becomes of it: `#[ts(type = "number")]` promises
//! that it stays below 2^53 (milliseconds since 1970 do), and `#[ts(type = "string")]` belongs to one that serde writes as a string
//! (`#[serde(with = "…")]`).
//!
//! Who would rather not depend on `ts-rs` derives [`TS`] from here, with
//! `#[ts(crate = "tidings::typescript::ts_rs")]` on each type.

use std::{
    any::TypeId,
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

use tidings_protocol::{ChannelError, Pattern};
pub use ts_rs::{self, TS};
use ts_rs::{Config, TypeVisitor};

use crate::typed::{Typed, is_placeholder};

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

/// What stands for an integer of 64 bits or more until it is found.
const LARGE: &str = "LargeInteger__";

/// The types of the events on each channel, or under each label.
type Map = BTreeMap<&'static str, BTreeSet<String>>;

/// The channels and labels of an application and the types of their events, on their way to TypeScript.
#[must_use = "types do nothing until they are written or checked"]
pub struct Channels {
    command: String,
    config: Config,
    /// By name, so that the file does not depend on the order of calls.
    declared: BTreeMap<String, (TypeId, String)>,
    channels: Map,
    labels: Map,
    error: Option<TypesError>,
}

impl Channels {
    /// None yet. `command` is what writes the file anew: the file says so, and so does a failed [`check`](Self::check).
    pub fn new(command: impl Into<String>) -> Self {
        let config = Config::new().with_large_int(LARGE);
        let (declared, channels, labels) = Default::default();
        Self { command: command.into(), config, declared, channels, labels, error: None }
    }

    /// Adds the events of a channel, which clients subscribe to, with the types they need. Several may share a channel.
    pub fn channel<E: Typed + TS + 'static>(mut self) -> Self {
        let name = self.name::<E>();
        self.channels.entry(E::CHANNEL).or_default().insert(name);
        self.and::<E>()
    }

    /// Adds the events that are addressed to users or devices under a label. Clients hear them by `on`; there is no channel of that
    /// name to subscribe to. As soon as there is one label, `on` knows labels only, and `subscribe` channels only.
    pub fn label<E: Typed + TS + 'static>(mut self) -> Self {
        let name = self.name::<E>();
        self.labels.entry(E::CHANNEL).or_default().insert(name);
        self.and::<E>()
    }

    /// The name of a type of events, whose channel or label is looked at.
    fn name<E: Typed + TS + 'static>(&mut self) -> String {
        let sample: Vec<_> = E::CHANNEL.split(':').map(|part| if is_placeholder(part) { "id" } else { part }).collect();
        if let Err(error) = sample.join(":").parse::<Pattern>() {
            self.error.get_or_insert(TypesError::Channel { channel: E::CHANNEL, error });
        }
        E::name(&self.config)
    }

    /// Adds a type that no event carries, such as the answer to a request.
    pub fn and<T: TS + 'static>(mut self) -> Self {
        Declare(&mut self).visit::<T>();
        self
    }

    /// The text of the file.
    ///
    /// # Errors
    ///
    /// [`TypesError::Channel`] or [`TypesError::SameName`].
    pub fn to_typescript(self) -> Result<String, TypesError> {
        let Self { command, declared, channels, labels, error, .. } = self;
        if let Some(error) = error {
            return Err(error);
        }
        let mut text = format!(
            "// Written from the server's Rust types by `{command}`. Do not edit.\nimport type {{}} from 'tidings'\n\n"
        );
        for (_, declaration) in declared.values() {
            for line in declaration.lines() {
                text.push_str(line.trim_end());
                text.push('\n');
            }
            text.push('\n');
        }
        let mut registered = vec![];
        // Both where there are labels, so that a label is no channel.
        let has_labels = !labels.is_empty();
        let about = if has_labels { "What each channel brings." } else { "What each channel and label brings." };
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
            put("Labels", "What is addressed to users and devices under each label.", labels);
        }
        let registered = registered.concat();
        let _ = write!(text, "declare module 'tidings' {{\n  interface Register {{\n{registered}  }}\n}}\n");
        Ok(text)
    }

    /// Writes the file, unless it is current.
    ///
    /// # Errors
    ///
    /// Those of [`to_typescript`](Self::to_typescript), and [`TypesError::File`].
    pub fn write(self, path: impl AsRef<Path>) -> Result<(), TypesError> {
        let path = path.as_ref();
        let text = self.to_typescript()?;
        if fs::read_to_string(path).is_ok_and(|present| present == text) {
            return Ok(());
        }
        fs::write(path, text).map_err(|error| TypesError::File { path: path.to_owned(), error })
    }

    /// Whether the file is what the types make now. For a test.
    ///
    /// # Errors
    ///
    /// [`TypesError::Stale`] where it is not; those of [`to_typescript`](Self::to_typescript); [`TypesError::File`].
    pub fn check(self, path: impl AsRef<Path>) -> Result<(), TypesError> {
        let path = path.as_ref();
        let command = self.command.clone();
        let text = self.to_typescript()?;
        let present = fs::read_to_string(path).map_err(|error| TypesError::File { path: path.to_owned(), error })?;
        // Git may have turned line ends into those of Windows.
        let current = present.replace("\r\n", "\n") == text;
        current.then_some(()).ok_or_else(|| TypesError::Stale { path: path.to_owned(), command })
    }
}

/// Declares types, and what they are made of.
struct Declare<'a>(&'a mut Channels);

impl TypeVisitor for Declare<'_> {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // What has no file in the world of ts-rs is built into TypeScript.
        if T::output_path().is_none() {
            return;
        }
        let id = TypeId::of::<T::WithoutGenerics>();
        let name = T::ident(&self.0.config);
        match self.0.declared.get(&name) {
            Some((known, _)) if *known == id => return,
            Some(_) => {
                self.0.error.get_or_insert(TypesError::SameName(name));
                return;
            }
            None => {}
        }
        if let Some(field) = large_field(&T::decl(&self.0.config), &name) {
            self.0.error.get_or_insert(TypesError::LargeInteger { ty: name.clone(), field });
        }
        let declaration = format!("{}export {}", T::docs().unwrap_or_default(), T::decl(&self.0.config));
        self.0.declared.insert(name, (id, declaration));
        T::visit_dependencies(self);
    }
}

/// The field of a declaration that holds a large integer.
fn large_field(declaration: &str, name: &str) -> Option<String> {
    let (before, _) = declaration.split_once(LARGE)?;
    // `{ id: number, "written-at"?: Array<…` or, without fields, `type Id = …`.
    let field =
        before.rsplit_once(": ").map_or(name, |(field, _)| field.rsplit(['{', ',', ' ']).next().unwrap_or(name));
    Some(field.trim_matches(['"', '?']).to_owned())
}

/// A channel as a member of an interface.
fn key(channel: &str) -> String {
    if !channel.split(':').any(is_placeholder) {
        return format!("'{channel}'");
    }
    let parts: Vec<_> = channel.split(':').map(|part| if is_placeholder(part) { "${string}" } else { part }).collect();
    format!("[channel: `{}`]", parts.join(":"))
}

#[cfg(test)]
#[allow(dead_code, reason = "only the shape of these types is looked at")]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Serialize, TS)]
    struct Author {
        #[ts(type = "number")]
        id: u64,
    }

    /// What somebody wrote.
    #[derive(Serialize, TS)]
    #[serde(rename_all = "camelCase")]
    struct Note {
        written_by: Vec<Author>,
    }

    #[derive(Serialize, TS)]
    #[serde(tag = "type", content = "payload", rename_all = "camelCase")]
    enum NoteEvent {
        Written(Note),
    }

    impl Typed for NoteEvent {
        const CHANNEL: &'static str = "note:{project}:of:{user}";
    }

    #[derive(Serialize, TS)]
    #[serde(tag = "type", content = "payload", rename_all = "camelCase")]
    enum Erased {
        AllErased,
    }

    impl Typed for Erased {
        const CHANNEL: &'static str = "note:{project}:of:{user}";
    }

    fn notes() -> Channels {
        Channels::new("make types").channel::<NoteEvent>().channel::<Erased>()
    }

    #[test]
    fn all_that_an_event_is_made_of_is_declared_once_and_those_of_one_channel_are_joined() {
        let text = notes().channel::<NoteEvent>().to_typescript().unwrap();
        let declared: Vec<_> = text.lines().filter(|line| line.starts_with("export")).collect();
        assert_eq!(
            declared,
            [
                "export type Author = { id: number, };",
                r#"export type Erased = { "type": "allErased" };"#,
                "export type Note = { writtenBy: Array<Author>, };",
                r#"export type NoteEvent = { "type": "written", "payload": Note };"#,
                "export interface Channels {",
            ]
        );
        assert!(text.contains("  [channel: `note:${string}:of:${string}`]: Erased | NoteEvent\n"), "{text}");
        assert!(text.contains("What somebody wrote."), "{text}");
    }

    #[test]
    fn labels_are_a_map_of_their_own_and_channels_are_then_channels_only() {
        let text = notes().label::<Erased>().to_typescript().unwrap();
        let labels = text.split_once("export interface Labels {\n").unwrap().1;
        assert!(labels.starts_with("  [channel: `note:${string}:of:${string}`]: Erased\n}\n"), "{text}");
        assert!(text.contains("    channels: Channels\n    labels: Labels\n"), "{text}");
        let text = Channels::new("make types").label::<Erased>().to_typescript().unwrap();
        assert!(text.contains("export interface Channels {\n}\n"), "{text}");
    }

    #[test]
    fn the_order_of_calls_makes_no_difference() {
        let other = Channels::new("make types").channel::<Erased>().channel::<NoteEvent>();
        assert_eq!(notes().to_typescript().unwrap(), other.to_typescript().unwrap());
    }

    #[test]
    fn a_file_that_is_not_what_the_types_make_is_stale_until_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("channels.ts");
        assert!(matches!(notes().check(&path), Err(TypesError::File { .. })));
        Channels::new("make types").channel::<NoteEvent>().write(&path).unwrap();
        let stale = notes().check(&path).unwrap_err();
        assert!(stale.to_string().contains("run `make types`"), "{stale}");
        notes().write(&path).unwrap();
        notes().check(&path).unwrap();
        fs::write(&path, fs::read_to_string(&path).unwrap().replace('\n', "\r\n")).unwrap();
        notes().check(&path).unwrap();
    }

    #[test]
    fn two_types_of_one_name_are_refused() {
        mod elsewhere {
            #[derive(serde::Serialize, super::TS)]
            pub(super) struct Author {
                name: String,
            }
        }
        let error = notes().and::<elsewhere::Author>().to_typescript().unwrap_err();
        assert!(matches!(error, TypesError::SameName(name) if name == "Author"));
    }

    fn refused<T: TS + 'static>() -> (String, String) {
        match Channels::new("").and::<T>().to_typescript() {
            Err(TypesError::LargeInteger { ty, field }) => (ty, field),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_integer_that_javascript_cannot_hold_is_refused_by_the_name_of_its_field() {
        #[derive(Serialize, TS)]
        #[serde(rename_all = "camelCase")]
        struct Order {
            lines: u32,
            total_cents: Option<Vec<i64>>,
        }
        #[derive(Serialize, TS)]
        #[serde(tag = "type", content = "payload", rename_all = "camelCase")]
        enum OrderEvent {
            Placed(Order),
        }
        #[derive(Serialize, TS)]
        struct Number(u64);
        #[derive(Serialize, TS)]
        #[serde(tag = "type", content = "payload")]
        enum Counted {
            Counted(u128),
        }
        let named = |ty: &str, field: &str| (ty.to_owned(), field.to_owned());
        assert_eq!(refused::<OrderEvent>(), named("Order", "totalCents"));
        assert_eq!(refused::<Number>(), named("Number", "Number"));
        assert_eq!(refused::<Counted>(), named("Counted", "payload"));
    }

    #[test]
    fn an_integer_that_is_written_as_a_string_or_stays_small_is_taken_by_its_attribute() {
        #[derive(Serialize, TS)]
        struct Order {
            #[ts(type = "string")]
            #[serde(serialize_with = "text")]
            id: u64,
            #[ts(type = "number | null")]
            placed_ms: Option<u64>,
        }
        fn text<S: serde::Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(number)
        }
        let text = Channels::new("").and::<Order>().to_typescript().unwrap();
        assert!(text.contains("export type Order = { id: string, placed_ms: number | null, };"), "{text}");
    }

    #[test]
    fn a_channel_that_is_none_is_refused() {
        #[derive(Serialize, TS)]
        struct Bad;
        impl Typed for Bad {
            const CHANNEL: &'static str = "note:{project}:{}";
        }
        let error = Channels::new("").channel::<Bad>().to_typescript().unwrap_err();
        assert!(matches!(error, TypesError::Channel { channel: "note:{project}:{}", .. }));
    }
}
