//! The page, and the actions of its buttons.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use http::{StatusCode, header};
use serde::Serialize;

use crate::{
    arguments::Engine,
    balancer::{self, Balancer},
    hubs::{Hubs, Shown},
};

/// The data that the page shows.
#[derive(Serialize)]
struct Overview {
    engine: &'static str,
    hubs: Vec<Shown>,
}

/// The page and its calls; all other requests go to the hubs.
pub(crate) fn routes(hubs: &Arc<Hubs>, engine: Engine) -> Router {
    let overview =
        async move |State(hubs): State<Arc<Hubs>>| Json(Overview { engine: engine.name(), hubs: hubs.shown().await });
    let calls = Router::new()
        .route("/hubs", get(overview))
        .route("/hubs/{number}/kill", post(kill))
        .route("/hubs/{number}/restart", post(restart))
        .with_state(hubs.clone());
    Router::new()
        .route("/", get(async || Html(include_str!("../web/index.html"))))
        .route("/cluster.js", get(async || file("text/javascript", include_str!("../web/cluster.js"))))
        .route("/cluster.css", get(async || file("text/css", include_str!("../web/cluster.css"))))
        // The style sheet of the apps' start page, which has to be available when all hubs are dead.
        .route("/start.css", get(async || file("text/css", include_str!("../../apps/web/start.css"))))
        .nest("/cluster", calls)
        .fallback(balancer::forward)
        .with_state(Balancer::before(hubs.addresses()))
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], text)
}

/// `POST /cluster/hubs/{number}/kill`: answers when the hub is gone.
async fn kill(State(hubs): State<Arc<Hubs>>, Path(number): Path<usize>) -> StatusCode {
    if hubs.kill(number).await { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

/// `POST /cluster/hubs/{number}/restart`: answers when the hub listens.
async fn restart(State(hubs): State<Arc<Hubs>>, Path(number): Path<usize>) -> Response {
    match hubs.restart(number).await {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")).into_response(),
    }
}
