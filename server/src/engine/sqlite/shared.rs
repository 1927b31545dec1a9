//! The state that handles, writer and tails share.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    error::Error,
    sync::{Arc, atomic::AtomicBool},
};

use parking_lot::Mutex;
use tidings_protocol::Cursor;
use tokio::sync::{oneshot, watch};

use super::{
    error::{self, CORRUPT},
    files::{Astray, Files},
    page::Page,
    place::Place,
    reader::Readers,
    recent::Recent,
    snapshot::Snapshot,
};
use crate::{
    complaints::Complaints,
    engine::{EngineError, Limit, ReadError, Trim},
    record::Record,
};

/// How many damaged places are remembered, so that each is logged once and its extent is examined once.
const PLACES: usize = 1_000;
/// The remedy that log lines about damage name.
pub(super) const REMEDY: &str = "stop the hub, look with `sqlite3 FILE 'PRAGMA integrity_check'`, and put a sound copy in place or keep the log as it is: \
     subscribers that may have missed events receive `gap`";

/// Sends the result of a step of trimming to its caller.
pub(super) type Trimmed = oneshot::Sender<Result<Trim, EngineError>>;

/// Where the log ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// The last record committed.
    pub(super) cursor: Cursor,
    /// Whether the writer has ended, so that no record will follow.
    pub(super) has_ended: bool,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) readers: Arc<Readers>,
    pub(super) recent: Mutex<Recent>,
    pub(super) end: watch::Sender<End>,
    /// The callers that wait for a step of trimming.
    pub(super) trims: Mutex<VecDeque<Trimmed>>,
    files: Mutex<Files>,
    complaints: Complaints,
    /// The damaged places, by the record before each.
    damage: Mutex<BTreeMap<u64, Place>>,
    /// Whether the summary is damaged and could not be reset: all keys then count as moved.
    pub(super) has_no_summary: AtomicBool,
    /// The records that could be read although their rows are damaged.
    mended: Mutex<BTreeSet<u64>>,
}

impl Shared {
    pub(super) fn new(readers: Readers, files: Files, end: Cursor) -> Self {
        Self {
            readers: Arc::new(readers),
            recent: Mutex::default(),
            end: watch::Sender::new(End { cursor: end, has_ended: false }),
            trims: Mutex::default(),
            files: Mutex::new(files),
            complaints: Complaints::default(),
            damage: Mutex::default(),
            has_no_summary: AtomicBool::new(false),
            mended: Mutex::default(),
        }
    }

    pub(super) fn end(&self) -> Cursor {
        self.end.borrow().cursor
    }

    /// Fails if the writer has ended, by a panic or because the log was closed.
    pub(super) fn is_alive(&self) -> Result<(), EngineError> {
        if self.end.borrow().has_ended { Err(ended()) } else { Ok(()) }
    }

    /// Reports that the log goes as far as this.
    pub(super) fn grow(&self, cursor: Cursor) {
        self.end.send_modify(|end| end.cursor = cursor);
    }

    /// Checks that the files are still those that SQLite writes to.
    pub(super) fn check_files(&self) -> Result<(), Astray> {
        let checked = self.files.lock().check();
        if let Err(error) = &checked {
            self.complain("astray", error, "the log's files are not those that were opened");
        }
        checked
    }

    /// Makes the next check of the files read the names again, however recent the last one was.
    pub(super) fn look_at_files_again(&self) {
        self.files.lock().forget_look();
    }

    /// Reads the log in a transaction of its own.
    pub(super) async fn snapshot<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Snapshot<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, EngineError> {
        // The end is read before the transaction begins, which then sees at least that much.
        let end = self.end();
        self.read_metadata(move |connection| work(&Snapshot::new(connection, end)?)).await
    }

    /// Reads the metadata beside the log.
    pub(super) async fn read_metadata<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, EngineError> {
        // A file that its name no longer leads to is not the log.
        self.check_files().map_err(|astray| EngineError(astray.into()))?;
        let read = self.readers.read(work).await;
        read.inspect_err(|error| {
            if let Some(error) = error.0.downcast_ref::<rusqlite::Error>() {
                self.complain(error::condition(error), error, "reading the log failed");
            }
        })
    }

    /// The records after `after`. Each damage is logged once.
    pub(super) async fn read(self: &Arc<Self>, after: Cursor, limit: Limit) -> Result<Vec<Record>, ReadError> {
        let known = self.damage.lock().get(&after.seq).cloned();
        let is_known = known.is_some();
        let page = self.snapshot(move |log| log.page(after, limit, known)).await?;
        match &page {
            Err(ReadError::Damaged { through, keys }) if !is_known => {
                let mut damage = self.damage.lock();
                if damage.len() >= PLACES {
                    damage.pop_first();
                }
                damage.insert(after.seq, Place { through: *through, keys: keys.clone() });
                drop(damage);
                let whom = if keys.is_some() { "streams of their routing keys" } else { "all streams" };
                let path = self.readers.path().display();
                tracing::error!(file = %path, from = after.seq + 1, through = through.seq, concerns = whom, remedy = REMEDY, "records of the log are damaged and cannot be delivered");
            }
            Ok(Page { mended: Some(seq), .. }) if self.mended.lock().insert(*seq) => {
                let path = self.readers.path().display();
                tracing::error!(file = %path, record = seq, remedy = REMEDY, "a row of the log is damaged; its record is not, and is delivered");
            }
            _ => {}
        }
        page.map(|page| page.records)
    }

    /// Writes a log line about a condition, unless one was written within the last minute.
    pub(super) fn complain(&self, condition: &'static str, error: &(dyn Error + 'static), what: &str) {
        let Some(left_out) = self.complaints.due(condition) else { return };
        let path = self.readers.path().display();
        if condition == CORRUPT {
            tracing::error!(file = %path, error, left_out, remedy = REMEDY, "{what}");
        } else {
            tracing::warn!(file = %path, error, left_out, "{what}");
        }
    }

    /// Logs which records are missing at the end.
    pub(super) fn tell_cut(&self, after: u64, acknowledged: u64) {
        let path = self.readers.path().display();
        tracing::error!(file = %path, from = after + 1, through = acknowledged, remedy = REMEDY, "records that were acknowledged are missing at the end of the log: its write-ahead log or its last pages were damaged, or an older copy was put in its place");
    }

    /// Logs that records were trimmed whose receivers are unknown.
    pub(super) fn tell_lost(&self, from: u64, through: u64) {
        let path = self.readers.path().display();
        tracing::error!(file = %path, from, through, "damaged records were trimmed whose receivers are unknown: all streams that resume from before them receive `gap`");
    }

    /// Logs that the summary is damaged.
    pub(super) fn tell_summary(&self, error: &(dyn Error + 'static)) {
        let path = self.readers.path().display();
        tracing::error!(file = %path, error, remedy = REMEDY, "the summary of trimmed records is damaged: all streams that resume from before the log's beginning receive `gap`");
    }
}

pub(super) fn ended() -> EngineError {
    EngineError("the log was closed, or its writer has ended".into())
}
