//! A client that polls instead of keeping a stream. It follows the specification literally, over real sockets.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use tidings_protocol::{
    Cursor,
    command::{PollChannel, PollRequest},
    event::EventFrame,
    frame::{Frame, Gap},
    sse::Decoder,
};
use tokio::{sync::watch, time::sleep};

use super::{
    Phase, Shared,
    ledger::{HandlerId, PersonId},
    over,
    tally::Count,
    traffic::{EventId, Interest, Person},
};

/// The number of channels, beside addressed events.
const CHANNELS: usize = 4;
/// How long one poll waits for an event.
const WAIT: Duration = Duration::from_secs(2);
/// Longer than any answer of a running hub takes.
const TIMEOUT: Duration = Duration::from_secs(6);
/// The pause after a failed poll.
const PAUSE: Duration = Duration::from_millis(200);

pub(crate) struct Poller {
    shared: Arc<Shared>,
    person: Person,
    number: PersonId,
    http: reqwest::Client,
    url: String,
    rng: Rng,
    listening: Vec<(Interest, HandlerId)>,
    cursor: Option<Cursor>,
    seen: Option<Cursor>,
}

impl Poller {
    pub(crate) fn new(shared: Arc<Shared>, person: Person, base: &str, mut rng: Rng) -> Self {
        let mut interests: Vec<Interest> = Vec::new();
        while interests.len() < CHANNELS {
            let interest = Interest { addressed: false, ..Interest::random(&mut rng) };
            if !interests.contains(&interest) {
                interests.push(interest);
            }
        }
        interests.push(Interest { addressed: true, pattern: "*".to_owned() });
        let mut ledger = shared.ledger.lock();
        let number = ledger.join(person.clone());
        let listen = |interest: Interest| (interest.clone(), ledger.listen(number, interest, None));
        let listening = interests.into_iter().map(listen).collect();
        drop(ledger);
        let http = reqwest::Client::builder().timeout(TIMEOUT).build().expect("a client without TLS");
        let url = format!("{base}/api/events/poll?user={}", person.user);
        Self { shared, person, number, http, url, rng, listening, cursor: None, seen: None }
    }

    /// Runs until the run is over.
    pub(crate) async fn run(mut self, mut phase: watch::Receiver<Phase>) {
        loop {
            let answer = tokio::select! {
                answer = self.poll() => answer,
                () = over(&mut phase) => return,
            };
            match answer {
                Ok(Some(frames)) => {
                    self.shared.tally.add(Count::Polls);
                    self.take(frames);
                }
                // The hub refuses for now, because it is shutting down, for example.
                Ok(None) => sleep(PAUSE).await,
                // The answer did not arrive, or not completely. It counts as not received, and the next poll asks for
                // the same again.
                Err(_) => {
                    self.shared.tally.add(Count::PollsLost);
                    sleep(PAUSE).await;
                }
            }
            // From time to time the client is away for a while.
            if self.rng.u8(..20) == 0 {
                sleep(Duration::from_millis(self.rng.u64(..3_000))).await;
            }
        }
    }

    /// Sends one poll; returns `None` where it was refused.
    async fn poll(&self) -> Result<Option<Vec<(Frame, Option<Cursor>)>>> {
        let channels = self.listening.iter().filter(|(interest, _)| !interest.addressed);
        let channels = channels.map(|(interest, _)| {
            Ok(PollChannel { channel: interest.pattern.parse().context("an interest")?, since: None })
        });
        let wait = if self.cursor.is_some() { WAIT } else { Duration::ZERO };
        let body = PollRequest {
            channels: channels.collect::<Result<_>>()?,
            addressed_since: None,
            last_event_id: self.cursor,
            seen: self.seen.filter(|_| self.cursor.is_some()),
            device_id: self.person.device.parse().ok(),
            session_id: self.person.session.parse().ok(),
            wait_ms: u64::try_from(wait.as_millis())?,
        };
        let body = serde_json::to_string(&body)?;
        let request = self.http.post(&self.url).header("content-type", "application/json").body(body);
        let answer = request.send().await?;
        if !answer.status().is_success() {
            return Ok(None);
        }
        let mut frames = Vec::new();
        let mut unreadable = None;
        Decoder::new().push(&answer.bytes().await?, |message| match Frame::parse(message.event, message.data) {
            Ok(Some(frame)) => frames.push((frame, message.last_event_id.parse().ok())),
            Ok(None) => {}
            Err(error) => unreadable = Some(format!("{error}: {}", error.source)),
        })?;
        if let Some(what) = unreadable {
            self.shared.behaviour(&self.person.name, what);
        }
        ensure!(matches!(frames.last(), Some((Frame::Polled(_), Some(_)))), "an answer without its end");
        Ok(Some(frames))
    }

    fn take(&mut self, frames: Vec<(Frame, Option<Cursor>)>) {
        for (frame, id) in frames {
            match frame {
                Frame::Event(event) => self.event(&event, id),
                Frame::Gap(gap) => self.gap(&gap, id),
                Frame::Polled(polled) => {
                    if !polled.rejected.is_empty() {
                        self.shared.behaviour(&self.person.name, format!("was refused {:?}", polled.rejected));
                    }
                    self.cursor = id;
                    self.reaches(id);
                    let mut ledger = self.shared.ledger.lock();
                    self.listening.iter().for_each(|(_, handler)| ledger.settled(*handler));
                }
                Frame::Closing(_) => {}
                other => self.shared.behaviour(&self.person.name, format!("a poll's answer contains {other:?}")),
            }
        }
    }

    fn event(&mut self, event: &EventFrame, id: Option<Cursor>) {
        let (Some(cursor), Ok(number)) = (id, serde_json::from_str::<EventId>(event.payload.get())) else {
            return self.shared.behaviour(&self.person.name, format!("another payload, or no id: {event:?}"));
        };
        self.reaches(id);
        let mut ledger = self.shared.ledger.lock();
        for (interest, handler) in &self.listening {
            let overlaps = interest.pattern.parse().is_ok_and(|pattern| event.channel.overlaps(&pattern));
            if interest.addressed == event.to.is_some() && overlaps {
                self.shared.tally.add(Count::Delivered);
                ledger.heard(*handler, number, cursor);
            }
        }
    }

    fn gap(&mut self, gap: &Gap, id: Option<Cursor>) {
        let reason = gap.reason.as_str();
        self.shared.tally.gap(reason);
        let mut ledger = self.shared.ledger.lock();
        for (interest, handler) in self.listening.iter().filter(|(interest, _)| !interest.addressed) {
            let is_named =
                |channels: &Vec<_>| interest.pattern.parse().is_ok_and(|pattern| channels.contains(&pattern));
            if gap.channels.as_ref().is_none_or(is_named) {
                ledger.gap(*handler, reason);
            }
        }
        if gap.channels.is_none() {
            self.seen = id;
            ledger.gap_of_all(self.number, reason);
        }
    }

    fn reaches(&mut self, at: Option<Cursor>) {
        let is_later = |seen: Cursor| at.is_some_and(|at| seen.epoch != at.epoch || seen.seq < at.seq);
        if self.seen.is_none_or(is_later) {
            self.seen = at;
        }
    }
}
