//! Opening a stream: entering the group of tabs, getting credentials, and asking the server or the leading tab.

use super::{
    Answer, Ask, ClientCore,
    address::add,
    connection::{CALL_MS, DIAGNOSIS_MS, LOCK_MS, Phase, silence_limit},
    sharing::{JOIN_MS, StreamUser, TabTell},
};
use crate::{
    routes::HandlerId,
    text::{HEX, push_number},
};

impl ClientCore {
    /// Begins a stream: at once, or when it is known which tab leads, or with the application's token.
    pub(super) fn open(&mut self, now: u64) {
        if self.sharing.is_apart() {
            self.seek(now);
        } else if self.sharing.is_asking() {
            // It is not known yet which tab has the stream.
        } else if !self.auth.is_ambient() {
            self.authorise(now, None);
        } else if self.sharing.is_behind() {
            self.verify(now);
        } else {
            self.open_stream(now, "");
        }
    }

    /// Asks the browser which of the tabs leads.
    pub(super) fn seek(&mut self, now: u64) {
        let (tab, user) = self.sharing.seek();
        self.out.enter(tab, user);
        self.enter(Phase::Asking { until: now.saturating_add(LOCK_MS) });
    }

    /// Asks the application for a token, because of this refusal if there was one.
    pub(super) fn authorise(&mut self, now: u64, refused: Option<Answer>) {
        let request = self.ask(Ask::Token, "", None);
        self.auth.await_token(refused);
        self.enter(Phase::Authorising { request, until: now.saturating_add(CALL_MS) });
    }

    /// Asks the server who the user is.
    pub(super) fn verify(&mut self, now: u64) {
        self.leave();
        let request = self.ask(Ask::Server, "", None);
        self.enter(Phase::Verifying { request, until: now.saturating_add(DIAGNOSIS_MS) });
    }

    /// Opens a stream of the server.
    pub(super) fn open_stream(&mut self, now: u64, ticket: &str) {
        let (channels, expelled) = self.ledger.open_stream();
        self.expel(expelled);
        // A stream that several tabs share has no session id.
        let session_id = (!self.sharing.is_on()).then_some(&*self.identity.session_id);
        let (cursor, seen) = self.ledger.cursors();
        let mut url = self.address.stream(&channels, &self.identity.device_id, session_id, cursor, seen, ticket);
        // The server refuses an edition that it does not support. The nonce keeps caches from answering with a stored
        // stream: a service worker's cache would replay it.
        add(&mut url, "protocol=2&nonce=");
        push_number(&mut url, self.nonces.up_to(u64::MAX), HEX);
        let until = now.saturating_add(silence_limit(self.connection.heartbeat_ms()));
        self.enter(Phase::Connecting { until });
        self.out.open(url);
    }

    /// The stream continues without channels that were confirmed to members: they have to request them again, from
    /// their positions.
    pub(super) fn expel(&mut self, handlers: Vec<HandlerId>) {
        for id in handlers {
            let Some(number) = self.ledger.expel(id) else { continue };
            let tab = self.sharing.hub().and_then(|hub| hub.name_of(number));
            if tab.is_some() {
                self.tell(TabTell::Lead { tab }, false);
            }
        }
    }

    /// Restarts the current attempt.
    pub(super) fn restart(&mut self, now: u64) {
        self.connection.count_restart();
        if matches!(self.connection.phase(), Phase::Asking { .. }) {
            self.exit();
        }
        self.leave();
        self.enter(Phase::Starting);
        self.open(now);
    }

    // ---- from the tab that leads ----

    /// Asks the leader for a stream; it has done so since this time.
    pub(super) fn join(&mut self, now: u64, since: u64) {
        let channels = self.ledger.begin_anew();
        let message = self.sharing.ask_stream(channels);
        self.out.post(message, false);
        self.enter(Phase::Joining { since, until: now.saturating_add(JOIN_MS) });
    }

    /// Continues with a stream of its own.
    pub(super) fn go_alone(&mut self, now: u64) {
        self.leave();
        self.exit();
        self.sharing.stop();
        self.open(now);
    }

    /// The leader has been silent for too long: its tab is frozen or hangs.
    pub(super) fn steal(&mut self, now: u64) {
        if self.sharing.may_steal() {
            self.out.steal();
            self.enter(Phase::Joining { since: now, until: now.saturating_add(JOIN_MS) });
        } else {
            self.go_alone(now);
        }
    }

    /// The leader's stream belongs to another user.
    pub(super) fn split_by_user(&mut self, now: u64) {
        self.sharing.split_by_user();
        self.leave();
        self.exit();
        self.seek(now);
    }

    /// The stream of this tab reports its user. Says whether it may continue.
    pub(super) fn check_user(&mut self, now: u64) -> bool {
        let user = self.sharing.led_for(self.auth.user_id());
        if user == StreamUser::Same {
            return true;
        }
        // Every tab asks the server again.
        self.tell(TabTell::UserChanged, false);
        if let Some(hub) = self.sharing.hub() {
            hub.clear();
        }
        self.ledger.forget_tabs();
        if user == StreamUser::Foreign {
            self.out.close();
            self.exit();
            self.seek(now);
        }
        user == StreamUser::Changed
    }
}
