//! Calls on an open stream.

use super::{
    Ask, ClientCore, Failure, Rejected,
    ledger::Comparison,
    sharing::{Call, TabAsk},
};

impl ClientCore {
    /// Requests, by calls, the channels that the stream lacks.
    pub(super) fn sync_subscriptions(&mut self, now: u64) {
        if !self.connection.is_open() {
            return;
        }
        match self.ledger.compare(now, self.connection.is_led(), &mut self.numbers) {
            Comparison::Nothing => {}
            Comparison::Lost => self.lose(now, None),
            Comparison::Differs { calls, there, cursor } => {
                for (number, call) in calls {
                    self.make_call(number, call);
                }
                for id in there {
                    self.ledger.activate(id, &cursor, &mut self.out);
                }
            }
        }
    }

    /// Tells the server for which channels to report who is online, if they differ from the last request.
    pub(super) fn ask_presence(&mut self) {
        if !self.connection.is_open() {
            return;
        }
        match self.ledger.presence_to_ask() {
            None => {}
            Some(Err(())) => self.ledger.refuse_all_presence("presenceOff", &mut self.out),
            Some(Ok(channels)) => {
                let number = self.next_number();
                self.make_call(number, Call::Presence { channels });
                self.ledger.presence_asked(number);
            }
        }
    }

    /// Reports to the server that the stream is still read.
    pub(super) fn say_alive(&mut self) {
        let number = self.next_number();
        self.make_call(number, Call::Alive);
        self.ledger.alive_said(number);
    }

    /// Tells the leader the labels for which this tab has handlers, if they have changed.
    pub(super) fn tell_labels(&mut self) {
        if self.connection.is_led() {
            let labels = self.ledger.labels();
            if self.sharing.set_labels(&labels) {
                self.ask_leader(TabAsk::Labels { labels });
            }
        }
    }

    /// Requests refused channels again, because the stream or its credentials are new, or the server grants more by
    /// itself.
    pub(super) fn ask_all_again(&mut self, now: u64) {
        self.ledger.ask_again();
        self.sync_subscriptions(now);
        self.ask_presence();
    }

    /// A call on an open stream failed, perhaps for the moment only. The failure is reported if the application can
    /// know of the call.
    pub(super) fn call_failed(&mut self, now: u64, index: usize, least: u64, firm: bool, failure: Option<Failure>) {
        let backoff = self.connection.backoff_of_calls();
        self.ledger.call_failed(now, index, least, firm, (backoff, &mut self.random));
        if let Some(failure) = failure {
            self.out.error(Failure { will_retry: true, ..failure });
        }
    }

    // ---- credentials of the stream that is open ----

    /// The credentials were accepted, and expire after this time. Cookies are renewed by their issuer.
    pub(super) fn expires_in(&mut self, now: u64, ms: Option<u64>) {
        self.auth.forget_refusal();
        if !self.auth.is_ambient() {
            self.auth.refresh().expires_in(now, ms);
            self.plan_refresh(now, 0);
        }
    }

    /// Plans the next refresh, `least` milliseconds from now at the soonest.
    pub(super) fn plan_refresh(&mut self, now: u64, least: u64) {
        let spread = self.random.up_to(u64::from(u32::MAX));
        self.auth.refresh().plan(now, least, spread);
    }

    /// Asks for a token for the stream that is open.
    pub(super) fn refresh(&mut self, now: u64) {
        let number = self.ask(Ask::Token, "", None);
        self.auth.refresh().asks(now, Ask::Token, number);
    }

    // ---- refusals ----

    /// The stream no longer carries these channels, nor addressed events if `addressed` is set.
    pub(super) fn revoke(&mut self, now: u64, channels: Vec<tidings_protocol::Pattern>, addressed: bool, code: &str) {
        for channel in channels {
            self.ledger.revoke(Rejected { channel, code: code.to_owned() }, &mut self.out);
        }
        if addressed {
            self.ledger.revoke_addressed(code, &mut self.out);
        }
        self.sync_subscriptions(now);
    }
}
