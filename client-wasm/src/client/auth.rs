//! Credentials that the application provides as a token: requested before every stream, once more when the server
//! refuses them, and before they expire.
//!
//! A refusal does not cause a storm: the token is requested again once, and only a different token is tried at once.
//! From then on attempts are as far apart as the longest wait of the back-off, until a stream opens or `connect` is
//! called.

mod refresh;

pub(super) use refresh::{Due, Refresh};

use super::Answer;

/// How a stream is authenticated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Access {
    /// By the credentials that the browser sends by itself: cookies, and the URL.
    #[default]
    Ambient,
    /// By a token, which the server exchanges for a ticket for the URL, because the stream cannot carry a header.
    Ticket,
    /// By a token in a header.
    Token,
}

/// The step between requesting a stream and opening it.
#[derive(Debug)]
enum Step {
    /// The application has been asked for a token, because of this refusal if there was one.
    Token(Option<Answer>),
    /// The server has been asked for a ticket.
    Ticket,
}

/// The result of an answer to a request for a token or a ticket.
#[derive(Debug)]
pub(super) enum Authorised {
    /// The stream may be opened, with this ticket if it is not empty.
    Open(String),
    /// The token is there; the server has to be asked for a ticket.
    AskTicket,
    /// Another tab has a stream; the server has to be asked whose credentials these are.
    Verify,
    /// The application has returned no token.
    NoToken,
    /// The server refused the credentials: by this earlier answer, or by the one at hand.
    Refused(Option<Answer>),
}

/// The client's identity towards the server, and its credentials.
#[derive(Debug)]
pub(super) struct Auth {
    access: Access,
    /// A token was refused and another one was requested, and no token has been accepted since.
    renewed: bool,
    step: Step,
    /// The refresh of the open stream.
    refresh: Refresh,
    /// The user id that the server reports.
    user_id: Option<String>,
}

impl Auth {
    pub(super) fn new(access: Access) -> Self {
        Self { access, renewed: false, step: Step::Ticket, refresh: Refresh::default(), user_id: None }
    }

    pub(super) fn is_ambient(&self) -> bool {
        self.access == Access::Ambient
    }

    pub(super) fn user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }

    pub(super) fn set_user(&mut self, user_id: Option<&String>) {
        self.user_id = user_id.cloned();
    }

    /// Whether a refusal justifies a request for another token: the first refusal since the last accepted token does.
    pub(super) fn may_renew(&self) -> bool {
        !self.is_ambient() && !self.renewed
    }

    /// Notes that another token is requested because of a refusal.
    pub(super) fn renew(&mut self) {
        self.renewed = true;
    }

    /// Forgets a refusal, because the credentials were accepted or are to be tried again.
    pub(super) fn forget_refusal(&mut self) {
        self.renewed = false;
    }

    /// Notes that the application has been asked for a token.
    pub(super) fn await_token(&mut self, refused: Option<Answer>) {
        self.step = Step::Token(refused);
    }

    /// Notes that the server has been asked for a ticket.
    pub(super) fn await_ticket(&mut self) {
        self.step = Step::Ticket;
    }

    /// Handles the answer to a request for a token or a ticket, for a tab that leads or one that is `behind` another.
    pub(super) fn authorised(&mut self, answer: &Answer, behind: bool) -> Authorised {
        match (&mut self.step, answer.status) {
            // The same token would be refused again.
            (Step::Token(refused), Some(304)) if refused.is_some() => Authorised::Refused(refused.take()),
            (Step::Token(_), Some(_)) if behind => Authorised::Verify,
            (Step::Token(_), Some(200 | 304)) if self.access == Access::Ticket => Authorised::AskTicket,
            // Without a token the server may accept the client as anonymous.
            (Step::Token(_), Some(_)) => Authorised::Open(String::new()),
            (Step::Token(_), None) => Authorised::NoToken,
            (Step::Ticket, _) => match &answer.ticket {
                Some(ticket) => Authorised::Open(ticket.clone()),
                None => Authorised::Refused(None),
            },
        }
    }

    pub(super) fn refresh(&mut self) -> &mut Refresh {
        &mut self.refresh
    }

    /// When the refresh of the open stream is due.
    pub(super) fn refresh_due(&self) -> Option<u64> {
        self.refresh.due()
    }
}

/// The answer of an application that returned nothing, or threw an error.
pub(super) fn no_token(answer: &Answer) -> Answer {
    Answer { code: Some("tokenFailed".into()), detail: answer.detail.clone(), ..Answer::default() }
}
