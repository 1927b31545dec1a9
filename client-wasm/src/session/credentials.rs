//! Credentials that the application gives as a token: asked for before every stream, once more when the server refuses
//! them, and before they expire.
//!
//! No storm comes of a refusal: the token is asked for anew once, and only another one is tried at once. From then on each
//! attempt is as far from the last as the back-off ever goes, until a stream opens or `connect` is called.

use super::{
    Action, Answer, Ask, Request, Session,
    address::object,
    calls::CALL_MS,
    link::{retry_after, trouble},
    phase::{Phase, Stream},
};

/// How a stream says whose it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Access {
    /// By what the browser sends by itself: cookies, and what the URL says.
    #[default]
    Ambient,
    /// By a token, which the server changes into a ticket for the URL, because the stream can carry no header.
    Ticket,
    /// By a token in a header.
    Token,
}

/// What stands between asking for a stream and opening it.
#[derive(Debug)]
pub(super) enum Step {
    /// The application is asked for a token, because of this refusal if there was one.
    Token(Option<Answer>),
    /// The server is asked for a ticket.
    Ticket,
}

/// Fresh credentials for a stream that is open.
#[derive(Debug, Default)]
pub(super) struct Refresh {
    /// When those of now expire.
    expires_at: Option<u64>,
    /// When the next thing is due: to begin, or to give up what is under way.
    due: Option<u64>,
    /// What is under way.
    asked: Option<(Ask, u32)>,
}

impl Refresh {
    pub(super) fn due(&self) -> Option<u64> {
        self.due
    }
}

impl Session {
    /// Begins a stream: at once, or with the application's token.
    pub(super) fn open(&mut self, now: u64) {
        if self.is_undecided(now) {
            return;
        }
        if self.access != Access::Ambient {
            self.authorise(now, None);
        } else if self.is_behind() {
            self.verify(now);
        } else {
            self.open_stream(now, "");
        }
    }

    fn authorise(&mut self, now: u64, refused: Option<Answer>) {
        let request = self.ask(Ask::Token, "", None);
        self.enter(Phase::Authorising { request, until: now.saturating_add(CALL_MS), step: Step::Token(refused) });
    }

    /// Asks somebody for something; the number under which the answer comes. Without a body the server is asked for nothing but
    /// whose the credentials are.
    pub(super) fn ask(&mut self, ask: Ask, path: &str, body: Option<String>) -> u32 {
        let number = self.request_number();
        let url = match (ask, &body) {
            (Ask::Token, _) => String::new(),
            (_, None) => self.address.check(&self.identity.device_id),
            _ => self.address.below(path),
        };
        self.actions.push(Action::Send(Request { number, ask, url, body }));
        number
    }

    /// A token or a ticket came, or did not.
    pub(super) fn authorised(&mut self, now: u64, answer: &Answer) {
        let is_behind = self.is_behind();
        let Phase::Authorising { step, .. } = &mut self.phase else { return };
        match (step, answer.status) {
            // The same token would be refused again.
            (Step::Token(refused), Some(304)) if refused.is_some() => {
                let refused = refused.take().unwrap_or_default();
                self.refused(now, &refused);
            }
            // Another tab has a stream.
            (Step::Token(_), Some(_)) if is_behind => self.verify(now),
            (Step::Token(_), Some(200 | 304)) if self.access == Access::Ticket => {
                let body = object("deviceId", &self.identity.device_id);
                let request = self.ask(Ask::Server, "ticket", Some(body));
                self.phase = Phase::Authorising { request, until: now.saturating_add(CALL_MS), step: Step::Ticket };
            }
            // Without a token the server may take us for nobody in particular.
            (Step::Token(_), Some(_)) => self.open_stream(now, ""),
            (Step::Token(_), None) => {
                self.failures = self.failures.saturating_add(1);
                self.diagnosed(now, &no_token(answer));
            }
            (Step::Ticket, _) => match &answer.ticket {
                Some(ticket) => self.open_stream(now, ticket),
                None => self.refused(now, answer),
            },
        }
    }

    /// The server would not have us. Where that may be the token's fault, another one is tried.
    pub fn refused(&mut self, now: u64, answer: &Answer) {
        self.leave();
        let counted = matches!(self.phase, Phase::Diagnosing { .. });
        if answer.status == Some(401) && self.may_renew() {
            self.renewed = true;
            self.failures -= u32::from(counted);
            self.authorise(now, Some(answer.clone()));
        } else {
            self.failures = self.failures.saturating_add(u32::from(!counted));
            self.reported(now, answer);
        }
    }

    /// Whether a refusal is a reason to ask for another token: the first one is, since the last that was accepted.
    pub(super) fn may_renew(&self) -> bool {
        self.access != Access::Ambient && !self.renewed
    }

    /// The credentials of the stream that just opened expire after this time.
    pub(super) fn expires_in(&mut self, now: u64, ms: Option<u64>) {
        self.renewed = false;
        // Cookies are renewed by whoever gave them.
        if self.access == Access::Ambient {
            return;
        }
        let Phase::Open(Stream { refresh, .. }) = &mut self.phase else { return };
        *refresh = Refresh { expires_at: ms.map(|ms| now.saturating_add(ms)), ..Refresh::default() };
        self.plan_refresh(now, 0);
    }

    /// Plans the next refresh, `least` milliseconds from now at the soonest: in the last fifth of the time that is left, at most a
    /// minute before its end, spread so that clients that came together do not come together again. In the last second it
    /// is too late: the stream ends, and the next one takes up where it stood.
    fn plan_refresh(&mut self, now: u64, least: u64) {
        let spread = self.random.up_to(u64::from(u32::MAX));
        let Phase::Open(Stream { refresh, .. }) = &mut self.phase else { return };
        refresh.asked = None;
        refresh.due = refresh.expires_at.and_then(|expires_at| {
            let left = expires_at.saturating_sub(now);
            let lead = (left / 5).min(60_000);
            let wait = (left - lead + ((lead / 2 * spread) >> 32)).max(least);
            (left >= 1_000 && wait < left).then(|| now.saturating_add(wait))
        });
    }

    /// Asks for a token for the stream that is open.
    pub(super) fn refresh(&mut self, now: u64) {
        let number = self.ask(Ask::Token, "", None);
        self.refreshing(now, Ask::Token, number);
    }

    fn refreshing(&mut self, now: u64, ask: Ask, number: u32) {
        if let Phase::Open(Stream { refresh, .. }) = &mut self.phase {
            refresh.asked = Some((ask, number));
            refresh.due = Some(now.saturating_add(CALL_MS));
        }
    }

    /// Time has passed.
    pub(super) fn wake_refresh(&mut self, now: u64) {
        let Phase::Open(Stream { refresh, .. }) = &self.phase else { return };
        if refresh.due.is_some_and(|due| now >= due) {
            match refresh.asked {
                Some((_, number)) => {
                    self.refresh_answered(now, number, &Answer::default());
                }
                None => self.refresh(now),
            }
        }
    }

    /// The answer to a request; whether it was this one's.
    pub(super) fn refresh_answered(&mut self, now: u64, number: u32, answer: &Answer) -> bool {
        let Phase::Open(Stream { refresh, connection_id, .. }) = &self.phase else { return false };
        let Some((ask, asked)) = refresh.asked else { return false };
        if asked != number {
            return false;
        }
        match (ask, answer.status) {
            (Ask::Token, Some(200)) => {
                let body = object("connectionId", connection_id);
                let number = self.ask(Ask::Server, "refresh", Some(body));
                self.refreshing(now, Ask::Server, number);
            }
            // The application has no other yet.
            (Ask::Token, Some(_)) => self.plan_refresh(now, 0),
            (_, Some(200)) => {
                self.expires_in(now, answer.expires_in_ms);
                // They may cover what those before did not.
                self.ask_again();
                self.sync_subscriptions(now);
                self.ask_presence();
            }
            (_, Some(404)) => self.lose(now, None),
            (ask, status) => {
                let mut trouble = if ask == Ask::Token { trouble(&no_token(answer)) } else { trouble(answer) };
                trouble.will_retry = true;
                self.actions.push(Action::Error(trouble));
                // What the server does not accept it will not accept later: the stream ends with the credentials that it has.
                let least = if matches!(status, Some(400..=407)) { u64::MAX } else { retry_after(answer) };
                self.plan_refresh(now, least);
            }
        }
        true
    }
}

/// The application gave no answer, or threw one.
fn no_token(answer: &Answer) -> Answer {
    Answer { code: Some("tokenFailed".into()), detail: answer.detail.clone(), ..Answer::default() }
}
