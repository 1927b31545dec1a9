//! The network between hub and clients: a TCP proxy that delays, cuts in mid-frame, and leaves connections half-open.

mod line;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use fastrand::Rng;
use line::{Line, Order};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};

use super::tally::{Count, Tally};

pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// The state that all lines share.
struct Shared {
    lines: Mutex<Vec<(u64, Line)>>,
    tally: Arc<Tally>,
    /// The longest delay before bytes are forwarded, in milliseconds.
    delay_ms: AtomicU64,
    /// One in this many event frames is dropped; 0 for none.
    swallow: AtomicU64,
    /// The event frames that could have been dropped.
    events: AtomicU64,
    rng: Mutex<Rng>,
}

impl Proxy {
    /// A proxy in front of the hub at this address, whether the hub runs or not.
    pub(crate) async fn before(hub: SocketAddr, seed: u64, tally: Arc<Tally>) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            lines: Mutex::default(),
            tally,
            delay_ms: AtomicU64::new(0),
            swallow: AtomicU64::new(0),
            events: AtomicU64::new(0),
            rng: Mutex::new(Rng::with_seed(seed)),
        });
        tokio::spawn(accept(listener, hub, shared.clone()));
        Ok(Self { address, shared })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts about this percentage of the lines now.
    pub(crate) fn cut(&self, percent: u8) {
        self.order(percent, Order::Cut);
    }

    /// Cuts about this percentage of the lines within the next bytes that the hub sends on them.
    pub(crate) fn cut_mid_frame(&self, percent: u8) {
        self.order(percent, Order::CutInside);
    }

    /// Makes about this percentage of the lines forward nothing any more, while they stay open at both ends.
    pub(crate) fn half_open(&self, percent: u8) {
        self.order(percent, Order::Freeze);
    }

    /// Sets the longest delay of bytes.
    pub(crate) fn delay(&self, ms: u64) {
        if ms > 0 {
            self.shared.tally.add(Count::Slowdowns);
        }
        self.shared.delay_ms.store(ms, Ordering::Relaxed);
    }

    /// Drops one in this many event frames that arrive alone, silently, which no network does: for a test of the
    /// checker. 0 ends it.
    pub(crate) fn swallow_one_in(&self, events: u64) {
        self.shared.swallow.store(events, Ordering::Relaxed);
    }

    /// Ends delays and half-open lines.
    pub(crate) fn heal(&self) {
        self.delay(0);
        self.end_half_open();
    }

    /// Closes half-open lines, as a system that notices them does.
    pub(crate) fn end_half_open(&self) {
        for (_, line) in &*self.shared.lines.lock() {
            line.end_if_frozen();
        }
    }

    fn order(&self, percent: u8, order: Order) {
        let lines = self.shared.lines.lock();
        let mut rng = self.shared.rng.lock();
        for (_, line) in lines.iter().filter(|_| rng.u8(..100) < percent) {
            line.order(order);
        }
    }
}

async fn accept(listener: TcpListener, hub: SocketAddr, shared: Arc<Shared>) {
    for number in 0.. {
        // The process may be out of file descriptors; the client tries again.
        let Ok((client, _)) = listener.accept().await else { continue };
        let shared = shared.clone();
        tokio::spawn(async move {
            // Without a hub, the client's connection breaks off.
            let Ok(server) = TcpStream::connect(hub).await else { return };
            let (line, run) = line::between(client, server, shared.clone());
            shared.lines.lock().push((number, line));
            run.await;
            shared.lines.lock().retain(|(other, _)| *other != number);
        });
    }
}
