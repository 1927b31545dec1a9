//! Takes out of a failing schedule all that it can fail without.

use super::{Kept, Sabotage, ear::Violation, journal::Journal, op::Op, run, schedule::Schedule, with_clock};

/// The shortest schedule found that breaks the same rule.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// Its setup, its steps, what happened, and how it ends.
    pub told: String,
    /// The same to be kept.
    pub kept: Kept,
}

/// The shortest schedule found that breaks the same rule as this seed's does, if it breaks one.
#[must_use]
pub fn shrink(seed: u64, sabotage: Option<Sabotage>) -> Option<Shrunk> {
    with_clock(|| shortest(Schedule::of(seed), sabotage))
}

fn shortest(mut schedule: Schedule, sabotage: Option<Sabotage>) -> Option<Shrunk> {
    let fails = |schedule: &Schedule| run(schedule, sabotage, Journal::default()).1.err();
    let rule = fails(&schedule)?.rule;
    let same = |ops: Vec<Op>, schedule: &Schedule| {
        let shorter = Schedule { ops, ..schedule.clone() };
        fails(&shorter).is_some_and(|violation| violation.rule == rule).then_some(shorter)
    };
    // Halves first, then ever smaller parts; again from the start until nothing more goes.
    loop {
        let before = schedule.ops.len();
        let mut part = before.div_ceil(2);
        while part > 0 {
            let mut at = 0;
            while at < schedule.ops.len() {
                let mut ops = schedule.ops.clone();
                ops.drain(at..(at + part).min(ops.len()));
                match same(ops, &schedule) {
                    Some(shorter) => schedule = shorter,
                    None => at += part,
                }
            }
            part /= 2;
        }
        if schedule.ops.len() == before {
            break;
        }
    }
    let journal = Journal::kept();
    let violation = run(&schedule, sabotage, journal.clone()).1.err()?;
    Some(Shrunk { told: told(&schedule, &violation, &journal.lines()), kept: Kept::new(rule, schedule) })
}

fn told(schedule: &Schedule, violation: &Violation, lines: &[String]) -> String {
    let steps = schedule.ops.iter().enumerate().map(|(number, op)| format!("{:>4}  {op:?}\n", number + 1));
    let steps: String = steps.collect();
    let lines = lines.iter().map(|line| format!("      | {line}\n")).collect::<String>();
    format!("  {:?}\n{steps}{lines}      broken: {}: {}", schedule.setup, violation.rule, violation.detail)
}
