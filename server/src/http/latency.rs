//! `POST /latency`: the delivery times that a client measured.

use std::{sync::Arc, time::Duration};

use axum::extract::{Request, State};
use http::StatusCode;
use tidings_protocol::{command::LatencyRequest, problem::Code};

use super::{
    gate::Gate,
    problem::Refusal,
    read::{json, split},
};

/// The most measurements in one call.
const MOST: usize = 100;
/// The longest time that is accepted. A longer one means that a clock is wrong.
const LONGEST: Duration = Duration::from_secs(3_600);

pub(super) async fn latency(State(gate): State<Arc<Gate>>, request: Request) -> Result<StatusCode, Refusal> {
    let (head, body) = split(request);
    let identity = gate.identify(&head).await?;
    let LatencyRequest { connection_id, ms } = json(&gate, &head, body).await?;
    let user = identity.user_id();
    match gate.hub.core().find(&connection_id) {
        Some(link) if link.names.user.as_ref() == user => {}
        // A page that closes reports its last measurements when its stream may already be gone.
        None if user.is_some() => {}
        _ => return Err(Refusal::new(Code::UnknownConnection, "connectionId")),
    }
    gate.limiter.subscribe(user, &connection_id)?;
    if ms.len() > MOST {
        return Err(Refusal::new(Code::TooMany, format!("ms: {} measurements; at most {MOST} are taken", ms.len())));
    }
    for ms in ms {
        gate.hub.core().metrics.delivered(Duration::from_millis(ms).min(LONGEST));
    }
    Ok(StatusCode::NO_CONTENT)
}
