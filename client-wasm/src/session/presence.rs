//! Who is online. What the application wants to see is asked for in one call, on every stream anew, and the server tells
//! it in the stream. Where a server has presence, it is told now and then that somebody still reads the stream.

use tidings_protocol::Pattern;

use super::{
    Action, Answer, Rejected, Session, Trouble,
    link::trouble,
    message::Call,
    phase::Phase,
    subscription::{Known, Standing, Subscription},
};
use crate::routes::{HandlerId, Hears};

/// What one stream tells of presence.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// How often to say that somebody reads the stream; 0 where the server has no presence.
    alive_ms: u64,
    alive_at: u64,
    /// The latest of these calls.
    alive: u32,
    /// Other channels are wanted than the server was told.
    stale: bool,
    /// The call under way.
    call: Option<u32>,
    /// The server was told of channels.
    watches: bool,
}

impl Watch {
    pub(super) fn new(now: u64, alive_ms: u64) -> Self {
        Self { alive_ms, alive_at: now.saturating_add(alive_ms), stale: true, ..Self::default() }
    }

    pub(super) fn alive_ms(&self) -> u64 {
        self.alive_ms
    }

    /// How often to say that somebody reads the stream is another time now.
    pub(super) fn set_alive(&mut self, now: u64, alive_ms: u64) {
        if alive_ms != self.alive_ms {
            self.alive_ms = alive_ms;
            self.alive_at = now.saturating_add(alive_ms);
        }
    }

    /// Whether the server has yet to be told, or to say, what it tells of.
    pub(super) fn is_waiting(&self) -> bool {
        self.stale || self.call.is_some()
    }

    pub(super) fn due(&self) -> Option<u64> {
        (self.alive_ms > 0).then_some(self.alive_at)
    }
}

impl Session {
    /// Sees who is online on a channel, or on all that lie in a pattern. What the stream says of it is heard as records are.
    pub fn presence(&mut self, pattern: Pattern) -> HandlerId {
        let id = self.add(Hears::Presence, pattern, None);
        self.presence_changed();
        id
    }

    pub(super) fn presence_changed(&mut self) {
        if let Phase::Open(stream) = &mut self.phase {
            stream.watch.stale = true;
        }
    }

    /// Tells the server what is wanted now, if that is not what it was told.
    pub(super) fn ask_presence(&mut self) {
        let Phase::Open(stream) = &mut self.phase else { return };
        let watch = &mut stream.watch;
        if !watch.stale || watch.call.is_some() {
            return;
        }
        watch.stale = false;
        let mut channels = Vec::new();
        for subscription in &mut self.subscriptions {
            if subscription.hears == Hears::Presence && subscription.standing != Standing::Refused {
                subscription.standing = Standing::Active;
                if !channels.contains(&subscription.pattern) {
                    channels.push(subscription.pattern.clone());
                }
            }
        }
        // A new stream tells nothing by itself.
        if channels.is_empty() && !watch.watches {
            return;
        }
        if watch.alive_ms == 0 {
            return self.refuse_presence("presenceOff");
        }
        watch.watches = true;
        let number = self.call(Call::Presence { channels });
        if let Phase::Open(stream) = &mut self.phase {
            stream.watch.call = Some(number);
        }
    }

    /// The answer to a call of ours. Whether it was one.
    pub(super) fn presence_answered(&mut self, now: u64, number: u32, answer: &Answer) -> bool {
        let Phase::Open(stream) = &mut self.phase else { return false };
        let watch = &mut stream.watch;
        let asked = watch.call == Some(number);
        if !asked && watch.alive != number {
            return false;
        }
        match answer.status {
            // The server does not know the stream, so it is not the stream's server any more.
            Some(404) => self.lose(now, None),
            _ if !asked => {}
            Some(200..=299) => {
                watch.call = None;
                for rejected in &answer.rejected {
                    self.refuse_sight(rejected.clone());
                }
                let mut index = 0;
                while let Some(one) = self.subscriptions.get(index) {
                    index += 1;
                    if one.hears == Hears::Presence && one.standing == Standing::Active && one.known != Known::Hears {
                        self.activate(one.id, None);
                    }
                }
                self.ask_presence();
            }
            // It may pass: asked again when the next `alive` is due. No call has the number 0.
            None | Some(401 | 408 | 425 | 429 | 500..) => {
                watch.stale = true;
                watch.call = Some(0);
                self.actions.push(Action::Error(Trouble { will_retry: true, ..trouble(answer) }));
            }
            // The request is wrong, and would be again.
            Some(_) => {
                watch.call = None;
                self.refuse_presence(&trouble(answer).code);
            }
        }
        true
    }

    /// The server does not tell who is online on a channel, or no longer.
    pub(super) fn refuse_sight(&mut self, rejected: Rejected) {
        self.refuse_these(rejected, &|one| one.hears == Hears::Presence, true);
    }

    /// Refuses all that was asked for.
    fn refuse_presence(&mut self, code: &str) {
        let asked = |one: &&Subscription| one.hears == Hears::Presence && one.standing == Standing::Active;
        while let Some(subscription) = self.subscriptions.iter().find(asked) {
            let channel = subscription.pattern.clone();
            self.refuse_sight(Rejected { channel, code: code.to_owned() });
        }
    }

    /// Time has passed.
    pub(super) fn wake_presence(&mut self, now: u64) {
        let Phase::Open(stream) = &mut self.phase else { return };
        let watch = &mut stream.watch;
        if watch.due().is_none_or(|due| now < due) {
            return;
        }
        watch.alive_at = now.saturating_add(watch.alive_ms);
        // A call that has no answer by now is made again; should both arrive, the later one counts.
        watch.stale |= watch.call.take().is_some();
        self.say_alive();
        self.ask_presence();
    }

    /// Tells the server that somebody reads the stream.
    pub(super) fn say_alive(&mut self) {
        let number = self.call(Call::Alive);
        if let Phase::Open(stream) = &mut self.phase {
            stream.watch.alive = number;
        }
    }
}
