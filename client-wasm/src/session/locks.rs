//! What the browser says of the tabs' locks.

use super::{Session, connection::Phase, sharing::TabTell};

impl Session {
    /// The group's lock is this tab's: at once, after waiting for it, or because it was stolen.
    pub fn locked(&mut self, now: u64) {
        if self.sharing.lead() {
            self.leave();
            self.tell(TabTell::Lead { tab: None }, false);
            self.enter(Phase::Starting);
            self.open(now);
        }
    }

    /// Another tab has the group's lock; this one is in the queue for it.
    pub fn held(&mut self, now: u64) {
        if self.sharing.follow() {
            self.open(now);
        }
    }

    /// Another tab has taken the lock, because it heard nothing of this one.
    pub fn lost(&mut self, now: u64) {
        if self.sharing.hub().is_some() {
            self.leave();
            self.exit();
            self.seek(now);
        }
    }

    /// There are no locks or channels here after all.
    pub fn unshared(&mut self, now: u64) {
        if self.sharing.stop() {
            self.open(now);
        }
    }

    /// A tab is gone, however it went.
    pub fn gone(&mut self, tab: &str) {
        let number = self.sharing.hub().and_then(|hub| hub.remove(tab));
        if let Some(number) = number {
            self.ledger.forget_tab(number);
        }
    }

    /// The tabs of this browser, each of which had drawn a device id, have agreed on this one. Before the first stream.
    pub fn agreed_on_device(&mut self, id: String) {
        self.identity.device_id = id;
    }
}
