//! Answers to requests: the server's, the application's, and where another tab leads its.

use super::{
    Answer, Ask, Failure, Rejected, Session,
    address::object,
    auth::{Authorised, no_token},
    connection::{CALL_MS, Phase},
    failing::{failure_of, retry_after},
};

impl Session {
    /// The answer to a request.
    pub fn answer(&mut self, now: u64, number: u32, answer: &Answer) {
        match self.connection.phase() {
            Phase::Diagnosing { request, .. } if request == number => self.refused(now, answer),
            Phase::Authorising { request, .. } if request == number => self.authorised(now, answer),
            Phase::Verifying { request, .. } if request == number => self.verified(now, answer),
            Phase::Open { .. } => {
                if let Some(ask) = self.auth.refresh().asked(number) {
                    self.refresh_answered(now, ask, answer);
                } else if let Some(asks) = self.ledger.is_presence_call(number) {
                    self.presence_answered(now, asks, answer);
                } else if !self.latency.answered(number, answer) {
                    self.call_answered(now, number, answer);
                }
            }
            _ => {
                self.latency.answered(number, answer);
            }
        }
    }

    /// A token or a ticket came, or did not.
    pub(super) fn authorised(&mut self, now: u64, answer: &Answer) {
        match self.auth.authorised(answer, self.sharing.is_behind()) {
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
                self.diagnosed(now, &no_token(answer));
            }
            Authorised::Refused(answer) => self.refused(now, &answer),
        }
    }

    /// The server says whose the credentials are.
    pub(super) fn verified(&mut self, now: u64, answer: &Answer) {
        if !answer.is_success() {
            return self.refused(now, answer);
        }
        self.connection.forget_failures();
        self.auth.forget_refusal();
        self.auth.set_user(answer.user_id.as_ref());
        self.sharing.verified(answer.user_id.as_deref());
        self.join(now, now);
    }

    /// A token for the stream that is open came, or the server's word on it.
    pub(super) fn refresh_answered(&mut self, now: u64, ask: Ask, answer: &Answer) {
        match (ask, answer.status) {
            (Ask::Token, Some(200)) => {
                let body = object("connectionId", self.connection.id());
                let number = self.ask(Ask::Server, "refresh", Some(body));
                self.auth.refresh().asks(now, Ask::Server, number);
            }
            // The application has no other yet.
            (Ask::Token, Some(_)) => self.plan_refresh(now, 0),
            (_, Some(_)) if answer.is_success() => {
                self.expires_in(now, answer.expires_in_ms);
                // They may cover what those before did not.
                self.ask_all_again(now);
            }
            (_, Some(404)) => self.lose(now, None),
            (ask, status) => {
                let failure = if ask == Ask::Token { failure_of(&no_token(answer)) } else { failure_of(answer) };
                self.out.error(Failure { will_retry: true, ..failure });
                // What the server does not accept it will not accept later: the stream ends with the credentials that it has.
                let least = if matches!(status, Some(400..=407)) { u64::MAX } else { retry_after(answer) };
                self.plan_refresh(now, least);
            }
        }
    }

    /// The answer to a call about who is online: one that `asks`, or one that says that somebody reads the stream.
    fn presence_answered(&mut self, now: u64, asks: bool, answer: &Answer) {
        match answer.status {
            // The server does not know the stream, so it is not the stream's server any more.
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
            // The request is wrong, and would be again.
            Some(_) => {
                self.ledger.presence_arrived();
                self.ledger.refuse_all_presence(&failure_of(answer).code, &mut self.out);
            }
        }
    }

    /// The answer to a call that subscribes or unsubscribes.
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
            // The server does not know the stream, so it is not the stream's server any more.
            Some(404) => {
                // Or it is one of several, of which calls reach any.
                self.ledger.ask_in_url();
                self.lose(now, None);
            }
            // Another token may do, and is there when the call is tried again.
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
            // The request is wrong, and would be again.
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
