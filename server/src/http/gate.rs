//! The first steps of every call: who is calling, and which channels their grants cover.

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
    query::parameter,
};

/// The default limit of a `/publish` body, in bytes.
const PUBLISH_BYTES: usize = 4 << 20;
/// The limit of any other call's body, in bytes.
const CALL_BYTES: usize = 256 << 10;
/// The bytes per allowed channel of a stream; the limit of other calls grows to this.
const CHANNEL_BYTES: usize = 256;

/// The state that the routes of one mounting share.
pub(super) struct Gate {
    pub(super) hub: Hub,
    auth: Arc<dyn Auth>,
    pub(super) tickets: Option<Arc<dyn TicketStore>>,
    /// The index of this mounting among the hub's, where other nodes can call it.
    pub(super) mount: OnceLock<usize>,
    pub(super) limiter: Limiter,
    /// The largest body of `/publish`, in bytes; `call_bytes` is the largest of any other call.
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

    /// Sets the largest body of `/publish`. Other calls get a lower limit: a parsed list of channels takes ten times
    /// its bytes, and stays in memory while `Auth` is asked about them.
    pub(super) fn set_body_bytes(&mut self, bytes: usize) {
        let channels = self.hub.config().channels_per_connection;
        self.publish_bytes = bytes;
        self.call_bytes = channels.saturating_mul(CHANNEL_BYTES).max(CALL_BYTES).min(bytes);
    }

    /// Authenticates a request.
    pub(super) async fn identify(&self, head: &AuthRequest) -> Result<Identity, Refusal> {
        speaks(head.parts())?;
        Ok(self.still_good(self.auth.authenticate(head.clone()).await?)?)
    }

    /// Authenticates a stream's request, which may carry a ticket.
    pub(super) async fn identify_stream(&self, head: &AuthRequest) -> Result<Identity, Refusal> {
        // The edition is checked before a ticket is spent.
        speaks(head.parts())?;
        match &self.tickets {
            Some(tickets) => match self.redeem(&**tickets, head).await {
                Err(AuthError::Missing) => self.identify(head).await,
                known => Ok(self.still_good(known?)?),
            },
            None => self.identify(head).await,
        }
    }

    /// The identity of the request's ticket; [`AuthError::Missing`] where there is no ticket. The ticket is taken at
    /// the node that minted it, so that it is used only once.
    async fn redeem(&self, store: &dyn TicketStore, request: &AuthRequest) -> Result<Identity, AuthError> {
        let ticket: Ticket = request.query("ticket").ok_or(AuthError::Missing)?.parse()?;
        // A malformed device id is reported where the query is read.
        let device = request.query("deviceId").and_then(|device| DeviceId::new(device).ok());
        let held = match store.take(ticket.name).await {
            // A store that the nodes share would have the ticket.
            Err(TicketError::Unknown) if ticket.name.node != self.hub.node() => {
                forward::take(&self.hub, self.mount.get().copied(), ticket.name).await
            }
            taken => taken,
        };
        ticket.redeem(held?, device.as_ref())
    }

    /// Refuses credentials that have expired or that [`Hub::disconnect`] ended.
    fn still_good(&self, identity: Identity) -> Result<Identity, AuthError> {
        if identity.expires_in().is_some_and(|left| left.is_zero()) {
            return Err(AuthError::Expired);
        }
        self.let_in(&identity, None)?;
        Ok(identity)
    }

    /// Refuses an identity that was disconnected since its credentials were issued, everywhere or on this device.
    pub(super) fn let_in(&self, identity: &Identity, device: Option<&DeviceId>) -> Result<(), AuthError> {
        let decision = self.hub.core().authorize(identity.credentials(device), Vec::new());
        if decision.is_shut_out { Err(AuthError::Revoked) } else { Ok(()) }
    }

    /// The channels to which the identity has no right, because no grant covers them or because they were revoked.
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

    /// Splits channels into those that the identity may receive, at most as many as a stream may carry, and the others.
    /// For channels that no grant covers, `Auth` is asked, about at most as many as a stream may carry, so that nobody
    /// can keep a database busy.
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

    /// Splits a stream's channels by the grants of fresh credentials; the channels without a grant may still be
    /// subscribed by the server.
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

    /// The channels among these that `Auth` allows.
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

/// The pattern as a channel; `None` where it matches several.
fn single(channel: &Pattern) -> Option<Channel> {
    channel.as_str().parse().ok()
}

/// Refuses a client that names another edition of the protocol.
fn speaks(parts: &Parts) -> Result<(), Refusal> {
    let Some(edition) = parameter(parts.uri.query().unwrap_or_default(), "protocol") else { return Ok(()) };
    if edition.parse() == Ok(EDITION) {
        return Ok(());
    }
    let edition: String = edition.chars().take(20).collect();
    let version = env!("CARGO_PKG_VERSION");
    let detail = format!("the client speaks edition {edition}, this server {EDITION} (crate tidings {version})");
    Err(Refusal::new(Code::UnsupportedProtocol, detail))
}
