//! Schedules that once broke the promise, each as the shortest list of steps that did. A seed is meaningless to the
//! next version of the generator; steps are not.

use std::{fs, path::Path};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::{Sabotage, journal::Journal, run, schedule::Schedule, with_clock};

/// A kept schedule, as its file has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kept {
    /// The rule that it broke.
    pub rule: String,
    schedule: Schedule,
}

impl Kept {
    pub(super) fn new(rule: &str, schedule: Schedule) -> Self {
        Self { rule: rule.to_owned(), schedule }
    }

    /// Reads a kept schedule.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or has another content.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not a schedule", path.display()))
    }

    /// The text of its file, with one step on each line, so that two of them can be compared.
    ///
    /// # Panics
    ///
    /// Never: a schedule is plain data.
    #[must_use]
    pub fn text(&self) -> String {
        let steps: Vec<_> = self.schedule.ops.iter().map(json).collect();
        format!(
            "{{\"rule\": {}, \"schedule\": {{\n\"seed\": {},\n\"setup\": {},\n\"ops\": [\n{}\n]}}}}\n",
            json(&self.rule),
            self.schedule.seed,
            json(&self.schedule.setup),
            steps.join(",\n")
        )
    }

    /// Runs it. Returns what happened, line by line, and the rule that it broke, if any.
    #[must_use]
    pub fn run(&self, sabotage: Option<Sabotage>) -> (Vec<String>, Option<String>) {
        let journal = Journal::kept();
        let result = with_clock(|| run(&self.schedule, sabotage, journal.clone()).1);
        (journal.lines(), result.err().map(|violation| format!("{}: {}", violation.rule, violation.detail)))
    }
}

fn json(part: &impl Serialize) -> String {
    serde_json::to_string(part).expect("plain data")
}
