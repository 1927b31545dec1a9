//! Runs the simulation (`sim --help`). It prints what happened and which promises were broken; then, for each sabotage, how many
//! schedules caught it. The first seed is drawn from the clock unless it is given, so that no run repeats another's seeds.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use lexopt::prelude::*;
use tests::sim::{
    Campaign, Failure, Kept, PRESENCE_SEEDS, Sabotage, ShellCampaign, ShellSabotage, ShellTally, Tally, shrink, told,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
usage: sim [--shell | --presence] [--seeds N] [--from S] [--budget B] [--sabotage NAME] [--keep FOLDER]
       sim --replay FILE

  --seeds N        how many schedules (1,000)
  --from S         the first seed (drawn from the clock)
  --budget B       how many schedules may try to catch each sabotage (20,000; with --shell 4,000; none below 1,000 seeds)
  --sabotage NAME  only this sabotage
  --keep FOLDER    writes the steps of each failure, cut down, to a file in this folder
  --replay FILE    runs the steps of such a file, and prints what happens
  --presence       in all schedules the hubs know who is present, and lists of that are judged
  --shell          the client is the npm package as it is built, in Node";

/// The number of failures of a rule that are shown; the first one is shrunk too.
const SHOWN: usize = 3;
/// The number of catches after which a sabotage counts as caught.
const CAUGHT: usize = 10;
/// The most schedules that try to catch a sabotage.
const BUDGET: u64 = 20_000;
/// The same number for the shell, where a schedule takes ten times as long.
const SHELL_CAUGHT: usize = 2;
const SHELL_BUDGET: u64 = 4_000;
/// The number of schedules that are run twice, to check that they give the same trace.
const REPEATED: u64 = 100;
/// A run with fewer schedules than this skips the sabotages.
const FEW: u64 = 1_000;

fn main() -> anyhow::Result<ExitCode> {
    let (mut seeds, mut from, mut budget, mut only) = (1_000, None, None, None);
    let (mut keep, mut replayed): (Option<PathBuf>, Option<PathBuf>) = (None, None);
    let (mut shell, mut presence) = (false, false);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("shell") => shell = true,
            Long("presence") => presence = true,
            Long("seeds") => seeds = arguments.value()?.parse()?,
            Long("from") => from = Some(arguments.value()?.parse()?),
            Long("budget") => budget = Some(arguments.value()?.parse()?),
            Long("keep") => keep = Some(arguments.value()?.into()),
            Long("replay") => replayed = Some(arguments.value()?.into()),
            Long("sabotage") => only = Some(arguments.value()?.string()?),
            Short('h') | Long("help") => {
                println!("{USAGE}");
                return Ok(ExitCode::SUCCESS);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if let Some(file) = replayed {
        return replay(&file);
    }
    // A fresh seed, so that no schedule is repeated.
    let from = from.unwrap_or_else(fresh) | if presence { PRESENCE_SEEDS } else { 0 };
    if shell {
        return shell_simulation(from, seeds, budget, only.as_deref());
    }
    // A short run does not check the judges.
    let budget = budget.unwrap_or(if seeds < FEW { 0 } else { BUDGET });
    if let Some(name) = only {
        let sabotage = Sabotage::ALL.into_iter().find(|sabotage| sabotage.name() == name);
        let sabotage = sabotage.with_context(|| format!("no sabotage is called {name:?}"))?;
        let (_, failures) = sabotaged(sabotage, from, budget);
        show(&failures, None, |seed| shrunk(seed, Some(sabotage)));
        return Ok(ExitCode::SUCCESS);
    }

    let started = Instant::now();
    println!("seeds {from} to {}", from + seeds.saturating_sub(1));
    let (tally, failures) = Campaign { from, seeds, sabotage: None, enough: usize::MAX }.run();
    println!("in {:.1} s", started.elapsed().as_secs_f64());
    report(&tally);
    println!("violations: {}", failures.len());
    show(&failures, Some("cargo xtask sim"), |seed| shrunk(seed, None));
    if let Some(folder) = keep {
        keep_steps(&failures, &folder)?;
    }
    let missed = budget > 0 && !judges_are_judged(from, budget);
    Ok(if failures.is_empty() && !missed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the shell's schedules, and then those with each fault put back.
fn shell_simulation(from: u64, seeds: u64, budget: Option<u64>, only: Option<&str>) -> anyhow::Result<ExitCode> {
    let budget = budget.unwrap_or(if seeds < FEW { 0 } else { SHELL_BUDGET });
    let sabotages = ShellSabotage::ALL.into_iter();
    if let Some(name) = only {
        let sabotage = sabotages.clone().find(|sabotage| sabotage.name() == name);
        let sabotage = sabotage.with_context(|| format!("no fault of the shell is called {name:?}"))?;
        show(&sabotaged_shell(sabotage, from, budget), None, |seed| told(seed, Some(sabotage)));
        return Ok(ExitCode::SUCCESS);
    }
    let started = Instant::now();
    println!("seeds {from} to {}", from + seeds.saturating_sub(1));
    let campaign = ShellCampaign { from, seeds, sabotage: None, enough: usize::MAX };
    let (tally, trace, failures) = campaign.run();
    println!("in {:.1} s, trace {trace:016x}", started.elapsed().as_secs_f64());
    let some = ShellCampaign { seeds: seeds.min(REPEATED), ..campaign };
    let repeats = some.run().1 == some.run().1;
    if !repeats {
        println!("the same seeds do not say the same to pages twice: {from} to {}", from + some.seeds - 1);
    }
    report_shell(&tally);
    println!("violations: {}", failures.len());
    show(&failures, Some("cargo xtask sim --shell"), |seed| told(seed, None));
    let mut missed = Vec::new();
    if budget > 0 {
        missed.extend(sabotages.filter(|sabotage| sabotaged_shell(*sabotage, from, budget).is_empty()));
    }
    if !missed.is_empty() {
        println!("not caught: {}", missed.iter().map(|one| one.name()).collect::<Vec<_>>().join(", "));
    }
    Ok(if failures.is_empty() && missed.is_empty() && repeats { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report_shell(tally: &ShellTally) {
    println!("schedules {}, pages {}, of those that may share {}", tally.schedules, tally.pages, tally.sharing);
    println!("published {}, streams {}, heard {}", tally.published, tally.streams, tally.heard);
    println!(
        "commands to pages {}, messages between tabs {}, leads stolen {}",
        tally.commands, tally.posts, tally.steals
    );
    report_faults(&tally.faults, tally.schedules);
    let gaps = tally.gaps.iter().map(|(reason, (told, needless))| format!("{reason} {told} ({needless})"));
    report_gaps("handlers", gaps);
}

fn sabotaged_shell(sabotage: ShellSabotage, from: u64, budget: u64) -> Vec<Failure> {
    let campaign = ShellCampaign { from, seeds: budget, sabotage: Some(sabotage), enough: SHELL_CAUGHT };
    let (tally, _, failures) = campaign.run();
    println!("sabotage: {:<48} caught by {:>3} of {:>5}", sabotage.name(), failures.len(), tally.schedules);
    failures
}

/// The first seed of a run, from the clock: so far from the last run's that the two have none in common.
fn fresh() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default().saturating_mul(1_000)
}

fn report(tally: &Tally) {
    println!("schedules {}, of those with a stream for several tabs {}", tally.schedules, tally.shared);
    let share = |count: u64| count as f64 * 100.0 / tally.schedules.max(1) as f64;
    let [one, two, three] = tally.nodes.map(share);
    println!(
        "nodes: one {one:.0} %, two {two:.0} %, three {three:.0} %; they reach each other in {:.0} %",
        share(tally.reaching)
    );
    println!("asked of the whole cluster {}, tickets shown to two nodes {}", tally.counted, tally.tickets);
    println!(
        "with presence {:.0} %: frames about it {}, nodes asked who is there {}, lists compared {}",
        share(tally.with_presence),
        tally.seen,
        tally.asked_who,
        tally.lists
    );
    println!("published {}, streams {}, heard {}", tally.published, tally.streams, tally.heard);
    println!("heard by another tab's stream {}, handovers {}", tally.relayed, tally.handovers);
    println!("polls {}, heard by them {}", tally.polls, tally.polled);
    report_faults(&tally.faults, tally.schedules);
    let needless = |reason| tally.needless.get(reason).copied().unwrap_or_default();
    let gaps = tally.gaps.iter().map(|(reason, count)| format!("{reason} {count} ({})", needless(reason)));
    report_gaps("tabs", gaps);
}

fn report_faults(faults: &BTreeMap<&'static str, u64>, schedules: u64) {
    let told = faults.iter().map(|(kind, count)| format!("{kind} {count}"));
    let per_schedule = faults.values().sum::<u64>() as f64 / schedules.max(1) as f64;
    println!("faults: {per_schedule:.1} a schedule: {}", told.collect::<Vec<_>>().join(", "));
}

fn report_gaps(whom: &str, gaps: impl Iterator<Item = String>) {
    let gaps = gaps.collect::<Vec<_>>().join(", ");
    println!("gaps, and those of them that were told to {whom} that had missed nothing: {gaps}");
}

/// Writes the steps of each failure to a separate file.
fn keep_steps(failures: &[Failure], folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    for seed in failures.iter().map(|failure| failure.seed) {
        if let Some(shrunk) = shrink(seed, None) {
            fs::write(folder.join(format!("{seed}.json")), shrunk.kept.text())?;
        }
    }
    Ok(())
}

fn replay(file: &Path) -> anyhow::Result<ExitCode> {
    let (lines, broken) = Kept::read(file)?.run(None);
    lines.iter().for_each(|line| println!("{line}"));
    Ok(match broken {
        Some(broken) => {
            println!("broken: {broken}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    })
}

fn sabotaged(sabotage: Sabotage, from: u64, budget: u64) -> (Tally, Vec<Failure>) {
    let from = from | if sabotage.is_of_presence() { PRESENCE_SEEDS } else { 0 };
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

fn shrunk(seed: u64, sabotage: Option<Sabotage>) -> Option<String> {
    shrink(seed, sabotage).map(|shortest| shortest.told)
}

/// Shows some failures of each rule. `again` is the command that repeats one when its seed is appended, if there is
/// such a command; `shrunk` returns the shortest schedule that fails as that of the seed does.
fn show(failures: &[Failure], again: Option<&str>, shrunk: impl Fn(u64) -> Option<String>) {
    let mut rules: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for failure in failures {
        rules.entry(failure.rule).or_default().push(failure);
    }
    for (rule, failures) in rules {
        println!("\n{rule}: {} schedules", failures.len());
        for failure in failures.iter().take(SHOWN) {
            println!("seed {}: {}", failure.seed, failure.detail);
        }
        let Some(first) = failures.first() else { continue };
        if let Some(again) = again {
            println!("again: {again} --seeds 1 --from {}", first.seed);
        }
        if let Some(told) = shrunk(first.seed) {
            println!("shrunk:\n{told}");
        }
    }
}
