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
