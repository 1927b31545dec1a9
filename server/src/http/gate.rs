//! What every call asks first: who is calling, and what their grants cover.

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock},
};

use http::request::Parts;
use tidings_protocol::{
    Channel, DeviceId, EDITION, Pattern,
    frame::{RejectCode, Rejected},
    problem::Code,
};

use super::{forward, limits::Limiter, problem::Refusal};
use crate::{
    Hub,
    access::{Channels, Right},
    auth::{Auth, AuthError, AuthRequest, Identity, TicketError, TicketStore, ticket::Ticket},
    core::ShutOut,
};

/// The largest body of `/publish`, unless set;
const PUBLISH_BYTES: usize = 4 << 20;
/// of any other call;
const CALL_BYTES: usize = 256 << 10;
/// or this for each channel that a stream may hold.
const CHANNEL_BYTES: usize = 256;

/// What the routes of one mounting share.
pub(super) struct Gate {
    pub(super) hub: Hub,
    auth: Arc<dyn Auth>,
    pub(super) tickets: Option<Arc<dyn TicketStore>>,
    /// Which of the hub's mountings this is, where other nodes reach it.
    pub(super) mount: OnceLock<usize>,
    pub(super) limiter: Limiter,
    /// The largest body of `/publish`, in bytes; and of any other call.
    pub(super) publish_bytes: usize,
    pub(super) call_bytes: usize,
}

impl From<ShutOut> for Refusal {
    fn from(_: ShutOut) -> Self {
        AuthError::Revoked.into()
    }
}

impl Gate {
    pub(super) fn new(hub: Hub, auth: Arc<dyn Auth>, limiter: Limiter) -> Self {
        let mut gate =
            Self { hub, auth, tickets: None, mount: OnceLock::new(), limiter, publish_bytes: 0, call_bytes: 0 };
        gate.set_body_bytes(PUBLISH_BYTES);
        gate
    }

    /// Sets the largest body of `/publish`. Other calls may have less: read, a list of channels takes ten times its bytes, and waits for
    /// whoever is asked about them.
    pub(super) fn set_body_bytes(&mut self, bytes: usize) {
        let channels = self.hub.config().channels_per_connection;
        self.publish_bytes = bytes;
        self.call_bytes = channels.saturating_mul(CHANNEL_BYTES).max(CALL_BYTES).min(bytes);
    }

    /// Who the request belongs to.
    pub(super) async fn identify(&self, head: &AuthRequest) -> Result<Identity, Refusal> {
        speaks(head.parts())?;
        Ok(self.still_good(self.auth.authenticate(head.clone()).await?)?)
    }

    /// Who a stream's request belongs to, which may bring a ticket.
    pub(super) async fn identify_stream(&self, head: &AuthRequest) -> Result<Identity, Refusal> {
        // Before a ticket is spent.
        speaks(head.parts())?;
        match &self.tickets {
            Some(tickets) => match self.redeem(&**tickets, head).await {
                Err(AuthError::Missing) => self.identify(head).await,
                known => Ok(self.still_good(known?)?),
            },
            None => self.identify(head).await,
        }
    }

    /// Whom the request's ticket lets in; missing where there is none. A ticket is taken at the node that minted it, so that it is used
    /// once.
    async fn redeem(&self, store: &dyn TicketStore, request: &AuthRequest) -> Result<Identity, AuthError> {
        let ticket: Ticket = request.query("ticket").ok_or(AuthError::Missing)?.parse()?;
        // A device id that is none is told as such where the query is read.
        let device = request.query("deviceId").and_then(|device| DeviceId::new(device).ok());
        let held = match store.take(ticket.name).await {
            // A store that nodes share would have it.
            Err(TicketError::Unknown) if ticket.name.node != self.hub.node() => {
                forward::take(&self.hub, self.mount.get().copied(), ticket.name).await
            }
            taken => taken,
        };
        ticket.redeem(held?, device.as_ref())
    }

    /// Credentials that have not ended, by themselves or by [`Hub::disconnect`].
    fn still_good(&self, identity: Identity) -> Result<Identity, AuthError> {
        if identity.expires_in().is_some_and(|left| left.is_zero()) {
            return Err(AuthError::Expired);
        }
        self.let_in(&identity, None)?;
        Ok(identity)
    }

    /// Whether somebody is let in on this device, or has been disconnected since.
    pub(super) fn let_in(&self, identity: &Identity, device: Option<&DeviceId>) -> Result<(), AuthError> {
        let decision = self.hub.core().authorize(identity.credentials(device), Vec::new());
        if decision.is_shut_out { Err(AuthError::Revoked) } else { Ok(()) }
    }

    /// What somebody has no right to of these channels, be it that no grant gives it or that it was revoked.
    pub(super) fn refused(
        &self,
        identity: &Identity,
        right: Right,
        channels: Vec<Pattern>,
    ) -> Result<Vec<Pattern>, AuthError> {
        let (granted, mut refused): (Vec<_>, Vec<_>) =
            channels.into_iter().partition(|channel| identity.may(right, channel));
        let decision = self.hub.core().authorize(identity.credentials(None), granted);
        refused.extend(decision.refused);
        if decision.is_shut_out { Err(AuthError::Revoked) } else { Ok(refused) }
    }

    /// Parts channels into those to which somebody has a right, as many as a stream may hold, and the others. What no grant covers
    /// `Auth` is asked about, if it is a channel; about no more than a stream may hold, so that nobody has a database asked for ever.
    pub(super) async fn ask_grants(
        &self,
        identity: &Identity,
        channels: Vec<Pattern>,
    ) -> Result<(Channels, Vec<Rejected>), Refusal> {
        let limit = self.hub.config().channels_per_connection;
        let subscribed = identity.user_id().map(|user| self.hub.core().subscribed(user)).unwrap_or_default();
        let questions = Self::questions(identity, &channels).take(limit).collect::<Vec<_>>();
        let allowed = self.allowed(identity, &questions).await?;
        let asked: HashSet<_> = questions.iter().map(Channel::as_str).collect();
        let (mut held, mut rejected, mut places) = (Channels::default(), Vec::new(), limit);
        for channel in channels {
            let is_granted = identity.may(Right::Subscribe, &channel) || allowed.contains(channel.as_str());
            let has_right = is_granted || subscribed.iter().any(|subscribed| subscribed.covers(&channel));
            if has_right && places > 0 {
                places -= 1;
                if is_granted { &mut held.granted } else { &mut held.by_server }.push(channel);
                continue;
            }
            let is_too_much = has_right || single(&channel).is_some() && !asked.contains(channel.as_str());
            let code = if is_too_much { RejectCode::TooManyChannels } else { RejectCode::Forbidden };
            rejected.push(Rejected { channel, code });
        }
        Ok((held, rejected))
    }

    /// Parts what a stream holds by what fresh credentials grant; the server may have subscribed the user to the rest.
    pub(super) async fn ask_grants_again(
        &self,
        identity: &Identity,
        channels: Vec<Pattern>,
    ) -> Result<Channels, Refusal> {
        let questions = Self::questions(identity, &channels).collect::<Vec<_>>();
        let allowed = self.allowed(identity, &questions).await?;
        let is_granted =
            |channel: &Pattern| identity.may(Right::Subscribe, channel) || allowed.contains(channel.as_str());
        let (granted, by_server) = channels.into_iter().partition(is_granted);
        Ok(Channels { granted, by_server })
    }

    fn questions<'a>(identity: &'a Identity, channels: &'a [Pattern]) -> impl Iterator<Item = Channel> + 'a {
        let ungranted = channels.iter().filter(|channel| !identity.may(Right::Subscribe, channel));
        ungranted.filter_map(single)
    }

    /// Which of these `Auth` allows.
    async fn allowed(&self, identity: &Identity, questions: &[Channel]) -> Result<HashSet<String>, AuthError> {
        if questions.is_empty() {
            return Ok(HashSet::new());
        }
        let allowed = self.auth.may_subscribe(identity, questions).await?;
        let asked: HashSet<_> = questions.iter().map(Channel::as_str).collect();
        let was_asked = |channel: &&Channel| asked.contains(channel.as_str());
        Ok(allowed.iter().filter(was_asked).map(|channel| channel.as_str().to_owned()).collect())
    }
}

/// The channel, if it is one and no pattern of many.
fn single(channel: &Pattern) -> Option<Channel> {
    channel.as_str().parse().ok()
}

/// Whether the client speaks our edition of the protocol, where it says which.
fn speaks(parts: &Parts) -> Result<(), Refusal> {
    let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let Some((_, edition)) = { query }.find(|(name, _)| name == "protocol") else { return Ok(()) };
    if edition.parse() == Ok(EDITION) {
        return Ok(());
    }
    let edition: String = edition.chars().take(20).collect();
    let version = env!("CARGO_PKG_VERSION");
    let detail = format!("the client speaks edition {edition}, this server {EDITION} (crate tidings {version})");
    Err(Refusal::new(Code::UnsupportedProtocol, detail))
}
