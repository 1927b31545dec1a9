//! Runs every scenario for every peer, round by round, and prints the table. See the library's documentation.
#![allow(clippy::print_stdout, reason = "the program prints figures")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bench::{
    chart, document, faults, machine,
    peer::{Kind, Peer},
    report::Report,
    scenario::{self, Plan, Scenario},
};
use lexopt::ValueExt;

/// The most connections that are open at once, including the files of the programs themselves.
const FILES: u64 = 20_000;

/// The peers that only `--only` measures, because they are frameworks to build a server with, and would take minutes.
const EXTRAS: [&str; 2] = ["axum Sse", "better-sse"];

const HELP: &str = "\
Usage: bench --hub PATH --axum PATH --floor PATH --out FOLDER [--better-sse SCRIPT] [--nginx PATH --nchan MODULE]
             [--before PATH] [--peer NAME=PATH]… [--missing NAME=REASON]… [--quick] [--faults] [--write DOCUMENT] [--rounds N] [--only NAME]… [--scenario NAME]…
`cargo xtask bench` builds all that and calls it.";

#[derive(Default)]
struct Options {
    hub: Option<PathBuf>,
    before: Option<PathBuf>,
    axum: Option<PathBuf>,
    floor: Option<PathBuf>,
    better_sse: Option<PathBuf>,
    nginx: Option<PathBuf>,
    nchan: Option<PathBuf>,
    out: Option<PathBuf>,
    /// The document that the figures are written into.
    write: Option<PathBuf>,
    /// Peers' programs that this repository does not build, by name.
    programs: Vec<(String, PathBuf)>,
    missing: Vec<(String, String)>,
    only: Vec<String>,
    scenarios: Vec<String>,
    rounds: Option<usize>,
    quick: bool,
    faults: bool,
}

fn main() -> Result<()> {
    let started = Instant::now();
    let options = options()?;
    let out = options.out.clone().context(HELP)?;
    let logs = out.join("logs");
    fs::create_dir_all(&logs).with_context(|| format!("creating {}", logs.display()))?;
    let files = machine::raise_files(FILES)?;
    let plan = plan(options.quick);
    let plan = Plan { rounds: options.rounds.unwrap_or(plan.rounds), ..plan };
    let scenarios = scenario::all().into_iter().filter(|scenario| {
        options.scenarios.is_empty() || options.scenarios.iter().any(|name| name == scenario.name())
    });
    let scenarios: Vec<_> = scenarios.collect();
    ensure!(
        !scenarios.is_empty(),
        "the scenarios are {}",
        scenario::all().into_iter().map(Scenario::name).collect::<Vec<_>>().join(", ")
    );
    let (faults, write_to) = (options.faults, options.write.clone());
    let peers = peers(options);
    ensure!(peers.iter().any(|peer| peer.kind.is_ok()), "there is no peer to measure");
    if faults {
        return compare_by_faults(&peers, &logs);
    }

    println!("{}", machine::describe());
    let mut report = Report::new(&peers);
    let load = machine::load();
    for round in 0..plan.rounds {
        println!("round {} of {} (load {})", round + 1, plan.rounds, machine::load());
        // The peers take turns within each scenario, because what else the machine does changes from minute to minute.
        for &scenario in &scenarios {
            for peer in &peers {
                if let Ok(kind) = &peer.kind {
                    measure(&plan, scenario, files, peer, kind, &logs, &mut report);
                }
            }
        }
    }
    let run = format!(
        "{} rounds in {:.0} s on {}; load {load} before and {} after.",
        plan.rounds,
        started.elapsed().as_secs_f32(),
        machine::describe(),
        machine::load()
    );
    let figures = document::figures(&run, &report);
    println!("\n{figures}");
    write(&out, "figures.json", &report.json())?;
    write(&out, "chart.svg", &chart::svg(&report))?;
    if let Some(path) = write_to {
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let text = document::with_figures(&text, &figures)?;
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// Runs the same faults against every peer that can restart.
fn compare_by_faults(peers: &[Peer], logs: &Path) -> Result<()> {
    let seed = faults::draw_seed();
    println!("seed {seed}\n{}", faults::HEADINGS);
    for peer in peers {
        match &peer.kind {
            Ok(kind) if kind.can_begin_again() => println!("{}", faults::run(peer.name, kind, logs, seed)?),
            Ok(_) => {}
            Err(reason) => println!("{} is missing: {reason}", peer.name),
        }
    }
    Ok(())
}

/// Measures one scenario. If it fails, its figure is missing with the reason, and the others continue.
fn measure(plan: &Plan, scenario: Scenario, files: usize, peer: &Peer, kind: &Kind, logs: &Path, report: &mut Report) {
    if !scenario.is_for(kind) {
        report.cannot(peer.name, scenario, if kind.is_product() { "cannot" } else { "·" });
        return;
    }
    let from = Instant::now();
    let server = |heartbeat: Duration| kind.start(peer.name, heartbeat, logs);
    let result = scenario.run(plan, files, &server, &mut |key, value| report.add(peer.name, key, value));
    let said = match result {
        Ok(None) => String::from("ok"),
        Ok(Some(note)) => {
            report.note(peer.name, scenario, &note);
            note
        }
        Err(error) => {
            let error = format!("{error:#}");
            report.note(peer.name, scenario, &format!("failed: {error}"));
            error
        }
    };
    println!("  {:<8} {:<12} {:>5.1} s  {said}", scenario.name(), peer.name, from.elapsed().as_secs_f32());
}

/// The durations and numbers of a run. The quick plan shows that everything works, and the order of magnitude.
fn plan(quick: bool) -> Plan {
    if quick {
        Plan {
            rounds: 1,
            flow: Duration::from_secs(3),
            flood: Duration::from_secs(2),
            idle: vec![1_000, 5_000],
            heartbeat: Duration::from_secs(1),
            storms: vec![5_000],
            patience: Duration::from_secs(6),
        }
    } else {
        Plan {
            rounds: 5,
            flow: Duration::from_secs(3),
            flood: Duration::from_secs(3),
            idle: vec![1_000, 15_000],
            heartbeat: Duration::from_secs(1),
            storms: vec![5_000, 15_000],
            patience: Duration::from_secs(20),
        }
    }
}

fn peers(options: Options) -> Vec<Peer> {
    let missing = options.missing;
    let reason = |name: &str| {
        let reason = missing.iter().find(|(peer, _)| peer == name).map(|(_, reason)| reason.clone());
        reason.unwrap_or_else(|| String::from("not given"))
    };
    let peer = |name: &'static str, kind: Option<Kind>| Peer { kind: kind.ok_or_else(|| reason(name)), name };
    let nchan = options.nginx.zip(options.nchan).map(|(nginx, module)| Kind::Nchan { nginx, module });
    let program = |name: &str| options.programs.iter().find(|(peer, _)| peer == name).map(|(_, path)| path.clone());
    let (centrifugo, mercure) = (program("centrifugo"), program("mercure"));
    let mut peers = vec![
        peer("Tidings", options.hub.clone().map(|hub| Kind::Tidings { hub, plain: false })),
        peer("plain axum", options.hub.map(|hub| Kind::Tidings { hub, plain: true })),
        peer("nchan", nchan),
        peer("Centrifugo", centrifugo.map(Kind::Centrifugo)),
        peer("Mercure", mercure.map(Kind::Mercure)),
        peer("axum Sse", options.axum.map(Kind::Axum)),
        peer("better-sse", options.better_sse.map(Kind::BetterSse)),
        peer("write(2)", options.floor.map(Kind::Floor)),
    ];
    // Another build of the hub, to show the effect of a change.
    peers.extend(options.before.map(|hub| peer("before", Some(Kind::Tidings { hub, plain: false }))));
    peers.retain(|peer| match options.only.is_empty() {
        true => !EXTRAS.contains(&peer.name),
        false => options.only.iter().any(|name| name == peer.name),
    });
    peers
}

fn options() -> Result<Options> {
    let mut options = Options::default();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("hub") => options.hub = Some(arguments.value()?.into()),
            lexopt::Arg::Long("before") => options.before = Some(arguments.value()?.into()),
            lexopt::Arg::Long("axum") => options.axum = Some(arguments.value()?.into()),
            lexopt::Arg::Long("floor") => options.floor = Some(arguments.value()?.into()),
            lexopt::Arg::Long("better-sse") => options.better_sse = Some(arguments.value()?.into()),
            lexopt::Arg::Long("nginx") => options.nginx = Some(arguments.value()?.into()),
            lexopt::Arg::Long("nchan") => options.nchan = Some(arguments.value()?.into()),
            lexopt::Arg::Long("out") => options.out = Some(arguments.value()?.into()),
            lexopt::Arg::Long("write") => options.write = Some(arguments.value()?.into()),
            lexopt::Arg::Long("faults") => options.faults = true,
            lexopt::Arg::Long("quick") => options.quick = true,
            lexopt::Arg::Long("scenario") => options.scenarios.push(arguments.value()?.string()?),
            lexopt::Arg::Long("rounds") => options.rounds = Some(arguments.value()?.parse()?),
            lexopt::Arg::Long("only") => options.only.push(arguments.value()?.string()?),
            lexopt::Arg::Long("peer") => {
                let value = arguments.value()?.string()?;
                let (name, path) = value.split_once('=').context(HELP)?;
                ensure!(["centrifugo", "mercure"].contains(&name), "--peer takes centrifugo=PATH and mercure=PATH");
                options.programs.push((name.to_owned(), path.into()));
            }
            lexopt::Arg::Long("missing") => {
                let value = arguments.value()?.string()?;
                let (name, reason) = value.split_once('=').context(HELP)?;
                options.missing.push((name.to_owned(), reason.to_owned()));
            }
            lexopt::Arg::Long("help") => {
                println!("{HELP}");
                std::process::exit(0);
            }
            _ => return Err(argument.unexpected()).context(HELP),
        }
    }
    Ok(options)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}
