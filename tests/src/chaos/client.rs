//! A native client: the real state machine of the browser client, driven over real sockets. It does what the driver of
//! the Wasm client does, with a decoder and an HTTP client in place of `EventSource` and `fetch`.

mod wire;

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use tidings_client::client::{Action, Backoff, ClientCore, Config, Exclusion, HandlerId, Hears, Identity, State};
use tidings_protocol::{
    Cursor,
    frame::{Frame, Presence},
    sse::Decoder,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use wire::{Heard, Wire};

use super::{
    Phase, Shared,
    habits::{Deed, Habits},
    ledger::{self, PersonId},
    over,
    roster::WatcherId,
    tally::Count,
    traffic::{EventId, Interest, Person},
};

pub(crate) struct Client {
    shared: Arc<Shared>,
    person: Person,
    number: PersonId,
    watcher: Option<WatcherId>,
    habits: Habits,
    began: Instant,
    core: ClientCore,
    wire: Wire,
    /// The number of the current stream; streams that are opened and closed are counted.
    stream: u64,
    /// The stream's decoder, which also has the last id.
    decoder: Decoder,
    last_id: Option<Cursor>,
    /// The handlers, in the order in which they were made.
    listening: Vec<(HandlerId, ledger::HandlerId)>,
    handlers: HashMap<HandlerId, ledger::HandlerId>,
    was_open: bool,
}

impl Client {
    pub(crate) fn new(shared: Arc<Shared>, person: Person, base: String, mut habits: Habits) -> Self {
        let number = shared.ledger.lock().join(person.clone());
        let mut core = core(&person, None, habits.rng());
        shared.rosters.lock().takes_part(number);
        let watcher = habits.watched().map(|pattern| {
            core.presence(pattern.parse().expect("patterns are well-formed"));
            shared.rosters.lock().watch(person.name.clone(), pattern)
        });
        Self {
            shared,
            person,
            number,
            watcher,
            habits,
            began: Instant::now(),
            core,
            wire: Wire::new(base),
            stream: 0,
            decoder: Decoder::new(),
            last_id: None,
            listening: Vec::new(),
            handlers: HashMap::new(),
            was_open: false,
        }
    }

    /// Runs until the run is over.
    pub(crate) async fn run(mut self, mut phase: watch::Receiver<Phase>) {
        for interest in self.habits.first() {
            self.listen(interest, None);
        }
        let mut next_deed = Instant::now() + self.habits.pause();
        loop {
            self.act();
            let deadline = self.core.deadline().map(|at| self.began + Duration::from_millis(at));
            let busy = *phase.borrow() == Phase::Chaos;
            tokio::select! {
                heard = self.wire.next() => self.hear(heard),
                () = sleep_until(deadline.unwrap_or(self.began)), if deadline.is_some() => {
                    let now = self.now();
                    self.core.wake(now);
                }
                () = sleep_until(next_deed), if busy => {
                    let deed = self.habits.deed(self.listening.len());
                    self.act_upon(deed).await;
                    next_deed = Instant::now() + self.habits.pause();
                }
                () = over(&mut phase) => break,
            }
        }
        if self.core.state() != State::Open {
            self.shared.behaviour(&self.person.name, format!("is {} in the end", self.core.state().as_str()));
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    // ---- the application ----

    async fn act_upon(&mut self, deed: Deed) {
        let now = self.now();
        match deed {
            Deed::Listen { interest, since } => {
                let since = self.since(since && !interest.addressed);
                self.listen(interest, since);
            }
            Deed::Stop { index } => {
                let (id, handler) = self.listening.remove(index);
                self.core.unsubscribe(now, id);
                self.handlers.remove(&id);
                self.shared.tally.add(Count::Unsubscribed);
                self.shared.ledger.lock().stopped(handler);
            }
            Deed::Reconnect => {
                self.core.disconnect();
                self.act();
                self.core.connect();
            }
            Deed::Doze(time) => sleep(time).await,
            Deed::Return => {
                self.core.suspend();
                self.act();
                sleep(Duration::from_millis(200)).await;
                let now = self.now();
                self.core.resume(now);
            }
            Deed::Online => self.core.online(now),
            Deed::Reload => self.reload(),
        }
    }

    /// A cursor to begin from, if there is one yet.
    fn since(&mut self, wanted: bool) -> Option<Cursor> {
        let shared = self.shared.clone();
        wanted.then(|| shared.ledger.lock().some_position(self.habits.rng())).flatten()
    }

    fn listen(&mut self, interest: Interest, since: Option<Cursor>) {
        let pattern = interest.pattern.parse().expect("interests are well-formed");
        let id = match interest.addressed {
            true => self.core.on(pattern),
            false => self.core.subscribe(pattern, since.map(|since| since.to_string()).as_deref()),
        };
        self.enter(id, interest, since);
    }

    fn enter(&mut self, id: HandlerId, interest: Interest, since: Option<Cursor>) {
        self.shared.tally.add(Count::Subscribed);
        let handler = self.shared.ledger.lock().listen(self.number, interest, since);
        self.listening.push((id, handler));
        self.handlers.insert(id, handler);
    }

    fn reload(&mut self) {
        {
            let mut ledger = self.shared.ledger.lock();
            for (_, handler) in self.listening.drain(..) {
                self.shared.tally.add(Count::Unsubscribed);
                ledger.stopped(handler);
            }
        }
        self.handlers.clear();
        self.wire.close();
        self.wire.forget();
        let since = self.since(true);
        self.shared.ledger.lock().reloaded(self.number, since);
        self.core = core(&self.person, since, self.habits.rng());
        if let Some((watcher, pattern)) = self.watcher.zip(self.habits.watched()) {
            self.core.presence(pattern.parse().expect("patterns are well-formed"));
            self.shared.rosters.lock().reloaded(watcher, pattern);
        }
        self.was_open = false;
        for interest in self.habits.first() {
            let pattern = interest.pattern.parse().expect("interests are well-formed");
            let (id, since) = match interest.addressed {
                true => (self.core.on(pattern), None),
                // All handlers that a page registers before it connects begin where the page does.
                false => (self.core.subscribe(pattern, None), since),
            };
            self.enter(id, interest, since);
        }
    }

    // ---- input ----

    fn hear(&mut self, heard: Heard) {
        let now = self.now();
        match heard {
            Heard::Chunk(chunk) => self.read(&chunk),
            Heard::Failed => self.core.failed(now),
            Heard::Answer(number, answer) => self.core.answer(now, number, answer),
        }
    }

    fn read(&mut self, chunk: &Bytes) {
        let mut frames = Vec::new();
        let read = self.decoder.push(chunk, |message| {
            frames.push((Frame::parse(message.event, message.data), message.last_event_id.parse().ok()));
        });
        let stream = self.stream;
        for (frame, id) in frames {
            match frame {
                // Frames after the one that made the client close the stream are ignored.
                _ if self.stream != stream => return,
                Ok(Some(frame)) => self.frame(frame, id),
                Ok(None) => {}
                Err(error) => self.shared.behaviour(&self.person.name, format!("{error}: {}", error.source)),
            }
            self.act();
        }
        if let Err(error) = read {
            self.shared.behaviour(&self.person.name, error.to_string());
        }
    }

    fn frame(&mut self, frame: Frame, id: Option<Cursor>) {
        let backwards = |last: Cursor| id.is_none_or(|id| id.epoch == last.epoch && id.seq < last.seq);
        if self.last_id.is_some_and(backwards) {
            self.shared.behaviour(&self.person.name, format!("ids go backwards: {:?}, then {id:?}", self.last_id));
        }
        let is_own = id != std::mem::replace(&mut self.last_id, id);
        let now = self.now();
        let (event, is_backfill) = match frame {
            Frame::Event(event) => (event, false),
            Frame::Backfill(event) => (event, true),
            Frame::Presence(presence) => return self.presence(presence),
            control => return self.core.frame(now, crate::frames::control(control, id)),
        };
        let Some(cursor) = event.cursor.or(id).filter(|_| is_backfill || is_own) else {
            return self.shared.behaviour(&self.person.name, format!("an event without a position: {event:?}"));
        };
        let hears = if event.to.is_some() { Hears::Addressed } else { Hears::Channels };
        let route = self.core.routes().find(event.channel.as_str(), hears);
        let except = event.except.as_ref().map(|except| Exclusion {
            user_id: except.user_id.as_str(),
            session_id: except.session_id.as_ref().map(tidings_protocol::SessionId::as_str),
            device_id: except.device_id.as_ref().map(tidings_protocol::DeviceId::as_str),
        });
        let mut hearers = Vec::new();
        let at = Some(cursor.into());
        match event.request_id.as_ref().filter(|_| is_backfill) {
            None => self.core.record(now, route, at, except.as_ref(), &mut hearers),
            Some(request) => {
                self.core.backfill(now, request.as_str(), route, at, except.as_ref(), &mut hearers);
            }
        }
        // Handlers that asked for nothing of the past ignore such a record.
        let silent = self.core.routes().handlers(route).iter().filter(|id| !is_backfill && !hearers.contains(id));
        let silent: Vec<_> = silent.filter_map(|id| self.handlers.get(id).copied()).collect();
        // The actions that the record itself caused come first: a gap before what follows it.
        self.act();
        let Ok(number) = serde_json::from_str::<EventId>(event.payload.get()) else {
            return self.shared.behaviour(&self.person.name, format!("another payload: {}", event.payload));
        };
        let mut ledger = self.shared.ledger.lock();
        for _ in silent.iter().filter(|handler| ledger.has_heard(**handler, cursor)) {
            self.shared.tally.add(Count::DuplicatesDropped);
        }
        for handler in hearers.iter().filter_map(|id| self.handlers.get(id)) {
            self.shared.tally.add(Count::Delivered);
            ledger.heard(*handler, number, cursor);
        }
    }

    fn presence(&mut self, presence: Presence) {
        self.shared.tally.add(Count::PresenceFrames);
        let told = |watcher| self.shared.rosters.lock().told(watcher, presence);
        if let Some(wrong) = self.watcher.and_then(told) {
            self.shared.behaviour(&self.person.name, wrong);
        }
    }

    // ---- output ----

    /// Carries out the actions of the client.
    fn act(&mut self) {
        loop {
            while let Some(action) = self.core.next_action() {
                self.carry_out(action);
            }
            if !self.core.is_dirty() {
                break;
            }
            let now = self.now();
            self.core.flush(now);
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Open { url } => {
                self.stream += 1;
                self.decoder = Decoder::new();
                self.last_id = None;
                if let Some(watcher) = self.watcher {
                    self.shared.rosters.lock().reopened(watcher);
                }
                self.wire.open(&url);
            }
            Action::Close => {
                self.stream += 1;
                self.wire.close();
            }
            Action::Send(request) => self.wire.send(request),
            Action::State(status) if status.state == State::Open => {
                let first = !std::mem::replace(&mut self.was_open, true);
                self.shared.tally.add(if first { Count::Connected } else { Count::Reconnected });
            }
            Action::State(_) => {}
            // Native clients do not share a stream between tabs.
            Action::Enter { .. } | Action::Exit | Action::Steal | Action::Watch { .. } | Action::Post { .. } => {}
            Action::Settled { handler, refusal } => {
                let Some(number) = self.handlers.get(&handler).copied() else { return };
                match refusal {
                    None => self.shared.ledger.lock().settled(number),
                    Some(code) => self.shared.behaviour(&self.person.name, format!("a handler was refused: {code}")),
                }
            }
            Action::Gap { channels, reason, handlers, .. } => {
                self.shared.tally.gap(&reason);
                let mut ledger = self.shared.ledger.lock();
                for handler in handlers.iter().filter_map(|id| self.handlers.get(id)) {
                    ledger.gap(*handler, &reason);
                }
                if channels.is_none() {
                    ledger.gap_of_all(self.number, &reason);
                }
            }
            Action::Error(trouble) => {
                self.shared.tally.trouble(&trouble.code);
                if !trouble.will_retry {
                    self.shared.behaviour(&self.person.name, format!("gave up: {trouble:?}"));
                }
            }
        }
    }
}

fn core(person: &Person, since: Option<Cursor>, rng: &mut fastrand::Rng) -> ClientCore {
    let config = Config {
        since: since.map(|since| since.to_string()),
        // The delays are short, because a run is short.
        reconnect: Some(Backoff { base_ms: 50, cap_ms: 1_000, ..Backoff::default() }),
        ..Config::new(format!("/api/events?user={}", person.user))
    };
    let identity = Identity { device_id: person.device.clone(), session_id: person.session.clone() };
    ClientCore::new(config, identity, rng.u64(..))
}
