//! Publishing, and its outcome.

use futures_util::FutureExt;
use tidings::PublishError;

use super::{Pending, Publishing, World};
use crate::sim::{
    engine::{Gate, Mode},
    op::{Append, Hidden},
    person::{Hide, Publication},
};

impl World {
    pub(super) fn publish(&mut self, node: usize, topic: usize, hidden: Hidden, append: Append) {
        let person = |client: usize| self.clients[client % self.clients.len()].person.clone();
        let hide = match hidden {
            Hidden::No => Hide::Nobody,
            Hidden::FromTab(client) => Hide::Tab(person(client)),
            Hidden::FromDevice(client) => Hide::Device(person(client)),
        };
        self.published += 1;
        self.tally.published += 1;
        let publication = Publication::new(self.published, topic, hide, self.schedule.setup.payload);
        self.send(publication, node, append);
    }

    pub(super) fn send(&mut self, publication: Publication, node: usize, append: Append) {
        let Some(hub) = self.stations[node].hub().cloned() else { return self.failed.push(publication) };
        let gate = Gate::default();
        let (mode, fault) = match append {
            Append::Prompt => (Mode::Prompt, None),
            Append::Refused => (Mode::Refused, Some("append refused")),
            Append::Vanished => (Mode::Vanished, Some("append lost")),
            Append::AckLost => (Mode::AckLost, Some("acknowledgement lost")),
            Append::AckLate => (Mode::AckLate(gate.clone()), Some("acknowledgement late")),
            Append::Late => (Mode::Late(gate.clone()), Some("append late")),
            Append::Orphan => (Mode::Orphan, Some("append that nobody waits for")),
        };
        if let Some(fault) = fault {
            self.tally.fault(fault);
        }
        self.log.lock().mode = mode;
        let future: Publishing = Box::pin(publication.clone().publish(hub));
        self.poll(Pending { publication, gate, node, future });
    }

    /// Revokes channels from a user. The effect is seen in the log, so nothing waits for the answer.
    pub(super) fn revoke(&self, user: &'static str, channels: &str, node: usize, append: Append) {
        let Some(hub) = self.stations[node].hub() else { return };
        let mut log = self.log.lock();
        log.revoked.push((user, super::parsed(channels)));
        log.mode = mode_of_command(append);
        let gives = log.gives;
        drop(log);
        let done = hub.revoke(user, channels).now_or_never();
        // A caller that does not know the outcome calls again; a subscription by the server has further effects to
        // undo.
        if gives && matches!(done, Some(Err(PublishError::Unknown(_)))) {
            let _ = hub.revoke(user, channels).now_or_never();
        }
    }

    /// Subscribes a user from the server's side.
    pub(super) fn give(&mut self, user: &'static str, channels: &str, node: usize) {
        let Some(hub) = self.stations[node].hub() else { return };
        self.given.push((user, super::parsed(channels)));
        let mut log = self.log.lock();
        log.gives = true;
        log.mode = Mode::Prompt;
        drop(log);
        let _ = hub.subscribe(user, channels).now_or_never();
    }

    /// Ends a user's subscription by the server.
    pub(super) fn take(&self, user: &'static str, channels: &str, node: usize) {
        let Some(hub) = self.stations[node].hub() else { return };
        self.log.lock().mode = Mode::Prompt;
        let _ = hub.unsubscribe(user, channels).now_or_never();
    }

    /// Disconnects a user.
    pub(super) fn expel(&self, user: &'static str, node: usize, append: Append) {
        let Some(hub) = self.stations[node].hub() else { return };
        self.log.lock().mode = mode_of_command(append);
        let _ = hub.disconnect(user).now_or_never();
    }

    /// Restores a user.
    pub(super) fn restore(&self, user: &'static str, node: usize) {
        let Some(hub) = self.stations[node].hub() else { return };
        self.log.lock().mode = Mode::Prompt;
        let _ = hub.restore(user).now_or_never();
    }

    pub(super) fn poll(&mut self, mut pending: Pending) {
        match (&mut pending.future).now_or_never() {
            None => self.pending.push(pending),
            Some(Ok(receipt)) => {
                self.journal.note(|| format!("stored {receipt:?}: {:?}", pending.publication));
                self.acknowledged.push((pending.publication, receipt));
            }
            Some(Err(PublishError::Invalid(error))) => panic!("the simulation published an invalid event: {error}"),
            Some(Err(_)) => self.failed.push(pending.publication),
        }
    }

    pub(super) fn acknowledge(&mut self, which: usize) {
        if !self.pending.is_empty() {
            let pending = self.pending.swap_remove(which % self.pending.len());
            pending.gate.open();
            self.poll(pending);
        }
    }

    /// Cancels a publisher; some publish again later.
    pub(super) fn give_up(&mut self, which: usize) {
        if !self.pending.is_empty() {
            self.tally.fault("publisher cancelled");
            let pending = self.pending.swap_remove(which % self.pending.len());
            if which.is_multiple_of(2) {
                self.failed.push(pending.publication);
            }
        }
    }
}

fn mode_of_command(append: Append) -> Mode {
    match append {
        Append::Refused => Mode::Refused,
        Append::AckLost => Mode::AckLost,
        Append::Prompt | Append::Vanished | Append::AckLate | Append::Late | Append::Orphan => Mode::Prompt,
    }
}
