//! What happened in one schedule, line by line, if anyone wants to read it.

use std::{cell::RefCell, rc::Rc};

/// The notes of one run; without a book, nothing is noted.
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
