//! Tests of the simulation itself.

use std::{fs, path::Path};

use super::{Campaign, Kept, Sabotage, shrink};

fn campaign(sabotage: Option<Sabotage>) -> Campaign {
    Campaign { from: 0, seeds: 60, sabotage, enough: 1 }
}

#[test]
fn a_few_schedules_keep_the_promise() {
    let (tally, failures) = campaign(None).run();
    assert!(failures.is_empty(), "{failures:?}");
    assert!(tally.heard > 0 && tally.faults.len() > 15, "{tally:?}");
}

#[test]
fn a_seed_repeats_itself() {
    assert_eq!(campaign(None).run().0, campaign(None).run().0);
}

#[test]
fn a_failure_is_reported_with_its_shortest_schedule() {
    let sabotage = Some(Sabotage::PatternUnmatched);
    let (_, failures) = campaign(sabotage).run();
    let failure = failures.first().unwrap();
    let shortest = shrink(failure.seed, sabotage).unwrap().told;
    assert!(shortest.contains("broken: nothing is lost"), "{shortest}");
    // One subscription to a pattern is enough: the events published at the end show the rest.
    assert_eq!(
        shortest.lines().filter(|line| line.starts_with("   ") && line.contains("  Subscribe")).count(),
        1,
        "{shortest}"
    );
    assert!(!shortest.contains("   5  "), "{shortest}");
}

#[test]
fn schedules_that_broke_the_promise_once_keep_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sim/regressions");
    let mut broken = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let (_, violation) = Kept::read(&path).unwrap().run(None);
        broken.extend(violation.map(|violation| format!("{}: {violation}", path.display())));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
