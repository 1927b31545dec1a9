//! The faults and their times, decided by the seed. The kinds are dealt from a shuffled deck, so that even a short run
//! has each of them.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use fastrand::Rng;
use tokio::time::{Instant, sleep};

use super::{Shared, hub::Hub, proxy::Proxy, tally::Count};

#[derive(Debug, Clone, Copy)]
enum Fault {
    CutSome,
    CutAll,
    CutMidFrame,
    HalfOpen,
    SlowSpell,
    Kill,
    Terminate,
    Stop,
    /// The hub is stopped, and killed before it resumes.
    StopAndKill,
    /// The hub is killed again while all clients reconnect.
    KillTwice,
    /// The hub is killed and its database deleted: clients that knew the old log must be sent a gap.
    Wipe,
}

/// How often each fault is in the deck. Cuts are the most frequent, as in real networks.
const DECK: [Fault; 18] = [
    Fault::CutMidFrame,
    Fault::CutMidFrame,
    Fault::CutMidFrame,
    Fault::CutMidFrame,
    Fault::CutSome,
    Fault::CutSome,
    Fault::CutAll,
    Fault::HalfOpen,
    Fault::HalfOpen,
    Fault::SlowSpell,
    Fault::Kill,
    Fault::Kill,
    Fault::Terminate,
    Fault::Stop,
    Fault::Stop,
    Fault::StopAndKill,
    Fault::KillTwice,
    Fault::Wipe,
];

pub(crate) struct Faults<'a> {
    pub(crate) hub: &'a mut Hub,
    pub(crate) proxy: &'a Proxy,
    pub(crate) shared: Arc<Shared>,
    pub(crate) rng: Rng,
}

impl Faults<'_> {
    /// Injects faults for this long; afterwards the hub runs and the network works.
    pub(crate) async fn run(mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        let mut deck = Vec::new();
        while Instant::now() < end {
            self.pause(500..3_000).await;
            let fault = deck.pop().unwrap_or_else(|| {
                deck = DECK.to_vec();
                self.rng.shuffle(&mut deck);
                deck.swap_remove(0)
            });
            self.hub.check()?;
            self.inflict(fault).await?;
        }
        self.proxy.heal();
        self.hub.check()
    }

    async fn inflict(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::CutSome => self.proxy.cut(self.rng.u8(10..60)),
            Fault::CutAll => self.proxy.cut(100),
            Fault::CutMidFrame => self.proxy.cut_mid_frame(self.rng.u8(20..90)),
            Fault::HalfOpen => {
                self.proxy.half_open(self.rng.u8(20..80));
                self.pause(1_000..6_000).await;
                self.proxy.end_half_open();
            }
            Fault::SlowSpell => {
                self.proxy.delay(self.rng.u64(20..400));
                self.pause(1_000..5_000).await;
                self.proxy.delay(0);
            }
            Fault::Kill => self.kill().await?,
            Fault::KillTwice => {
                self.kill().await?;
                self.pause(50..400).await;
                self.kill().await?;
            }
            Fault::Terminate => {
                self.shared.tally.add(Count::Terminations);
                if let Some(wrong) = self.hub.terminate().await? {
                    self.shared.behaviour("hub", wrong);
                }
                self.again().await?;
            }
            Fault::Stop => {
                self.stop().await?;
                self.hub.go_on()?;
            }
            Fault::StopAndKill => {
                self.stop().await?;
                self.kill().await?;
            }
            Fault::Wipe => {
                self.shared.tally.add(Count::Kills);
                self.hub.kill().await?;
                if self.hub.wipe()? {
                    self.shared.tally.add(Count::Wipes);
                    self.shared.ledger.lock().log_lost();
                }
                self.again().await?;
            }
        }
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        self.shared.tally.add(Count::Stops);
        self.hub.stop()?;
        self.pause(300..5_000).await;
        Ok(())
    }

    async fn kill(&mut self) -> Result<()> {
        self.shared.tally.add(Count::Kills);
        self.hub.kill().await?;
        self.again().await
    }

    /// The hub has ended, and is restarted after a while.
    async fn again(&mut self) -> Result<()> {
        if !self.hub.is_durable() {
            self.shared.ledger.lock().log_lost();
        }
        self.pause(0..1_500).await;
        self.hub.restart().await
    }

    async fn pause(&mut self, ms: std::ops::Range<u64>) {
        sleep(Duration::from_millis(self.rng.u64(ms))).await;
    }
}
