//! Publishers: each sends one request at a time, retries unacknowledged events with the same key, and records every
//! acknowledgement.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use serde_json::Value;
use tidings_protocol::command::PublishAnswer;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{
    Phase, Shared,
    tally::Count,
    traffic::{Event, EventId, Person},
};

/// How long a publisher waits for an answer. If the answer arrives later, the retry is the duplicate.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) struct Publisher {
    shared: Arc<Shared>,
    http: reqwest::Client,
    url: String,
    rng: Rng,
    /// The average time between two requests.
    pace: Duration,
    people: Arc<Vec<Person>>,
}

impl Publisher {
    pub(crate) fn new(shared: Arc<Shared>, base: &str, rng: Rng, pace: Duration, people: Arc<Vec<Person>>) -> Self {
        let http = reqwest::Client::new();
        Self { shared, http, url: format!("{base}/api/events/publish"), rng, pace, people }
    }

    /// Publishes until the end of the run, and returns when no acknowledgement is outstanding.
    pub(crate) async fn run(mut self, phase: watch::Receiver<Phase>) {
        let mut next = Instant::now();
        while *phase.borrow() != Phase::Settling {
            sleep_until(next).await;
            next = Instant::now() + self.pace.mul_f64(self.rng.f64() * 2.0);
            let again = self.rng.u8(..50) == 0;
            let known = self.shared.ledger.lock().some_acknowledged(&mut self.rng).filter(|_| again);
            match known {
                Some(id) => self.publish(vec![id], false).await,
                None => {
                    let count = if self.rng.u8(..4) == 0 { self.rng.usize(2..8) } else { 1 };
                    let ids = (0..count).map(|_| self.new_event()).collect();
                    // Some applications do not retry.
                    let gives_up = self.rng.u8(..20) == 0;
                    self.publish(ids, gives_up).await;
                }
            }
        }
    }

    fn new_event(&mut self) -> EventId {
        self.shared.tally.add(Count::Published);
        let event = Event::random(&mut self.rng, &self.people);
        self.shared.ledger.lock().publish(event)
    }

    async fn publish(&mut self, ids: Vec<EventId>, gives_up: bool) {
        loop {
            let body: Vec<Value> = {
                let ledger = self.shared.ledger.lock();
                ids.iter().map(|id| ledger.event(*id).body(*id)).collect()
            };
            match self.send(&body).await {
                Ok(answers) => return self.acknowledged(&ids, &answers),
                Err(Failure::Passing) if gives_up => {
                    ids.iter().for_each(|_| self.shared.tally.add(Count::GivenUp));
                    return;
                }
                Err(Failure::Passing) => self.shared.tally.add(Count::Retried),
                Err(Failure::Refused(what)) => return self.shared.behaviour("publisher", what),
            }
            sleep(Duration::from_millis(self.rng.u64(20..300))).await;
        }
    }

    async fn send(&self, body: &[Value]) -> Result<Vec<PublishAnswer>, Failure> {
        let passing = |_| Failure::Passing;
        let body = serde_json::to_vec(body).map_err(|error| Failure::Refused(error.to_string()))?;
        let request = self.http.post(&self.url).header("content-type", "application/json").body(body);
        let answer = request.timeout(PATIENCE).send().await.map_err(passing)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(passing)?;
        if status.is_server_error() {
            return Err(Failure::Passing);
        }
        let refused = |_| Failure::Refused(format!("{status}: {}", String::from_utf8_lossy(&body)));
        serde_json::from_slice(&body).map_err(refused)
    }

    fn acknowledged(&self, ids: &[EventId], answers: &[PublishAnswer]) {
        if ids.len() != answers.len() {
            return self.shared.behaviour("publisher", format!("{} answers to {} events", answers.len(), ids.len()));
        }
        let mut ledger = self.shared.ledger.lock();
        for (id, answer) in ids.iter().zip(answers) {
            self.shared.tally.add(if answer.duplicate { Count::Duplicates } else { Count::Acknowledged });
            ledger.acknowledged(*id, answer.cursor, answer.duplicate);
        }
    }
}

enum Failure {
    /// The event was not stored, or it is unknown whether it was.
    Passing,
    /// A retry would be refused too.
    Refused(String),
}
