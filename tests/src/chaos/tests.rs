//! The whole machinery in one process, with a hub of its own. It must find nothing if nothing is wrong, and something
//! if the network silently drops frames.

use tidings::{
    Routes,
    auth::{Auth, AuthRequest, Identity},
};

use super::*;
use crate::chaos::traffic::{Event, Interest, To};

/// A hub, a proxy, and one client that subscribes to everything.
struct Rig {
    shared: Arc<Shared>,
    proxy: Proxy,
    hub: tidings::Hub,
    phase: watch::Sender<Phase>,
    client: tokio::task::JoinHandle<()>,
}

impl Rig {
    async fn start() -> Self {
        let hub = tidings::Hub::builder().heartbeat(Duration::from_millis(50)).build().await.unwrap();
        let auth = (|request: AuthRequest| async move { Identity::user(request.query("user").unwrap_or_default()) })
            .allow("*")
            .unwrap();
        let app = axum::Router::new().nest("/api/events", Routes::new(hub.clone(), auth).into_router());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Shared::new();
        let address = listener.local_addr().unwrap();
        let proxy = Proxy::before(address, 1, shared.tally.clone()).await.unwrap();
        tokio::spawn(async move { tidings::serve(listener, app).await });
        let phase = watch::Sender::new(Phase::Settling);
        let person = Person::new("client".into(), 0);
        let habits = Habits::listening_to(Interest { addressed: false, pattern: "*".into() });
        let client = Client::new(shared.clone(), person, proxy.url(), habits);
        let client = tokio::spawn(client.run(phase.subscribe()));
        let rig = Self { shared, proxy, hub, phase, client };
        rig.counted(Count::Connected).await;
        rig.nothing_outstanding().await;
        rig
    }

    async fn publish(&self) {
        let event = Event { channel: "news:1".into(), to: To::Channel, except: None };
        let id = self.shared.ledger.lock().publish(event);
        let event = tidings::Event::new("news:1", "chaos", &id).unwrap();
        let receipt = self.hub.publish(event).await.unwrap();
        self.shared.ledger.lock().acknowledged(id, receipt.cursor, receipt.duplicate);
    }

    /// Waits until the client has received the last event.
    async fn nothing_outstanding(&self) {
        self.until("the client receives everything", || self.shared.ledger.lock().outstanding() == 0).await;
    }

    /// Waits until this was counted.
    async fn counted(&self, count: Count) {
        self.until("it happens", || self.shared.tally.get(count) > 0).await;
    }

    /// Waits for a condition, and fails after a minute.
    async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let wait = async {
            while !is_so() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect(what);
    }

    async fn end(self) -> Vec<Violation> {
        self.phase.send_replace(Phase::Over);
        self.client.await.unwrap();
        self.shared.ledger.lock().audit()
    }
}

#[tokio::test]
async fn a_sound_network_and_one_that_cuts_bring_everything_once() {
    let rig = Rig::start().await;
    for round in 0..20 {
        rig.publish().await;
        match round % 4 {
            1 => rig.proxy.cut(100),
            2 => rig.proxy.cut_mid_frame(100),
            3 => rig.nothing_outstanding().await,
            _ => {}
        }
    }
    rig.nothing_outstanding().await;
    assert!(rig.shared.tally.get(Count::Cuts) + rig.shared.tally.get(Count::CutsMidFrame) > 0);
    assert_eq!(rig.end().await, []);
}

#[tokio::test]
async fn a_frame_that_the_network_swallows_is_found() {
    let rig = Rig::start().await;
    rig.publish().await;
    rig.nothing_outstanding().await;
    rig.proxy.swallow_one_in(1);
    rig.publish().await;
    rig.counted(Count::Swallowed).await;
    rig.proxy.swallow_one_in(0);
    rig.publish().await;
    rig.nothing_outstanding().await;
    let found = rig.end().await;
    assert!(matches!(&found[..], [Violation::Missing { event: 1, .. }]), "{found:?}");
}

#[tokio::test]
async fn a_half_open_line_is_left_and_nothing_is_missed() {
    let rig = Rig::start().await;
    rig.publish().await;
    rig.nothing_outstanding().await;
    rig.proxy.half_open(100);
    rig.publish().await;
    rig.nothing_outstanding().await;
    assert_eq!(rig.shared.tally.get(Count::Reconnected), 1);
    assert_eq!(rig.end().await, []);
}
