//! Runs the simulation: `sim [--seeds N] [--from S] [--budget B] [--sabotage NAME]`. Prints what happened and what was broken;
//! then, for each sabotage, how many of up to B schedules caught it.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::{collections::BTreeMap, process::ExitCode, time::Instant};

use anyhow::Context;
use lexopt::prelude::*;
use tests::sim::{Campaign, Failure, Sabotage, Tally, shrink};

/// How many failures of a rule are shown; the first one is shrunk too.
const SHOWN: usize = 3;
/// A sabotage that was caught so often is.
const CAUGHT: usize = 10;

fn main() -> anyhow::Result<ExitCode> {
    let (mut seeds, mut from, mut budget, mut only) = (1_000, 0, 20_000, None);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("seeds") => seeds = arguments.value()?.parse()?,
            Long("from") => from = arguments.value()?.parse()?,
            Long("budget") => budget = arguments.value()?.parse()?,
            Long("sabotage") => only = Some(arguments.value()?.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if let Some(name) = only {
        let sabotage = Sabotage::ALL.into_iter().find(|sabotage| sabotage.name() == name);
        let sabotage = sabotage.with_context(|| format!("no sabotage is called {name:?}"))?;
        let (_, failures) = sabotaged(sabotage, from, budget);
        show(&failures, Some(sabotage));
        return Ok(ExitCode::SUCCESS);
    }

    let started = Instant::now();
    let (tally, failures) = Campaign { from, seeds, sabotage: None, enough: usize::MAX }.run();
    println!("seeds {from} to {} in {:.1} s", from + seeds.saturating_sub(1), started.elapsed().as_secs_f64());
    report(&tally);
    println!("violations: {}", failures.len());
    show(&failures, None);
    let missed = budget > 0 && !judges_are_judged(from, budget);
    Ok(if failures.is_empty() && !missed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(tally: &Tally) {
    println!("published {}, streams {}, heard {}", tally.published, tally.streams, tally.heard);
    println!("heard by another tab's stream {}, handovers {}", tally.relayed, tally.handovers);
    let faults = tally.faults.iter().map(|(kind, count)| format!("{kind} {count}"));
    println!("faults: {}", faults.collect::<Vec<_>>().join(", "));
    let gaps = tally.gaps.iter().map(|(reason, count)| format!("{reason} {count}"));
    println!("gaps: {}", gaps.collect::<Vec<_>>().join(", "));
    println!("gaps told to those who had missed nothing: {}", tally.needless);
}

fn sabotaged(sabotage: Sabotage, from: u64, budget: u64) -> (Tally, Vec<Failure>) {
    let (tally, failures) = Campaign { from, seeds: budget, sabotage: Some(sabotage), enough: CAUGHT }.run();
    println!("sabotage: {:<48} caught by {:>3} of {:>5}", sabotage.name(), failures.len(), tally.schedules);
    (tally, failures)
}

/// Whether every sabotage is caught within the budget.
fn judges_are_judged(from: u64, budget: u64) -> bool {
    let missed = Sabotage::ALL.into_iter().filter(|sabotage| sabotaged(*sabotage, from, budget).1.is_empty());
    let missed: Vec<_> = missed.map(Sabotage::name).collect();
    if !missed.is_empty() {
        println!("not caught: {}", missed.join(", "));
    }
    missed.is_empty()
}

fn show(failures: &[Failure], sabotage: Option<Sabotage>) {
    let mut rules: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for failure in failures {
        rules.entry(failure.rule).or_default().push(failure);
    }
    for (rule, failures) in rules {
        println!("\n{rule}: {} schedules", failures.len());
        for failure in failures.iter().take(SHOWN) {
            println!("seed {}: {}", failure.seed, failure.detail);
        }
        if let Some(shortest) = failures.first().and_then(|failure| shrink(failure.seed, sabotage)) {
            println!("shrunk:\n{shortest}");
        }
    }
}
