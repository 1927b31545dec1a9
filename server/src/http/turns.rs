//! The queue of requests that wait for room among the streams.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::connection_limits::Scope;

/// How many requests may wait at one limit; further ones are refused at once.
const MOST_WAITING: usize = 16;

/// The requests that wait, by the limit that they met. At each limit, one of them challenges streams at a time.
#[derive(Debug, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<Scope, Turn>>>);

#[derive(Debug, Default)]
struct Turn {
    waiting: usize,
    asking: Arc<tokio::sync::Mutex<()>>,
}

/// A place in the queue, until it is dropped.
pub(super) struct Waiting {
    turns: Arc<Mutex<HashMap<Scope, Turn>>>,
    scope: Scope,
}

impl Turns {
    pub(super) fn wait(&self, scope: &Scope) -> Option<(Waiting, Arc<tokio::sync::Mutex<()>>)> {
        let mut turns = self.0.lock();
        let turn = turns.entry(scope.clone()).or_default();
        if turn.waiting == MOST_WAITING {
            return None;
        }
        turn.waiting += 1;
        Some((Waiting { turns: self.0.clone(), scope: scope.clone() }, turn.asking.clone()))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut turns = self.turns.lock();
        if let Some(turn) = turns.get_mut(&self.scope) {
            turn.waiting -= 1;
            if turn.waiting == 0 {
                turns.remove(&self.scope);
            }
        }
    }
}
