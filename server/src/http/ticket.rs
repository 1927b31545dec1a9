//! `POST /ticket`, and streams opened by what it gives.

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::header;
use tidings_protocol::{
    DeviceId,
    command::{TicketAnswer, TicketRequest},
    problem::Code,
};

use super::{body::json, problem::Refusal, routes::Gate};
use crate::auth::{
    AuthError, AuthRequest, Identity, TicketError, TicketStore,
    ticket::{LIFETIME, Ticket},
};

pub(super) async fn mint(State(gate): State<Gate>, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let identity = gate.identify(&parts).await?;
    let TicketRequest { device_id } = json(&gate, Request::from_parts(parts, body)).await?;
    let Some(store) = &gate.tickets else { return Err(Code::NotFound.into()) };
    let (ticket, held) = Ticket::mint(gate.hub.node(), identity, device_id);
    store.keep(ticket.name, held, LIFETIME).await.map_err(|error| match error {
        TicketError::TooMany => Refusal::from(Code::TooManyRequests).retry_after(LIFETIME),
        error => AuthError::from(error).into(),
    })?;
    let answer = TicketAnswer { ticket: ticket.to_string(), expires_in: LIFETIME.as_secs() };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// Whom the request's ticket lets in; missing where there is none.
pub(super) async fn redeem(store: &dyn TicketStore, request: AuthRequest) -> Result<Identity, AuthError> {
    let ticket: Ticket = request.query("ticket").ok_or(AuthError::Missing)?.parse()?;
    // A device id that is none is told as such where the query is read.
    let device = request.query("deviceId").and_then(|device| DeviceId::new(device).ok());
    ticket.redeem(store.take(ticket.name).await?, device.as_ref())
}
