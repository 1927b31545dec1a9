//! Answers to requests: from the server, from the application, and from the leading tab.

use super::{
    Answer, Ask, ClientCore, Failure, Rejected,
    address::object,
    auth::{Authorised, no_token},
    connection::{CALL_MS, Phase},
    failing::{failure_of, retry_after},
};

impl ClientCore {
    /// The answer to a request.
    pub fn answer(&mut self, now: u64, number: u32, answer: Answer) {
        match self.connection.phase() {
            Phase::Diagnosing { request, .. } if request == number => self.refused(now, answer),
            Phase::Authorising { request, .. } if request == number => self.authorised(now, answer),
            Phase::Verifying { request, .. } if request == number => self.verified(now, answer),
            Phase::Open { .. } => {
                if let Some(ask) = self.auth.refresh().asked(number) {
                    self.refresh_answered(now, ask, &answer);
                } else if let Some(asks) = self.ledger.is_presence_call(number) {
                    self.presence_answered(now, asks, &answer);
                } else if !self.latency.answered(number, &answer) {
                    self.call_answered(now, number, &answer);
                }
            }
            _ => {
                self.latency.answered(number, &answer);
            }
        }
    }

    /// Handles the answer to a request for a token or a ticket.
    pub(super) fn authorised(&mut self, now: u64, answer: Answer) {
        match self.auth.authorised(&answer, self.sharing.is_behind()) {
            Authorised::Open(ticket) => self.open_stream(now, &ticket),
            Authorised::Verify => self.verify(now),
            Authorised::AskTicket => {
                let body = object("deviceId", &self.identity.device_id);
                let request = self.ask(Ask::Server, "ticket", Some(body));
                self.auth.await_ticket();
                self.enter(Phase::Authorising { request, until: now.saturating_add(CALL_MS) });
            }
            Authorised::NoToken => {
                self.connection.fail();
                self.diagnosed(now, &no_token(&answer));
            }
            Authorised::Refused(earlier) => self.refused(now, earlier.unwrap_or(answer)),
        }
    }

    /// Handles the server's answer to whose the credentials are.
    pub(super) fn verified(&mut self, now: u64, answer: Answer) {
        if !answer.is_success() {
            return self.refused(now, answer);
        }
        self.connection.forget_failures();
        self.auth.forget_refusal();
        self.auth.set_user(answer.user_id.as_ref());
        self.sharing.verified(answer.user_id.as_deref());
        self.join(now, now);
    }

    /// Handles the answer to a refresh of the open stream: the application's token, or the server's reply to it.
    pub(super) fn refresh_answered(&mut self, now: u64, ask: Ask, answer: &Answer) {
        match (ask, answer.status) {
            (Ask::Token, Some(200)) => {
                let body = object("connectionId", self.connection.id());
                let number = self.ask(Ask::Server, "refresh", Some(body));
                self.auth.refresh().asks(now, Ask::Server, number);
            }
            // The application has no newer token yet.
            (Ask::Token, Some(_)) => self.plan_refresh(now, 0),
            (_, Some(_)) if answer.is_success() => {
                self.expires_in(now, answer.expires_in_ms);
                // The new credentials may cover channels that the old ones did not.
                self.ask_all_again(now);
            }
            (_, Some(404)) => self.lose(now, None),
            (ask, status) => {
                let failure = if ask == Ask::Token { failure_of(&no_token(answer)) } else { failure_of(answer) };
                self.out.error(Failure { will_retry: true, ..failure });
                // A server that refuses the credentials will refuse them later, too: the stream ends with the
                // credentials that it has.
                let least = if matches!(status, Some(400..=407)) { u64::MAX } else { retry_after(answer) };
                self.plan_refresh(now, least);
            }
        }
    }

    /// Handles the answer to a presence call: one that `asks` who is online, or one that reports that the stream is
    /// still read.
    fn presence_answered(&mut self, now: u64, asks: bool, answer: &Answer) {
        match answer.status {
            // The server does not know the stream, so the stream is lost.
            Some(404) => self.lose(now, None),
            _ if !asks => {}
            Some(_) if answer.is_success() => {
                self.ledger.presence_arrived();
                for rejected in &answer.rejected {
                    self.ledger.refuse_presence(rejected.clone(), &mut self.out);
                }
                self.ledger.activate_presence(&mut self.out);
                self.ask_presence();
            }
            None | Some(200..=299 | 401 | 408 | 425 | 429 | 500..) => {
                self.ledger.put_presence_off();
                self.out.error(Failure { will_retry: true, ..failure_of(answer) });
            }
            // The request is not valid, and would not be valid if repeated.
            Some(_) => {
                self.ledger.presence_arrived();
                self.ledger.refuse_all_presence(&failure_of(answer).code, &mut self.out);
            }
        }
    }

    /// Handles the answer to a call that subscribes or unsubscribes.
    fn call_answered(&mut self, now: u64, number: u32, answer: &Answer) {
        let Some(index) = self.ledger.call_under_way(number) else { return };
        match answer.status {
            Some(_) if answer.is_success() => {
                self.ledger.call_arrived(index);
                for rejected in &answer.rejected {
                    self.refuse(rejected.clone());
                }
                self.sync_subscriptions(now);
            }
            // The server does not know the stream, so the stream is lost.
            Some(404) => {
                // Or the server is one of several, and calls reach any of them.
                self.ledger.ask_in_url();
                self.lose(now, None);
            }
            // Another token may be accepted, and is there when the call is retried.
            Some(401) if self.auth.may_renew() => {
                self.auth.renew();
                self.call_failed(now, index, 0, false, None);
                self.refresh(now);
            }
            None | Some(200..=299 | 401 | 408 | 425 | 429 | 500..) => {
                let least = match answer.status {
                    Some(401) => self.connection.backoff_of_calls().cap_ms,
                    _ => retry_after(answer),
                };
                let firm = least > 0 && matches!(answer.status, Some(401 | 429));
                self.call_failed(now, index, least, firm, Some(failure_of(answer)));
            }
            // The request is not valid, and would not be valid if repeated.
            Some(_) => {
                let failure = failure_of(answer);
                match self.ledger.call_refused(index) {
                    None => self.out.error(failure),
                    Some(channels) => {
                        for channel in channels {
                            self.refuse(Rejected { channel, code: failure.code.clone() });
                        }
                    }
                }
                self.sync_subscriptions(now);
            }
        }
    }
}
