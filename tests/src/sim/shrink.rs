//! Reduces a failing schedule to the steps that it needs to fail.

use super::{Kept, Sabotage, ear::Violation, journal::Journal, op::Op, run, schedule::Schedule, with_clock};

/// The shortest schedule found that breaks the same rule.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// Its settings, its steps, what happened, and its end.
    pub told: String,
    /// The same schedule, to be kept in a file.
    pub kept: Kept,
}

/// The shortest schedule found that breaks the same rule as this seed's schedule, if it breaks one.
#[must_use]
pub fn shrink(seed: u64, sabotage: Option<Sabotage>) -> Option<Shrunk> {
    with_clock(|| shortest(Schedule::of(seed), sabotage))
}

fn shortest(mut schedule: Schedule, sabotage: Option<Sabotage>) -> Option<Shrunk> {
    let fails = |schedule: &Schedule| run(schedule, sabotage, Journal::default()).1.err();
    let rule = fails(&schedule)?.rule;
    schedule.ops = shorten(schedule.ops.clone(), |ops: &[Op]| {
        let shorter = Schedule { ops: ops.to_vec(), ..schedule.clone() };
        fails(&shorter).is_some_and(|violation| violation.rule == rule)
    });
    let journal = Journal::kept();
    let violation = run(&schedule, sabotage, journal.clone()).1.err()?;
    Some(Shrunk { told: told(&schedule, &violation, &journal.lines()), kept: Kept::new(rule, schedule) })
}

/// Removes all items without which it still fails: halves first, then ever smaller parts, repeatedly until nothing more
/// can be removed.
pub(super) fn shorten<T: Clone>(mut items: Vec<T>, mut still_fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    loop {
        let before = items.len();
        let mut part = before.div_ceil(2);
        while part > 0 {
            let mut at = 0;
            while at < items.len() {
                let mut fewer = items.clone();
                fewer.drain(at..(at + part).min(items.len()));
                if still_fails(&fewer) {
                    items = fewer;
                } else {
                    at += part;
                }
            }
            part /= 2;
        }
        if items.len() == before {
            return items;
        }
    }
}

fn told(schedule: &Schedule, violation: &Violation, lines: &[String]) -> String {
    let steps = schedule.ops.iter().enumerate().map(|(number, op)| format!("{:>4}  {op:?}\n", number + 1));
    let steps: String = steps.collect();
    let lines = lines.iter().map(|line| format!("      | {line}\n")).collect::<String>();
    format!("  {:?}\n{steps}{lines}      broken: {}: {}", schedule.setup, violation.rule, violation.detail)
}
