//! The type declarations of the file: each type once, with the types that it consists of.

use std::{any::TypeId, collections::BTreeMap};

use ts_rs::{Config, TS, TypeVisitor};

use super::TypesError;

/// A marker for an integer of 64 bits or more, searched for in the declarations.
const LARGE: &str = "LargeInteger__";

pub(super) struct Declared {
    pub(super) config: Config,
    /// By name, so that the file does not depend on the order of calls.
    by_name: BTreeMap<String, (TypeId, String)>,
    /// The first error found in a declaration.
    pub(super) error: Option<TypesError>,
}

impl Default for Declared {
    fn default() -> Self {
        Self { config: Config::new().with_large_int(LARGE), by_name: BTreeMap::new(), error: None }
    }
}

impl Declared {
    /// The declarations, by name.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.by_name.values().map(|(_, text)| text.as_str())
    }
}

impl TypeVisitor for Declared {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // A type for which ts-rs has no output file is built into TypeScript.
        if T::output_path().is_none() {
            return;
        }
        let id = TypeId::of::<T::WithoutGenerics>();
        let name = T::ident(&self.config);
        match self.by_name.get(&name) {
            Some((known, _)) if *known == id => return,
            Some(_) => {
                self.error.get_or_insert(TypesError::SameName(name));
                return;
            }
            None => {}
        }
        if let Some(field) = large_field(&T::decl(&self.config), &name) {
            self.error.get_or_insert(TypesError::LargeInteger { ty: name.clone(), field });
        }
        let declaration = format!("{}export {}", T::docs().unwrap_or_default(), T::decl(&self.config));
        self.by_name.insert(name, (id, declaration));
        T::visit_dependencies(self);
    }
}

/// The name of a declaration's field that holds a large integer.
fn large_field(declaration: &str, name: &str) -> Option<String> {
    let (before, _) = declaration.split_once(LARGE)?;
    // `{ id: number, "written-at"?: Array<…` or, without fields, `type Id = …`.
    let field =
        before.rsplit_once(": ").map_or(name, |(field, _)| field.rsplit(['{', ',', ' ']).next().unwrap_or(name));
    Some(field.trim_matches(['"', '?']).to_owned())
}
