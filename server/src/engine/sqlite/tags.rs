//! The tags of trimmed records, which tell a cursor of this log from one of a log that lost its end.

use rusqlite::{Connection, OptionalExtension, params};

use super::{base::Base, row::checksum};
use crate::engine::Location;

/// How many tags one row holds: 4 KiB.
const CHUNK: u64 = 1_024;

/// Collects the tags of one step of trimming, in order.
#[derive(Debug, Default)]
pub(super) struct Tags {
    /// The chunk that is being filled, and its bytes so far.
    open: Option<(u64, Vec<u8>)>,
}

impl Tags {
    /// Stores the tag of the origin, 0.
    pub(super) fn origin(connection: &Connection) -> rusqlite::Result<()> {
        store(connection, 0, &0_u32.to_le_bytes())
    }

    /// Adds the tag of the next trimmed record; 0 where it is unknown.
    pub(super) fn push(&mut self, connection: &Connection, seq: u64, tag: u32) -> rusqlite::Result<()> {
        let (chunk, at) = (seq / CHUNK, bytes_before(seq));
        if let Some((full, bytes)) = self.open.take_if(|(open, _)| *open != chunk) {
            store(connection, full, &bytes)?;
        }
        let (_, bytes) = match &mut self.open {
            Some(open) => open,
            // An unreadable chunk counts as unknown tags. Its slots are kept, so that later tags stand where they
            // belong.
            none => none.insert((chunk, load(connection, chunk)?.unwrap_or_default())),
        };
        bytes.resize(at, 0);
        bytes.extend(tag.to_le_bytes());
        Ok(())
    }

    /// Writes the open chunk, and removes tags older than the last `keep` up to `last`.
    pub(super) fn finish(self, connection: &Connection, last: u64, keep: u64) -> rusqlite::Result<()> {
        if let Some((chunk, bytes)) = self.open {
            store(connection, chunk, &bytes)?;
        }
        let first = last.saturating_add(1).saturating_sub(keep) / CHUNK;
        connection.prepare_cached("DELETE FROM tags WHERE chunk < ?1")?.execute([first.cast_signed()])?;
        Ok(())
    }
}

/// Where a cursor before the log's beginning lies.
pub(super) fn locate(connection: &Connection, base: &Base, seq: u64, tag: u32) -> rusqlite::Result<Location> {
    if seq >= base.mark.seq {
        return Ok(Location::Forgotten);
    }
    let at = bytes_before(seq);
    let known = load(connection, seq / CHUNK)?.and_then(|bytes| {
        let tag = bytes.get(at..)?.first_chunk()?;
        Some(u32::from_le_bytes(*tag))
    });
    // 0 is the origin's tag, and elsewhere means that the tag is unknown.
    Ok(match known.filter(|known| *known != 0 || seq == 0) {
        Some(known) if known == tag => Location::Trimmed,
        Some(_) => Location::Diverged,
        None => Location::Forgotten,
    })
}

fn bytes_before(seq: u64) -> usize {
    usize::try_from(seq % CHUNK * 4).unwrap_or_default()
}

/// The tags of a chunk, if they are intact.
fn load(connection: &Connection, chunk: u64) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut select = connection.prepare_cached("SELECT tags, checksum FROM tags WHERE chunk = ?1")?;
    let found = select.query_row([chunk.cast_signed()], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?)));
    let found = match found.optional() {
        // The chunk is damaged, so its tags are unknown. Cursors in it count as forgotten, which is answered by `gap`.
        Err(error) if super::error::is_corrupt(&error) => None,
        found => found?,
    };
    Ok(found.and_then(|(tags, expected)| (i64::from(covering(chunk, &tags)) == expected).then_some(tags)))
}

fn store(connection: &Connection, chunk: u64, tags: &[u8]) -> rusqlite::Result<()> {
    let mut replace =
        connection.prepare_cached("INSERT OR REPLACE INTO tags (chunk, tags, checksum) VALUES (?1, ?2, ?3)")?;
    replace.execute(params![chunk.cast_signed(), tags, covering(chunk, tags)])?;
    Ok(())
}

fn covering(chunk: u64, tags: &[u8]) -> u32 {
    checksum(&[&chunk.to_le_bytes(), tags].concat())
}
