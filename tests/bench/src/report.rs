//! The figures: medians over the rounds as a table, as ratios, and as JSON.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use serde_json::{Value, json};

use crate::{
    peer::Peer,
    scenario::{Figure, Scenario, Shape},
};

/// The identity of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Of events at a rate.
    Flow(Shape, Figure),
    /// Growth of the proportional set per connection, KiB.
    Idle(usize),
    /// Growth of the resident set per connection, KiB.
    IdleResident(usize),
    /// Processor time per heartbeat, µs.
    Heartbeat,
    /// The time until all streams are open, in seconds.
    Storm(usize),
    /// The processor time per stream, in µs.
    StormCpu(usize),
    /// The time until all returning clients have the events that they missed, in seconds.
    Comeback(usize),
    /// The time from due to read for the clients that stay connected meanwhile, in ms.
    ComebackOthers,
    /// Events per second to returning clients.
    ResumeRate,
    /// The processor time per event, in µs.
    ResumeCpu,
}

impl Key {
    /// Growth of the proportional set at this many connections.
    #[must_use]
    pub fn idle(connections: usize) -> Self {
        Self::Idle(connections)
    }

    /// Growth of the resident set at this many connections.
    #[must_use]
    pub fn idle_resident(connections: usize) -> Self {
        Self::IdleResident(connections)
    }

    /// This many clients at once.
    #[must_use]
    pub fn storm(clients: usize) -> Self {
        Self::Storm(clients)
    }

    /// The title in the table, with its unit.
    #[must_use]
    pub fn title(self) -> String {
        match self {
            Self::Flow(shape, figure) => format!("{}: {}", shape.name(), figure.title()),
            Self::Idle(count) => format!("idle: PSS KiB per connection at {}", thousands(count)),
            Self::IdleResident(count) => format!("idle: RSS KiB per connection at {}", thousands(count)),
            Self::Heartbeat => "idle: CPU µs per heartbeat".into(),
            Self::Storm(count) => format!("storm: {} connects, s", thousands(count)),
            Self::StormCpu(count) => format!("storm: CPU µs per connect, {} of them", thousands(count)),
            Self::Comeback(count) => format!("comeback: {} have caught up, s", thousands(count)),
            Self::ComebackOthers => "comeback: latency p99 of the others, ms".into(),
            Self::ResumeRate => "resume: events/s".into(),
            Self::ResumeCpu => "resume: CPU µs per event".into(),
        }
    }

    /// Whether the table shows the figure. The JSON holds all of them.
    #[must_use]
    pub fn is_in_table(self) -> bool {
        match self {
            Self::Flow(_, figure) => matches!(figure, Figure::Cpu | Figure::P50 | Figure::P99 | Figure::Rate),
            Self::IdleResident(_) | Self::Heartbeat | Self::ResumeCpu => false,
            Self::Idle(_)
            | Self::Storm(_)
            | Self::StormCpu(_)
            | Self::Comeback(_)
            | Self::ComebackOthers
            | Self::ResumeRate => true,
        }
    }

    /// The scenario that produces the figure.
    #[must_use]
    pub fn scenario(self) -> Scenario {
        match self {
            Self::Flow(shape, _) => Scenario::Flow(shape),
            Self::Idle(_) | Self::IdleResident(_) | Self::Heartbeat => Scenario::Idle,
            Self::Storm(_) | Self::StormCpu(_) => Scenario::Storm,
            Self::Comeback(_) | Self::ComebackOthers => Scenario::Comeback,
            Self::ResumeRate | Self::ResumeCpu => Scenario::Resume,
        }
    }
}

/// All figures of a run.
#[derive(Debug)]
pub struct Report {
    peers: Vec<(&'static str, Result<(), String>)>,
    figures: BTreeMap<Key, BTreeMap<&'static str, Vec<f64>>>,
    /// The text in place of figures, for a scenario that does not apply to a peer.
    cannot: BTreeMap<(&'static str, &'static str), &'static str>,
    notes: BTreeSet<String>,
}

impl Report {
    /// An empty report.
    #[must_use]
    pub fn new(peers: &[Peer]) -> Self {
        let peers = peers.iter().map(|peer| (peer.name, peer.kind.as_ref().map(|_| ()).map_err(Clone::clone)));
        Self { peers: peers.collect(), figures: BTreeMap::new(), cannot: BTreeMap::new(), notes: BTreeSet::new() }
    }

    /// One figure of one round.
    pub fn add(&mut self, peer: &'static str, key: Key, value: f64) {
        self.figures.entry(key).or_default().entry(peer).or_default().push(value);
    }

    /// Records that a scenario does not apply to a peer, with the text for the table.
    pub fn cannot(&mut self, peer: &'static str, scenario: Scenario, word: &'static str) {
        self.cannot.insert((peer, scenario.name()), word);
    }

    /// The text in place of a figure that does not apply to this peer.
    #[must_use]
    pub fn word(&self, peer: &'static str, key: Key) -> Option<&'static str> {
        self.cannot.get(&(peer, key.scenario().name())).copied()
    }

    /// Adds a remark on a peer's figures.
    pub fn note(&mut self, peer: &'static str, scenario: Scenario, note: &str) {
        self.notes.insert(format!("{peer}, {}: {note}", scenario.name()));
    }

    /// The median over the rounds.
    #[must_use]
    pub fn median(&self, peer: &str, key: Key) -> Option<f64> {
        median(self.figures.get(&key)?.get(peer)?)
    }

    /// The peers that took part.
    pub fn present(&self) -> impl Iterator<Item = &'static str> {
        self.peers.iter().filter(|(_, there)| there.is_ok()).map(|(name, _)| *name)
    }

    /// All figures there are.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        self.figures.keys().copied()
    }

    /// The medians, with a row for each figure and a column for each peer.
    #[must_use]
    pub fn table(&self) -> String {
        let mut rows = vec![vec![String::from("median")]];
        rows[0].extend(self.peers.iter().map(|(name, _)| (*name).to_owned()));
        for key in self.keys().filter(|key| key.is_in_table()) {
            let mut row = vec![key.title()];
            row.extend(self.peers.iter().map(|(peer, there)| match (there, self.word(peer, key)) {
                (Err(_), _) => "missing".to_owned(),
                (Ok(()), Some(word)) => word.to_owned(),
                (Ok(()), None) => self.median(peer, key).map_or_else(|| "–".to_owned(), short),
            }));
            rows.push(row);
        }
        markdown(&rows)
    }

    /// The missing peers, and the failures.
    #[must_use]
    pub fn notes(&self) -> String {
        let mut text = String::new();
        for (name, there) in &self.peers {
            if let Err(reason) = there {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{name} is missing: {reason}");
            }
        }
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
        text
    }

    /// Every figure of every round.
    #[must_use]
    pub fn json(&self) -> String {
        let figures = self.figures.iter().map(|(key, peers)| (key.title(), json!(peers)));
        let missing =
            self.peers.iter().filter_map(|(name, there)| Some(((*name).to_owned(), json!(there.as_ref().err()?))));
        json!({
            "figures": Value::Object(figures.collect()),
            "missing": Value::Object(missing.collect()),
            "notes": self.notes,
        })
        .to_string()
    }
}

pub(crate) fn markdown(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            let _ = if column == 0 { write!(text, "| {cell:<width$} ") } else { write!(text, "| {cell:>width$} ") };
        }
        text.push_str("|\n");
        if number == 0 {
            for (column, width) in widths.iter().enumerate() {
                let _ = write!(text, "|{}{}", "-".repeat(width + 1), if column == 0 { "-" } else { ":" });
            }
            text.push_str("|\n");
        }
    }
    text
}

fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// Three significant digits, and all digits before the decimal point.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        large @ 1_000.0.. => {
            let digits = format!("{large:.0}");
            let sign = if value < 0.0 { "-" } else { "" };
            format!("{sign}{}", grouped(&digits))
        }
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn thousands(count: usize) -> String {
    grouped(&count.to_string())
}

fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_between_the_two() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_figure_has_three_digits_or_all_before_the_point() {
        assert_eq!([0.456, 12.34, 123.4, 1_234_567.8].map(short), ["0.46", "12.3", "123", "1,234,568"]);
    }

    #[test]
    fn missing_peers_and_failed_ones_are_in_the_table() {
        let peer = |name, kind: Result<_, &str>| Peer { kind: kind.map_err(str::to_owned), name };
        let kind = crate::peer::Kind::Axum("x".into());
        let mut report = Report::new(&[peer("A", Ok(kind.clone())), peer("B", Ok(kind)), peer("C", Err("no apt"))]);
        report.add("A", Key::ResumeRate, 10.0);
        report.cannot("B", Scenario::Resume, "cannot");
        let table = report.table();
        let row = table.lines().last().unwrap();
        assert_eq!(
            row.split('|').map(str::trim).collect::<Vec<_>>(),
            ["", "resume: events/s", "10.0", "cannot", "missing", ""]
        );
        assert!(report.notes().contains("C is missing: no apt"));
    }
}
