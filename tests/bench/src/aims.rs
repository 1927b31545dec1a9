//! The aims of Tidings, as bounds on the figures of a run. Time and processor time are compared with a peer's of the same run, because only
//! ratios within one run mean anything.

use crate::{
    report::{Key, Report, markdown, short},
    scenario::{
        Figure::{Cpu, P50, P99},
        Shape::{Few, Flood, Large, Many, Sparse, Steady},
    },
};

/// The columns of the table. The second is the same hub under axum's server.
const WHO: [&str; 2] = ["Tidings", "plain axum"];
const NCHAN: &str = "nchan";
const WRITES: &str = "write(2)";

/// The bound on a figure.
enum Bound {
    /// A multiple of this peer's figure.
    Peer(f64, &'static str),
    /// A multiple of another figure of the same server.
    Own(f64, Key),
    /// A value.
    Most(f64),
}

fn aims() -> Vec<(Key, Bound)> {
    use Bound::{Most, Own, Peer};
    vec![
        (Key::Flow(Steady, P50), Peer(0.6, NCHAN)),
        (Key::Flow(Steady, P99), Peer(1.0, NCHAN)),
        (Key::Flow(Steady, Cpu), Peer(1.15, WRITES)),
        (Key::Flow(Large, P50), Peer(0.6, NCHAN)),
        (Key::Flow(Large, P99), Peer(1.0, NCHAN)),
        (Key::Flow(Large, Cpu), Peer(1.15, WRITES)),
        (Key::Flow(Sparse, P50), Peer(0.8, NCHAN)),
        (Key::Flow(Sparse, Cpu), Peer(1.2, WRITES)),
        (Key::Flow(Few, P50), Peer(1.0, NCHAN)),
        (Key::Flow(Few, Cpu), Peer(1.0, NCHAN)),
        (Key::Flow(Many, P50), Peer(0.7, NCHAN)),
        (Key::Flow(Flood, Cpu), Most(0.5)),
        (Key::Flow(Flood, P50), Most(15.0)),
        (Key::Idle(1_000), Most(2.5)),
        (Key::Idle(15_000), Most(2.0)),
        (Key::Storm(15_000), Peer(1.0, NCHAN)),
        (Key::StormCpu(15_000), Peer(0.8, NCHAN)),
        (Key::Comeback(15_000), Own(2.0, Key::Storm(15_000))),
        (Key::ComebackOthers, Most(100.0)),
    ]
}

/// Each aim beside what was reached. An aim whose figures the run does not have is left out.
#[must_use]
pub fn table(report: &Report) -> String {
    let mut rows = vec![["aim", "at most", WHO[0], WHO[1], "met"].map(str::to_owned).to_vec()];
    for (key, bound) in aims() {
        let reached = |who| {
            let figure = report.median(who, key)?;
            match bound {
                Bound::Peer(_, peer) => Some(figure / report.median(peer, key)?),
                Bound::Own(_, other) => Some(figure / report.median(who, other)?),
                Bound::Most(_) => Some(figure),
            }
        };
        let Some(ours) = reached(WHO[0]) else { continue };
        let (most, shown) = match bound {
            Bound::Peer(most, peer) => (most, format!("{} × {peer}", short(most))),
            Bound::Own(most, other) => (most, format!("{} × {}", short(most), other.title())),
            Bound::Most(most) => (most, short(most)),
        };
        let met = if ours <= most { "yes" } else { "no" };
        let beside = reached(WHO[1]).map_or_else(|| "–".to_owned(), short);
        rows.push(vec![key.title(), shown, short(ours), beside, met.to_owned()]);
    }
    markdown(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::{Kind, Peer};

    #[test]
    fn an_aim_is_compared_with_figures_of_the_same_run() {
        let peer = |name| Peer { kind: Ok(Kind::Axum("x".into())), name };
        let mut report = Report::new(&["Tidings", "plain axum", "nchan"].map(peer));
        for (who, figure) in [("Tidings", 4.0), ("plain axum", 9.0), ("nchan", 5.0)] {
            report.add(who, Key::Flow(Steady, P50), figure);
            report.add(who, Key::Flow(Many, P50), figure / 2.0 + 1.0 / figure);
        }
        report.add("Tidings", Key::Flow(Flood, Cpu), 0.4);
        let table = table(&report);
        let row = |title: &str| {
            let row = table.lines().find(|line| line.contains(title)).expect("a row");
            row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(row("steady: latency p50")[2..6], ["0.60 × nchan", "0.80", "1.80", "no"]);
        assert_eq!(row("flood: CPU")[2..6], ["0.50", "0.40", "–", "yes"]);
        assert!(!table.contains("sparse"), "an aim without figures is left out: {table}");
    }
}
