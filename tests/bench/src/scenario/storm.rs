//! Storm: thousands of clients connect at the same moment, as after a deploy.

use std::time::Instant;

use anyhow::Result;

use super::{Plan, QUIET, Record, Start};
use crate::{report::Key, swarm::Swarm};

pub(super) fn run(plan: &Plan, files: usize, start: Start<'_>, record: Record<'_>) -> Result<Option<String>> {
    let mut notes = Vec::new();
    for &clients in &plan.storms {
        if clients + 200 > files {
            notes.push(format!("only {files} files may be open here: {clients} clients were left out"));
            continue;
        }
        let server = start(QUIET)?;
        let mut swarm = Swarm::new()?;
        let (from, before) = (Instant::now(), server.process.cpu()?);
        swarm.open(server.address, clients, clients, from + plan.patience, |number| server.subscribe(number, None))?;
        let (tally, took) = (swarm.tally(), from.elapsed());
        if tally.open == clients {
            record(Key::storm(clients), took.as_secs_f64());
            let after = server.process.cpu()?;
            let spent = after.user + after.system - before.user - before.system;
            record(Key::StormCpu(clients), spent / f64::from(u32::try_from(clients)?));
        } else {
            notes.push(format!("{} of {clients} clients were in after {:.0} s", tally.open, took.as_secs_f64()));
            notes.extend(tally.first_loss.clone());
        }
    }
    Ok((!notes.is_empty()).then(|| notes.join(", ")))
}
