//! The numbers and the orders of fields that JavaScript and Rust share: a section in each JavaScript file, generated
//! from the definitions in Rust.

use super::{
    Port,
    frames::{EVENT, EXCEPT, answer_fields, blank, fields},
    settings::Settings,
    signals::{ALL, FRAMES, WORLD},
};
use crate::client::{Answer, Ask};

const BEGIN: &str = "// ---- the table: made from Rust's `codec` by its test\n";
const END: &str = "// ---- end of the table\n";

fn names(collect: impl FnOnce(&mut Port<'_>)) -> String {
    let mut port = Port::Names(Vec::new());
    collect(&mut port);
    let Port::Names(names) = port else { unreachable!() };
    names.join(" ")
}

/// The whole table: each name, with the text that defines it.
fn table() -> Vec<(&'static str, String)> {
    let list = |names: &[&str]| format!("['{}']", names.join("', '"));
    let text = |names: String| format!("'{names}'");
    let mut table: Vec<_> = ALL.iter().map(|(name, number)| (*name, number.to_string())).collect();
    table.extend([
        ("TOKEN", (Ask::Token as u32).to_string()),
        ("PROBE", (Ask::Probe as u32).to_string()),
        ("REPORT", (Ask::Report as u32).to_string()),
        ("UNKNOWN", u32::MAX.to_string()),
    ]);
    table.push(("FRAMES", list(&FRAMES)));
    table.push(("WORLD", list(&WORLD)));
    let mut of_frames = String::from("{\n");
    for (number, name) in (0..).zip(FRAMES) {
        let fields = names(|port| fields(&mut blank(number), port));
        if !fields.is_empty() {
            of_frames.push_str(&format!("  {name}: '{fields}',\n"));
        }
    }
    of_frames.push('}');
    table.push(("FIELDS", of_frames));
    table.push(("ANSWERED", text(names(|port| answer_fields(&mut Answer::default(), port)))));
    table.push(("EVENT", text(EVENT.join(" "))));
    table.push(("EXCEPT", text(EXCEPT.join(" "))));
    table.push(("SETTINGS", text(names(|port| Settings::default().fields(port)))));
    table
}

fn uses(code: &str, name: &str) -> bool {
    code.split(|one: char| !one.is_alphanumeric() && one != '_').any(|word| word == name)
}

#[test]
fn the_tables_in_javascript_are_made_from_this_one() {
    for file in ["browser.js", "tabs.js"] {
        let path = format!("{}/src/{file}", env!("CARGO_MANIFEST_DIR"));
        let stands = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = stands.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let used = table().into_iter().filter(|(name, _)| uses(after, name));
        let lines: String = used.map(|(name, value)| format!("const {name} = {value}\n")).collect();
        let made = format!("{before}{BEGIN}{lines}{END}{after}");
        if std::env::var_os("UPDATE_TABLE").is_some() {
            std::fs::write(&path, made).unwrap();
            continue;
        }
        assert!(made == stands, "run `UPDATE_TABLE=1 cargo test -p tidings-client --lib table`: {file} is older");
    }
}
