//! The checks that every request passes before its route. They are one layer, because each layer of a router costs a
//! few thousand instructions.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tidings_protocol::problem::Code;

use super::{
    cors::Cors,
    gate::Gate,
    problem::{Refusal, Refused},
};

/// The state that the checks need.
pub(super) struct Guard {
    pub(super) gate: Arc<Gate>,
    pub(super) cors: Cors,
}

impl Guard {
    fn refuses(&self, request: &Request) -> Option<Code> {
        let too_large = self.gate.limiter.refuses_head(request.uri(), request.headers());
        too_large.or_else(|| self.cors.refuses(request).then_some(Code::OriginNotAllowed))
    }
}

/// Refuses request heads that are too large and cross-site commands, and counts every refusal, of this layer or of a
/// route.
pub(super) async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let response = match guard.refuses(&request) {
        Some(code) => Refusal::from(code).into_response(),
        None => next.run(request).await,
    };
    if let Some(Refused(code)) = response.extensions().get() {
        guard.gate.hub.core().metrics.refused(*code);
    }
    response
}
