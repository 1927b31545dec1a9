//! The client as a whole: its owners, and the common parts of all steps.

use super::{
    Ask, Config, Identity, Rejected, Request, State, Status,
    address::Address,
    auth::Auth,
    connection::{Connection, Phase},
    cursors::Cursors,
    latency::Latency,
    ledger::Ledger,
    out::Out,
    sharing::{Call, Sharing, TabAsk, TabTell},
};
use crate::backoff::Random;

/// A client's connection, its subscriptions, and its position in the log.
#[derive(Debug)]
pub struct ClientCore {
    pub(super) connection: Connection,
    pub(super) auth: Auth,
    pub(super) ledger: Ledger,
    pub(super) sharing: Sharing,
    pub(super) latency: Latency,
    pub(super) out: Out,

    pub(super) address: Address,
    pub(super) cross_origin: bool,
    pub(super) identity: Identity,
    pub(super) random: Random,
    /// The random numbers that make each stream's URL unique.
    pub(super) nonces: Random,
    /// The number of the last request.
    pub(super) numbers: u32,
    /// The state that was last reported to the application.
    pub(super) told: State,

    pub(super) idle_ms: Option<u64>,
    /// When the connection is closed, unless a handler is added before: the last handler has left.
    pub(super) idle_at: Option<u64>,
    /// `connect` was called; it is handled at the end of the microtask.
    pub(super) is_asked: bool,
    /// `connect` was called while an answer is awaited.
    pub(super) is_doubted: bool,
}

impl ClientCore {
    /// A client that does nothing until it has a handler or `connect` is called. The seed determines its random waits.
    #[must_use]
    pub fn new(config: Config, identity: Identity, seed: u64) -> Self {
        let Config { url, since, reconnect, idle_ms, access, cross_origin, share, latency } = config;
        let mut random = Random::new(seed);
        Self {
            connection: Connection::new(reconnect),
            auth: Auth::new(access),
            ledger: Ledger::new(since.as_deref()),
            sharing: Sharing::new(share, &mut random),
            latency: Latency::new(latency),
            out: Out::default(),
            address: Address::new(&url),
            cross_origin,
            identity,
            random,
            // Separate from the random waits, so that a seed repeats those.
            nonces: Random::new(!seed),
            numbers: 0,
            told: State::Idle,
            idle_ms,
            idle_at: None,
            is_asked: false,
            is_doubted: false,
        }
    }

    // ---- state ----

    /// The state of the connection.
    #[must_use]
    pub fn state(&self) -> State {
        match self.connection.phase() {
            Phase::Joining { .. } | Phase::Open { led: true } => self.sharing.status().state,
            _ => self.connection.state(),
        }
    }

    /// The state of the connection, with details that a page may want to show.
    pub(super) fn status(&self) -> Status {
        let phase = self.connection.phase();
        let (mut retry_in_ms, mut connection_id) = (None, None);
        match phase {
            Phase::Joining { .. } | Phase::Open { led: true } => return self.sharing.status().clone(),
            Phase::Open { led: false } => connection_id = Some(self.connection.id().to_owned()),
            Phase::Waiting { since, until, .. } => retry_in_ms = Some(until - since),
            _ => {}
        }
        let attempt = if connection_id.is_some() { 0 } else { self.connection.failures() };
        Status { state: self.connection.state(), attempt, retry_in_ms, connection_id }
    }

    /// Changes the phase and reports it to the application, and to the tabs that follow.
    pub(super) fn enter(&mut self, phase: Phase) {
        self.connection.set_phase(phase);
        let status = self.status();
        // A wait is reported once more when its length is known.
        if status.state != self.told || status.retry_in_ms.is_some() {
            if self.has_members() {
                self.tell(TabTell::Status(status.clone()), false);
            }
            self.tell_status(status);
        }
    }

    /// Reports a status to the application.
    pub(super) fn tell_status(&mut self, status: Status) {
        self.told = status.state;
        self.out.state(status);
    }

    /// Ends the stream, if there is one.
    pub(super) fn leave(&mut self) {
        if self.connection.phase().has_stream() {
            self.out.close();
        }
        self.ledger.leave_stream();
    }

    /// Leaves the group of tabs. The tabs that follow find another leader.
    pub(super) fn exit(&mut self) {
        if self.sharing.exit() {
            self.out.exit();
            self.ledger.forget_tabs();
        }
    }

    // ---- requests ----

    pub(super) fn next_number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    /// Sends a request, and returns the number under which its answer comes. A request to the server without a body
    /// only asks whose the credentials are.
    pub(super) fn ask(&mut self, ask: Ask, path: &str, body: Option<String>) -> u32 {
        let number = self.next_number();
        let url = match (ask, &body) {
            (Ask::Token, _) => String::new(),
            (_, None) => self.address.check(&self.identity.device_id),
            _ => self.address.below(path),
        };
        self.out.send(Request { number, ask, url, body });
        number
    }

    /// Makes a call on the stream.
    pub(super) fn make_call(&mut self, number: u32, call: Call) {
        if self.connection.is_led() {
            return self.ask_leader(TabAsk::Call { number, call });
        }
        let (name, body) = super::address::call_body(self.connection.id(), number, &call);
        let url = self.address.below(name);
        self.out.send(Request { number, ask: Ask::Server, url, body: Some(body) });
    }

    /// Reports to the server how long events took. Only once: a lost sample does no harm.
    pub(super) fn report_latency(&mut self) {
        if let Some(body) = self.latency.take_report(self.numbers + 1) {
            self.ask(Ask::Report, "latency", Some(body));
        }
    }

    // ---- the other tabs ----

    /// Sends a message to the leading tab.
    pub(super) fn ask_leader(&mut self, ask: TabAsk) {
        let message = self.sharing.ask(ask);
        self.out.post(message, false);
    }

    /// Sends a message to the tabs that follow, if this tab leads.
    #[inline(never)]
    pub(super) fn tell(&mut self, tell: TabTell, with_frame: bool) {
        if let Some(message) = self.sharing.tell(tell) {
            self.out.post(message, with_frame);
        }
    }

    /// Sends a message to the tabs that follow, if there are any.
    #[inline(never)]
    pub(super) fn tell_members(&mut self, tell: TabTell) {
        if self.has_members() {
            self.tell(tell, false);
        }
    }

    /// Whether tabs follow this one.
    pub(super) fn has_members(&mut self) -> bool {
        self.sharing.hub().is_some_and(|hub| hub.has_members())
    }

    /// The stream's cursor, for the tabs that follow.
    pub(super) fn shared_cursor(&self) -> Option<Cursors> {
        if self.connection.is_open() { self.ledger.settled_cursor() } else { None }
    }

    // ---- refusals ----

    /// The server refused or revoked a channel on this stream.
    pub(super) fn refuse(&mut self, rejected: Rejected) {
        self.ledger.refuse(rejected, &mut self.out);
    }
}
