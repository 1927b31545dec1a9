//! `POST /ticket`: issues a one-time ticket.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::header;
use tidings_protocol::{
    command::{TicketAnswer, TicketRequest},
    problem::Code,
};

use super::{
    gate::Gate,
    problem::Refusal,
    read::{json, split},
};
use crate::auth::{
    AuthError, TicketError,
    ticket::{LIFETIME, Ticket},
};

pub(super) async fn mint(State(gate): State<Arc<Gate>>, request: Request) -> Result<Response, Refusal> {
    let (head, body) = split(request);
    let identity = gate.identify(&head).await?;
    let TicketRequest { device_id } = json(&gate, &head, body).await?;
    let Some(store) = &gate.tickets else { return Err(Code::NotFound.into()) };
    let (ticket, held) = Ticket::mint(gate.hub.node(), identity, device_id);
    store.keep(ticket.name, held, LIFETIME).await.map_err(|error| match error {
        TicketError::TooMany => Refusal::from(Code::TooManyRequests).retry_after(LIFETIME),
        error => AuthError::from(error).into(),
    })?;
    let answer = TicketAnswer { ticket: ticket.to_string(), expires_in: LIFETIME.as_secs() };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}
