//! What happened in one schedule, line by line, where somebody wants to know.

use std::{cell::RefCell, rc::Rc};

/// Notes of one run; without a book it takes none.
#[derive(Debug, Clone, Default)]
pub(super) struct Journal(Option<Rc<RefCell<Vec<String>>>>);

impl Journal {
    pub(super) fn kept() -> Self {
        Self(Some(Rc::default()))
    }

    pub(super) fn note(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = &self.0 {
            lines.borrow_mut().push(line());
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.as_ref().map(|lines| lines.take()).unwrap_or_default()
    }
}
