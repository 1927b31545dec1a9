//! Credentials that the application gives as a token: asked for before every stream, once more when the server refuses
//! them, and before they expire.
//!
//! No storm comes of a refusal: the token is asked for anew once, and only another one is tried at once. From then on each
//! attempt is as far from the last as the back-off ever goes, until a stream opens or `connect` is called.

mod refresh;

pub(super) use refresh::{Due, Refresh};

use super::Answer;

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
enum Step {
    /// The application is asked for a token, because of this refusal if there was one.
    Token(Option<Answer>),
    /// The server is asked for a ticket.
    Ticket,
}

/// What comes of a token or a ticket, or of its absence.
#[derive(Debug)]
pub(super) enum Authorised {
    /// The stream may be opened, with this ticket if it is not empty.
    Open(String),
    /// The token is there; the server is to be asked for a ticket.
    AskTicket,
    /// Another tab has a stream; the server is to be asked whose.
    Verify,
    /// The application has given no token.
    NoToken,
    /// The server would not have us.
    Refused(Answer),
}

/// Who the client is to the server, and by which credentials.
#[derive(Debug)]
pub(super) struct Auth {
    access: Access,
    /// A token was refused and another one asked for, and none has been accepted since.
    renewed: bool,
    step: Step,
    /// Of the stream that is open.
    refresh: Refresh,
    /// Who the server says the user is.
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

    /// Whether a refusal is a reason to ask for another token: the first one is, since the last that was accepted.
    pub(super) fn may_renew(&self) -> bool {
        !self.is_ambient() && !self.renewed
    }

    /// Another token is asked for because of a refusal.
    pub(super) fn renew(&mut self) {
        self.renewed = true;
    }

    /// The credentials are good, or it is to be seen anew whether they are.
    pub(super) fn forget_refusal(&mut self) {
        self.renewed = false;
    }

    /// The application is asked for a token.
    pub(super) fn await_token(&mut self, refused: Option<Answer>) {
        self.step = Step::Token(refused);
    }

    /// The server is asked for a ticket.
    pub(super) fn await_ticket(&mut self) {
        self.step = Step::Ticket;
    }

    /// A token or a ticket came, or did not, for a tab that leads or one that is `behind` another.
    pub(super) fn authorised(&mut self, answer: &Answer, behind: bool) -> Authorised {
        match (&mut self.step, answer.status) {
            // The same token would be refused again.
            (Step::Token(refused), Some(304)) if refused.is_some() => {
                Authorised::Refused(refused.take().unwrap_or_default())
            }
            (Step::Token(_), Some(_)) if behind => Authorised::Verify,
            (Step::Token(_), Some(200 | 304)) if self.access == Access::Ticket => Authorised::AskTicket,
            // Without a token the server may take us for nobody in particular.
            (Step::Token(_), Some(_)) => Authorised::Open(String::new()),
            (Step::Token(_), None) => Authorised::NoToken,
            (Step::Ticket, _) => match &answer.ticket {
                Some(ticket) => Authorised::Open(ticket.clone()),
                None => Authorised::Refused(answer.clone()),
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

/// The application gave no answer, or threw one.
pub(super) fn no_token(answer: &Answer) -> Answer {
    Answer { code: Some("tokenFailed".into()), detail: answer.detail.clone(), ..Answer::default() }
}
