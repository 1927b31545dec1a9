//! The router as hyper calls it.

use std::{convert::Infallible, sync::Arc};

use axum::{Router, body::Body, extract::ConnectInfo};
use http::Request;
use hyper::{
    body::Incoming,
    service::{HttpService, service_fn},
};
use tower::ServiceExt;

use super::{
    accept::{Peer, RetiresAt},
    cut,
    exchanges::{Answering, Exchanges},
    handover::{Handover, TakeOver, TakeOverRules},
};

/// The service of one connection; without a handover the connection is HTTP/2.
pub(super) fn service(
    router: Router,
    peer: Peer,
    exchanges: Arc<Exchanges>,
    handover: Option<Arc<Handover>>,
) -> impl HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send> {
    service_fn(move |request: Request<Incoming>| {
        let exchange = exchanges.begin();
        let mut request = request.map(Body::new);
        if let Some(address) = peer.address {
            request.extensions_mut().insert(ConnectInfo(address));
        }
        if let Some(at) = peer.retires {
            request.extensions_mut().insert(RetiresAt(at));
        }
        let terms = handover.as_ref().and_then(|_| TakeOverRules::of(&request));
        let handover = handover.clone();
        let response = router.clone().oneshot(request);
        async move {
            let response = response.await?;
            let endless = response.extensions().get::<TakeOver>();
            let response = match (handover, terms) {
                (Some(handover), terms) => {
                    if endless.is_some() {
                        handover.begin();
                    }
                    match terms {
                        Some(terms) => match handover.offer(terms, response) {
                            // The stream is counted separately, once it is taken over.
                            (offered, true) => return Ok(offered),
                            (response, false) => response,
                        },
                        None => response,
                    }
                }
                (None, _) => {
                    if let Some(TakeOver(Some(link))) = endless {
                        cut::lend(link);
                    }
                    response
                }
            };
            Ok(response.map(|body| Body::new(Answering { body, _exchange: exchange })))
        }
    })
}
