//! Reports of the browser on the tabs' locks.

use super::{ClientCore, connection::Phase, sharing::TabTell};

impl ClientCore {
    /// This tab has the group's lock: at once, after waiting for it, or because it was stolen.
    pub fn locked(&mut self, now: u64) {
        if self.sharing.lead() {
            self.leave();
            self.tell(TabTell::Lead { tab: None }, false);
            self.enter(Phase::Starting);
            self.open(now);
        }
    }

    /// Another tab has the group's lock; this one is in the queue.
    pub fn held(&mut self, now: u64) {
        if self.sharing.follow() {
            self.open(now);
        }
    }

    /// Another tab has stolen the lock, because this one did not answer.
    pub fn lost(&mut self, now: u64) {
        if self.sharing.hub().is_some() {
            self.leave();
            self.exit();
            self.seek(now);
        }
    }

    /// Locks or channels are missing here after all.
    pub fn unshared(&mut self, now: u64) {
        if self.sharing.stop() {
            self.open(now);
        }
    }

    /// A tab is gone, however it ended.
    pub fn gone(&mut self, tab: &str) {
        let number = self.sharing.hub().and_then(|hub| hub.remove(tab));
        if let Some(number) = number {
            self.ledger.forget_tab(number);
        }
    }

    /// The tabs of this browser, each with a random device id, have agreed on this one. Called before the first stream.
    pub fn agreed_on_device(&mut self, id: String) {
        self.identity.device_id = id;
    }
}
