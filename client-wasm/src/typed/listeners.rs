//! The callbacks of one client.

use std::{cell::RefCell, rc::Rc};

use tidings_protocol::Pattern;
use wasm_bindgen::prelude::*;

use super::{Gap, Refused};
use crate::{
    client::{Failure, HandlerId, Status},
    driver::Application,
};

pub(super) type OnEvent = Rc<dyn Fn(&JsValue)>;
pub(super) type OnGap = Rc<dyn Fn(Gap<'_>)>;
pub(super) type OnSettled = Box<dyn FnOnce(Option<&str>)>;
pub(super) type OnRevoked = Rc<dyn Fn(Refused)>;
pub(super) type OnState = Box<dyn Fn(&Status)>;
/// The application's callback for failures; handlers of events report their failures to it.
pub(super) type OnFailure = Rc<dyn Fn(&Failure)>;

/// The callbacks of one client.
#[derive(Default)]
pub(super) struct Listeners {
    /// The handlers, in the order of their ids.
    handlers: RefCell<Vec<Handler>>,
    /// The callbacks of handlers that have not been confirmed or refused. They outlive their handlers, because
    /// unsubscribing is an answer, too.
    unsettled: RefCell<Vec<(HandlerId, OnSettled)>>,
    pub(super) on_state: Option<OnState>,
    pub(super) on_gap: Option<OnGap>,
    pub(super) on_error: Option<OnFailure>,
}

pub(super) struct Handler {
    pub(super) id: HandlerId,
    pub(super) event: OnEvent,
    pub(super) gap: Option<OnGap>,
    pub(super) revoked: Option<OnRevoked>,
}

impl Listeners {
    pub(super) fn add(&self, handler: Handler, settled: OnSettled) {
        self.unsettled.borrow_mut().push((handler.id, settled));
        self.handlers.borrow_mut().push(handler);
    }

    pub(super) fn remove(&self, id: HandlerId) {
        let gone = {
            let mut handlers = self.handlers.borrow_mut();
            handlers.binary_search_by_key(&id, |handler| handler.id).ok().map(|index| handlers.remove(index))
        };
        // The captured values may have a destructor that calls the client.
        drop(gone);
    }

    fn find<T>(&self, id: HandlerId, take: impl FnOnce(&Handler) -> T) -> Option<T> {
        let handlers = self.handlers.borrow();
        let index = handlers.binary_search_by_key(&id, |handler| handler.id).ok()?;
        handlers.get(index).map(take)
    }
}

// No borrow is held while a callback runs.
impl Application for Listeners {
    fn event(&self, handler: HandlerId, record: &JsValue) {
        if let Some(event) = self.find(handler, |handler| Rc::clone(&handler.event)) {
            event(record);
        }
    }

    fn settled(&self, handler: HandlerId, refusal: Option<&str>, _cursor: &str) {
        let settled = {
            let mut unsettled = self.unsettled.borrow_mut();
            let index = unsettled.iter().position(|(id, _)| *id == handler);
            index.map(|index| unsettled.remove(index).1)
        };
        match (settled, refusal) {
            (Some(settled), _) => settled(refusal),
            // The handler has been confirmed before, so this refusal revokes its channel.
            (None, Some(code)) => {
                if let Some(revoked) = self.find(handler, |handler| handler.revoked.clone()).flatten() {
                    revoked(Refused { code: code.to_owned() });
                }
            }
            (None, None) => {}
        }
    }

    fn gap(&self, handler: Option<HandlerId>, channels: Option<&[Pattern]>, addressed: bool, reason: &str) {
        let gap = match handler {
            None => self.on_gap.clone(),
            Some(id) => self.find(id, |handler| handler.gap.clone()).flatten(),
        };
        if let Some(gap) = gap {
            gap(Gap { channels, addressed, reason });
        }
    }

    fn state(&self, status: &Status) {
        if let Some(on_state) = &self.on_state {
            on_state(status);
        }
    }

    fn error(&self, failure: &Failure, thrown: &JsValue) {
        match &self.on_error {
            Some(on_error) => on_error(failure),
            None if !thrown.is_undefined() => web_sys::console::error_1(thrown),
            None => {}
        }
    }

    fn clear(&self) {
        let gone = self.handlers.take();
        drop(gone);
    }

    fn broken(&self, cause: &JsValue) {
        let failure = Failure { code: "internal".into(), detail: cause.as_string(), ..Failure::default() };
        self.error(&failure, cause);
    }
}
