//! The buttons of the start page: they inject faults, so that one can watch the effect.

use std::{env, net::SocketAddr, process::Command, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State},
    middleware::{self, Next},
    response::Response,
    routing::post,
};
use futures_util::{StreamExt, stream};
use http::{StatusCode, header};
use tokio::sync::watch;

use crate::PLACES;

/// How long the hub is down.
const OUTAGE: Duration = Duration::from_secs(5);

/// The state of the buttons.
#[derive(Clone)]
pub(crate) struct Controls {
    /// The address that this program listens on, and its successor too.
    address: SocketAddr,
    /// For each place, a signal that cuts its streams.
    cuts: [Arc<watch::Sender<()>>; PLACES.len()],
}

impl Controls {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, cuts: Default::default() }
    }

    /// `POST /stop` and `POST /cut/{place}`.
    pub(crate) fn routes(&self) -> Router {
        Router::new().route("/stop", post(stop)).route("/cut/{place}", post(cut)).with_state(self.clone())
    }

    /// The site of a place, with streams that can be cut.
    pub(crate) fn around(&self, place: usize, site: Router) -> Router {
        site.layer(middleware::from_fn_with_state(self.cuts[place].subscribe(), breakable))
    }
}

/// `POST /stop`: ends the hub like `kill -9`, streams included, and restarts it five seconds later. The program
/// replaces its own process, so that its parent still has it.
async fn stop(State(controls): State<Controls>) -> StatusCode {
    tokio::spawn(async move {
        // The delay lets the answer out first.
        tokio::time::sleep(Duration::from_millis(100)).await;
        if let Err(error) = begin_again(controls.address) {
            tracing::error!(%error, "cannot start again");
        }
    });
    StatusCode::ACCEPTED
}

fn begin_again(address: SocketAddr) -> std::io::Result<()> {
    let mut again = Command::new(env::current_exe()?);
    again.args(env::args_os().skip(1)).arg("--listen").arg(address.to_string());
    again.env(crate::PAUSE, OUTAGE.as_secs().to_string());
    #[cfg(unix)]
    return Err(std::os::unix::process::CommandExt::exec(&mut again));
    #[cfg(not(unix))]
    {
        again.spawn()?;
        std::process::exit(0);
    }
}

/// `POST /cut/{place}`: breaks off the streams of a place, without a closing frame.
async fn cut(State(Controls { cuts, .. }): State<Controls>, Path(place): Path<String>) -> StatusCode {
    match PLACES.iter().position(|other| *other == place) {
        Some(index) => {
            cuts[index].send_replace(());
            StatusCode::ACCEPTED
        }
        None => StatusCode::NOT_FOUND,
    }
}

async fn breakable(State(cuts): State<watch::Receiver<()>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let is_stream = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if !is_stream {
        return response;
    }
    response.map(|body| {
        let mut cuts = cuts;
        cuts.mark_unchanged();
        let pieces = stream::unfold(Some((body.into_data_stream(), cuts)), |open| async {
            let (mut body, mut cuts) = open?;
            tokio::select! {
                piece = body.next() => Some((piece?, Some((body, cuts)))),
                _ = cuts.changed() => Some((Err(axum::Error::new("cut")), None)),
            }
        });
        Body::from_stream(pieces)
    })
}
