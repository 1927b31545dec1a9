//! The one place at which actions are gathered, in the order in which they have to be carried out.

use tidings_protocol::Pattern;

use super::{Action, Cursors, Failure, Message, Request, Status};
use crate::routes::HandlerId;

/// The actions that the driver has yet to take.
#[derive(Debug, Default)]
pub(super) struct Out {
    actions: Vec<Action>,
}

impl Out {
    #[inline(never)]
    fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    pub(super) fn next(&mut self) -> Option<Action> {
        // There are few actions, and a ring buffer costs the browser half a kilobyte.
        if self.actions.is_empty() { None } else { Some(self.actions.remove(0)) }
    }

    pub(super) fn open(&mut self, url: String) {
        self.push(Action::Open { url });
    }

    pub(super) fn close(&mut self) {
        self.push(Action::Close);
    }

    pub(super) fn send(&mut self, request: Request) {
        self.push(Action::Send(request));
    }

    pub(super) fn state(&mut self, status: Status) {
        self.push(Action::State(status));
    }

    pub(super) fn error(&mut self, failure: Failure) {
        self.push(Action::Error(failure));
    }

    pub(super) fn settled(&mut self, handler: HandlerId, refusal: Option<String>) {
        self.push(Action::Settled { handler, refusal });
    }

    /// A gap without channels concerns all of them, with addressed events.
    pub(super) fn gap(
        &mut self,
        channels: Option<Vec<Pattern>>,
        addressed: bool,
        cursor: Option<Cursors>,
        reason: String,
        handlers: Vec<HandlerId>,
    ) {
        self.push(Action::Gap { channels, addressed, cursor, reason, handlers });
    }

    pub(super) fn enter(&mut self, tab: String, user: Option<String>) {
        self.push(Action::Enter { tab, user });
    }

    pub(super) fn exit(&mut self) {
        self.push(Action::Exit);
    }

    pub(super) fn steal(&mut self) {
        self.push(Action::Steal);
    }

    pub(super) fn watch(&mut self, tab: String) {
        self.push(Action::Watch { tab });
    }

    /// Posts a message, with or without the stream's current frame.
    pub(super) fn post(&mut self, message: Message, with_frame: bool) {
        self.push(Action::Post { message, with_frame });
    }
}
