//! A node: the hub, its routes, and its state.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body};
use futures_util::FutureExt;
use http::{Request, StatusCode};
use parking_lot::Mutex;
use tidings::{
    Hub, Limits, PresenceSettings, Rate, Routes,
    auth::{Auth, AuthError, AuthRequest, Identity, MemoryTickets},
    peers::NodeId,
    simulation::{Node, Pulled},
};
use tower::ServiceExt;

use super::{
    bus::{Bus, Line},
    engine::{Log, Simulated},
    person::{GRANTS, PRESENCE_GRANTS, SEES_ALL},
    poller::Answering,
    sabotage::Sabotage,
    schedule::Setup,
};

/// The interval of the hub's heartbeats.
pub(super) const HEARTBEAT_MS: u64 = 5_000;

/// How long a user whose last stream has ended is still present, and how often clients say that they read their stream.
pub(super) const GRACE_MS: u64 = 3_000;
pub(super) const ALIVE_MS: u64 = 5_000;

pub(super) struct Station {
    engine: Simulated,
    setup: Setup,
    sabotage: Option<Sabotage>,
    /// The way to the others, where there is one.
    line: Option<Line>,
    /// The process; `None` while it is down.
    running: Option<Running>,
    /// How often the node found that the log is not the one it had followed.
    pub(super) resets: u32,
    /// Since when its tail has said nothing.
    pub(super) silent_since: Option<u64>,
    /// It has sent its clients where the log goes on.
    pub(super) stands_aside: bool,
}

struct Running {
    node: Node,
    router: Router,
    draining: bool,
}

impl Station {
    pub(super) fn new(
        log: &Arc<Mutex<Log>>,
        node: usize,
        setup: &Setup,
        sabotage: Option<Sabotage>,
        bus: Option<&Arc<Mutex<Bus>>>,
    ) -> Self {
        let engine = Simulated { log: log.clone(), node };
        let line = bus.map(|bus| Line { bus: bus.clone(), node });
        let (running, resets, silent_since, stands_aside) = (None, 0, None, false);
        let setup = setup.clone();
        let mut station = Self { engine, setup, sabotage, line, running, resets, silent_since, stands_aside };
        station.boot(0);
        station
    }

    /// Starts the process, if it is down and the engine answers.
    pub(super) fn boot(&mut self, now_ms: u64) -> bool {
        if self.running.is_some() {
            return false;
        }
        let builder = Hub::builder()
            .engine(self.engine.clone())
            .heartbeat(Duration::from_millis(HEARTBEAT_MS))
            .window_records(self.setup.window_records)
            .window_bytes(self.setup.window_bytes)
            .window_age(Duration::from_secs(self.setup.window_secs));
        let builder = match self.line.clone() {
            Some(line) => builder.peers(Some(Arc::new(line))),
            None => builder,
        };
        let builder = if self.setup.presence {
            let settings = PresenceSettings::default().grace(Duration::from_millis(GRACE_MS));
            builder.presence(settings.alive(Duration::from_millis(ALIVE_MS)))
        } else {
            builder
        };
        let Ok(node) = Node::boot(builder, now_ms) else { return false };
        let shows_all = self.sabotage == Some(Sabotage::PresenceUngranted);
        let auth = move |request: AuthRequest| {
            let identity = request.bearer().ok_or(AuthError::Missing).and_then(Identity::user);
            let all = identity
                .as_ref()
                .is_ok_and(|identity| shows_all || identity.user_id().is_some_and(|user| user.as_str() == SEES_ALL));
            async move { if all { Ok(identity?.allow_presence("*").expect("a pattern")) } else { identity } }
        };
        let auth = GRANTS
            .iter()
            .fold(Arc::new(auth) as Arc<dyn Auth>, |auth, grant| Arc::new(auth.allow(*grant).expect("a grant")));
        let auth = PRESENCE_GRANTS
            .into_iter()
            .fold(auth, |auth, grant| Arc::new(auth.allow_presence(grant).expect("a grant")) as Arc<dyn Auth>);
        // Nobody is rate-limited, because the simulation's time is not the one that rates are counted by.
        let any = Rate::per_second(u32::MAX);
        let limits = Limits::default().poll_rate(any).subscribe_rate(any);
        let routes = Routes::new(node.hub().clone(), auth).limits(limits);
        let routes = if self.line.is_some() { routes.tickets(MemoryTickets::default()) } else { routes };
        let router = routes.into_router();
        // Whether its tail says anything is seen from here on.
        self.silent_since = self.silent_since.map(|_| now_ms);
        self.stands_aside = false;
        self.running = Some(Running { node, router, draining: false });
        true
    }

    /// Ends the process.
    pub(super) fn crash(&mut self) -> bool {
        let running = self.running.take();
        // Its streams, which may outlive it on the way, do not answer others.
        if let (Some(running), Some(line)) = (&running, &self.line) {
            line.bus.lock().leaves(running.node.id());
        }
        running.is_some()
    }

    pub(super) fn hub(&self) -> Option<&Hub> {
        self.running.as_ref().map(|running| running.node.hub())
    }

    pub(super) fn is_draining(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.draining)
    }

    /// Whether records that the node has read are no longer in the log.
    pub(super) fn is_astray(&self) -> bool {
        self.hub().is_some_and(|hub| self.engine.log.lock().fails(hub.cursor()))
    }

    pub(super) fn attach(&mut self) -> bool {
        let astray = self.is_astray();
        let Some(running) = &mut self.running else { return false };
        let attached = running.node.attach().is_ok();
        if attached && astray {
            self.resets += 1;
        }
        attached
    }

    /// Applies up to this many records, and attaches first if there is no tail. Returns whether anything happened.
    pub(super) fn pull(&mut self, records: usize) -> bool {
        self.pull_up_to(records.max(1))
    }

    fn pull_up_to(&mut self, records: usize) -> bool {
        self.engine.log.lock().batch = records;
        let astray = self.is_astray();
        let Some(running) = &mut self.running else { return false };
        match running.node.pull() {
            Pulled::Records(_) => true,
            Pulled::Nothing => false,
            Pulled::Detached => {
                // The node may have started over because of the last item.
                self.resets += u32::from(astray && !self.is_astray());
                self.attach()
            }
        }
    }

    /// Wakes the streams for which there is something, and lets the tasks of presence run. Returns whether they had to.
    pub(super) fn flush(&mut self) -> bool {
        let Some(running) = &mut self.running else { return false };
        running.node.flush();
        running.node.step_presence()
    }

    /// Sees which nodes are there.
    pub(super) fn look(&mut self) {
        if let Some(running) = &mut self.running {
            if self.setup.presence {
                running.node.look();
            }
            running.node.step_presence();
        }
    }

    /// Time has passed: heartbeats may be due, and the tail says that it is alive, or nothing.
    pub(super) fn tick(&mut self, now_ms: u64) {
        let Some(running) = &mut self.running else { return };
        running.node.tick(now_ms, HEARTBEAT_MS - HEARTBEAT_MS / 8);
        if self.setup.listens {
            running.node.give_up_silent_tail();
            self.pull_up_to(0);
        }
    }

    /// The name of the process among the others.
    pub(super) fn id(&self) -> Option<NodeId> {
        self.running.as_ref().map(|running| running.node.id())
    }

    pub(super) fn is_following(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.node.is_following())
    }

    pub(super) fn refuses_streams(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.node.refuses_streams())
    }

    /// Tells the others that it is there, and sees whether it had better send its clients to them.
    pub(super) fn beat(&self) {
        if let Some(running) = &self.running {
            running.node.beat();
        }
    }

    /// Drains the node: its streams are closed, and new ones refused.
    pub(super) fn drain(&mut self) -> bool {
        let Some(running) = &mut self.running else { return false };
        // Polling once is enough to close the streams; nothing here waits for their end.
        let _ = running.node.hub().drain(Duration::from_secs(1)).now_or_never();
        !std::mem::replace(&mut running.draining, true)
    }

    /// Sends a request whose answer may take time; `None` if the process is down.
    pub(super) fn ask(&self, request: Request<Body>) -> Option<Answering> {
        let router = self.running.as_ref()?.router.clone();
        Some(Box::pin(async move {
            let Ok(answer) = router.oneshot(request).await;
            (answer.status(), answer.into_body())
        }))
    }

    /// Sends a request that is answered at once; `None` if the process is down.
    pub(super) fn answer(&self, request: Request<Body>) -> Option<(StatusCode, Body)> {
        let running = self.running.as_ref()?;
        let answer = running.router.clone().oneshot(request).now_or_never().expect("the routes wait for nobody");
        let Ok(answer) = answer;
        Some((answer.status(), answer.into_body()))
    }
}
