//! Idle: the cost in memory and processor time of a connection that receives only heartbeats.

use std::time::Instant;

use anyhow::Result;

use super::{Plan, Record, Start, gently};
use crate::{report::Key, swarm::Swarm};

/// The files that a server has open besides its connections.
const OWN_FILES: usize = 200;

#[allow(clippy::cast_precision_loss, reason = "counts of thousands")]
pub(super) fn run(plan: &Plan, files: usize, start: Start<'_>, record: Record<'_>) -> Result<Option<String>> {
    let server = start(plan.heartbeat)?;
    let mut swarm = Swarm::new()?;
    let empty = server.process.memory()?;
    let mut count = 0;
    for goal in &plan.idle {
        if goal + OWN_FILES > files {
            return Ok(Some(format!("only {files} files may be open here: {goal} connections were left out")));
        }
        gently(&server, &mut swarm, goal - count, plan.patience)?;
        count = *goal;
        // It waits for two heartbeats: the first of each stream comes within one interval, and buffers have their final
        // size then.
        let begun = swarm.tally().reads;
        let (from, cpu) = (Instant::now(), server.process.cpu()?);
        swarm.read_until(from + plan.heartbeat * 2 + plan.heartbeat / 2, |_| false)?;
        let (memory, heartbeats) = (server.process.memory()?, (swarm.tally().reads - begun) as f64);
        record(Key::idle(count), (memory.proportional - empty.proportional) / count as f64);
        record(Key::idle_resident(count), (memory.resident - empty.resident) / count as f64);
        let now = server.process.cpu()?;
        if heartbeats >= count as f64 {
            record(Key::Heartbeat, (now.user + now.system - cpu.user - cpu.system) / heartbeats);
        } else {
            return Ok(Some(format!("{heartbeats} heartbeats in two intervals at {count} connections")));
        }
    }
    Ok(None)
}
