//! What two hubs that share a log do while the log's server is down, hangs, or stores nothing: the same for every engine.
//! Each check panics where a hub breaks a promise.

use std::time::{Duration, Instant};

use anyhow::Result;
use axum::{
    http::{StatusCode, header::RETRY_AFTER},
    response::IntoResponse,
};
use tidings::{Cursor, Event, Hub, PublishError, Receipt, engine::Engine};
use tokio::{task::block_in_place, time::sleep};

use crate::{Postgres, Redis};

/// A server that can fail.
pub trait Server {
    /// Kills it at once.
    ///
    /// # Errors
    ///
    /// If it does not run.
    fn kill(&self) -> Result<()>;
    /// Starts it again with its data.
    ///
    /// # Errors
    ///
    /// If it does not start.
    fn restart(&self) -> Result<()>;
    /// Stops all its processes.
    ///
    /// # Errors
    ///
    /// If it does not run.
    fn pause(&self) -> Result<()>;
    /// Lets them continue.
    ///
    /// # Errors
    ///
    /// If it does not run.
    fn resume(&self) -> Result<()>;
}

macro_rules! server {
    ($type:ty) => {
        impl Server for $type {
            fn kill(&self) -> Result<()> {
                self.kill()
            }

            fn restart(&self) -> Result<()> {
                self.restart()
            }

            fn pause(&self) -> Result<()> {
                self.pause()
            }

            fn resume(&self) -> Result<()> {
                self.resume()
            }
        }
    };
}
server!(Postgres);
server!(Redis);

/// Two hubs of one log.
#[derive(Debug)]
pub struct Hubs {
    one: Hub,
    other: Hub,
}

impl Hubs {
    /// Two hubs, each on an engine of its own, when both are healthy.
    pub async fn start<E: Engine>(open: impl AsyncFn() -> E) -> Self {
        let hub = async || {
            let builder = Hub::builder().engine(open().await).publish_deadline(Duration::from_secs(1));
            builder.build().await.expect("a hub")
        };
        let hubs = Self { one: hub().await, other: hub().await };
        hubs.until_healthy().await;
        hubs
    }

    /// Publishes the event of this number by one hub until it is acknowledged, and waits until the other hub has it.
    pub async fn publish(&self, number: usize) -> Cursor {
        let last = publish(&self.one, event(number)).await.cursor;
        check_applied(&self.other, last).await;
        last
    }

    async fn until_healthy(&self) {
        until(&self.one, true).await;
        until(&self.other, true).await;
    }

    /// The server is killed: both hubs say so within 6 s, and go on by themselves when it is back.
    pub async fn check_killed(&self, server: &impl Server) {
        let before = self.publish(0).await;
        server.kill().expect("a running server");
        let refused = self.one.publish(event(1)).await.expect_err("the server is gone");
        assert!(matches!(refused, PublishError::Refused(_) | PublishError::Unknown(_)), "{refused}");
        // Its last proof of life was at most one beat ago.
        assert!(until(&self.other, false).await < Duration::from_secs(6));
        block_in_place(|| server.restart()).expect("it starts again");
        let after = self.publish(1).await;
        assert_eq!((after.epoch, after.seq), (before.epoch, before.seq + 1));
        self.until_healthy().await;
    }

    /// The server hangs: a publish ends in time, both hubs say so, and go on by themselves.
    pub async fn check_hanging(&self, server: &impl Server) {
        let before = self.publish(0).await;
        server.pause().expect("a running server");
        let began = Instant::now();
        let unknown = self.one.publish(event(1)).await.expect_err("nothing answers");
        assert!(matches!(unknown, PublishError::Unknown(_)), "the event may have been stored: {unknown}");
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        assert!(until(&self.other, false).await < Duration::from_secs(6));
        server.resume().expect("a paused server");
        self.until_healthy().await;
        // The server has refused it by its own clock, or stored it. With its key it is stored only once.
        assert_eq!(self.publish(1).await.seq, before.seq + 1);
    }

    /// What stood still for ever elsewhere (centrifugo#1189): the first connection after the server's end is refused.
    /// Prints the times, which an operator asks for.
    #[expect(clippy::print_stdout, reason = "the times are what an operator asks for")]
    pub async fn check_refused_redial(&self, name: &str, server: &impl Server) {
        let before = self.publish(0).await;
        server.kill().expect("a running server");
        let refused = self.until_a_redial_is_refused().await;
        // Both tails have dialled by then, too: they do so half a second after they broke.
        sleep(Duration::from_millis(700)).await;
        let began = Instant::now();
        block_in_place(|| server.restart()).expect("it starts again");
        let started = began.elapsed();
        assert_eq!(self.publish(1).await.seq, before.seq + 1);
        let (went_on, healthy) = (began.elapsed(), until(&self.other, true).await);
        println!(
            "{name}: refused after {refused:?}; up again in {started:?}, delivered by the other hub after {went_on:?}, healthy {healthy:?} later"
        );
        assert!(went_on < started + Duration::from_secs(5), "{went_on:?}");
    }

    /// Publishes until the server is seen to refuse a connection; nothing is acknowledged meanwhile.
    async fn until_a_redial_is_refused(&self) -> Duration {
        let began = Instant::now();
        loop {
            let error = self.one.publish(event(1)).await.expect_err("the server is gone");
            assert!(matches!(error, PublishError::Refused(_) | PublishError::Unknown(_)), "{error}");
            let told = format!("{error:?}");
            if matches!(error, PublishError::Refused(_)) && told.to_lowercase().contains("refused (os error") {
                return began.elapsed();
            }
            assert!(began.elapsed() < Duration::from_secs(10), "{told}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// From `fail` to `mend` the server answers and stores nothing, because it is full or read-only: nothing is
    /// acknowledged, HTTP says 503 with `Retry-After`, and what is there can be read.
    pub async fn check_refusing(&self, fail: impl AsyncFnOnce(), mend: impl AsyncFnOnce()) {
        let mut last = self.publish(0).await;
        fail().await;
        // The processes of a server take a setting over one after the other.
        let mut number = 1;
        let refused = loop {
            match self.one.publish(event(number)).await {
                Ok(receipt) => (number, last) = (number + 1, receipt.cursor),
                Err(error) => break error,
            }
            assert!(number < 200, "it goes on storing");
            sleep(Duration::from_millis(20)).await;
        };
        assert!(matches!(refused, PublishError::Refused(_)), "nothing was stored: {refused:?}");
        let answer = refused.into_response();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key(RETRY_AFTER), "{answer:?}");
        check_applied(&self.one, last).await;
        assert!(self.one.is_healthy() && self.other.is_healthy(), "what is there can be read");
        mend().await;
        assert_eq!(self.publish(number).await.seq, last.seq + 1, "nothing that was refused arrives");
    }
}

/// Publishes with the event's key until it is acknowledged.
///
/// # Panics
///
/// If it is not within 10 s, or is refused as invalid.
pub async fn publish(hub: &Hub, event: Event) -> Receipt {
    let began = Instant::now();
    loop {
        match hub.publish(event.clone()).await {
            Ok(receipt) => return receipt,
            Err(PublishError::Refused(_) | PublishError::Unknown(_)) if began.elapsed() < Duration::from_secs(20) => {
                sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Waits until a hub has applied the log up to this record.
///
/// # Panics
///
/// If it has not within 20 s.
pub async fn check_applied(hub: &Hub, last: Cursor) {
    let began = Instant::now();
    while hub.cursor() != last {
        assert!(began.elapsed() < Duration::from_secs(20), "{} of {last}", hub.cursor());
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the hub is healthy or unhealthy. Returns how long that took.
async fn until(hub: &Hub, healthy: bool) -> Duration {
    let began = Instant::now();
    while hub.is_healthy() != healthy {
        assert!(began.elapsed() < Duration::from_secs(30), "healthy: {}", !healthy);
        sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}

fn event(number: usize) -> Event {
    let event = Event::new("news", "said", &number).and_then(|event| event.key(format!("key-{number}")));
    event.expect("a good event")
}
