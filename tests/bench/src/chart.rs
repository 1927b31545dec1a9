//! The chart: a group of bars for each important figure, with one bar for each peer. It is plain SVG, so that any
//! browser shows it.

use std::fmt::Write;

use crate::{
    report::{Key, Report, short},
    scenario::{Figure, Shape},
};

const COLOURS: [&str; 8] = ["#0b6e4f", "#5fa88f", "#c8553d", "#588b8b", "#f28f3b", "#8d99ae", "#6a4c93", "#b08968"];
const COLUMNS: usize = 2;
const WIDTH: usize = 460;
const BAR: usize = 22;
const LABEL: usize = 90;
/// The room for the value behind the longest bar.
const VALUE: usize = 90;

/// Draws the medians of a report.
#[must_use]
pub fn svg(report: &Report) -> String {
    let keys: Vec<_> = report.keys().filter(|key| is_shown(*key)).collect();
    let peers: Vec<_> = report.present().collect();
    let height = 46 + peers.len() * BAR;
    let total = 50 + keys.len().div_ceil(COLUMNS) * height;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{total}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"16\" y=\"30\" font-size=\"18\">Tidings beside its peers, one run, one machine</text>\n",
        w = COLUMNS * WIDTH + 16,
    );
    for (at, key) in keys.iter().enumerate() {
        let (x, y) = (16 + at % COLUMNS * WIDTH, 50 + at / COLUMNS * height);
        group(&mut text, report, &peers, *key, x, y);
    }
    text.push_str("</svg>\n");
    text
}

fn group(text: &mut String, report: &Report, peers: &[&'static str], key: Key, x: usize, y: usize) {
    // Writing to a String cannot fail.
    let better = if is_rate(key) { "more is better" } else { "less is better" };
    let _ = writeln!(
        text,
        "<text x=\"{x}\" y=\"{}\" font-weight=\"bold\">{} <tspan font-weight=\"normal\" fill=\"#777\">({better})</tspan></text>",
        y + 16,
        key.title(),
    );
    let values = peers.iter().filter_map(|peer| report.median(peer, key));
    let longest = values.fold(f64::MIN_POSITIVE, f64::max);
    for (at, peer) in peers.iter().enumerate() {
        let y = y + 24 + at * BAR;
        let _ = writeln!(text, "<text x=\"{x}\" y=\"{}\">{peer}</text>", y + 14);
        let bar = x + LABEL;
        let Some(value) = report.median(peer, key) else {
            let word = report.word(peer, key).unwrap_or("–");
            let _ = writeln!(text, "<text x=\"{bar}\" y=\"{}\" fill=\"#777\">{word}</text>", y + 14);
            continue;
        };
        #[allow(clippy::cast_precision_loss, reason = "some hundred pixels")]
        let width = (value.max(0.0) / longest) * (WIDTH - LABEL - VALUE - 16) as f64;
        let colour = COLOURS[at % COLOURS.len()];
        let _ = writeln!(
            text,
            "<rect x=\"{bar}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" fill=\"{colour}\"/>\n\
             <text x=\"{:.1}\" y=\"{}\">{}</text>",
            BAR - 5,
            width + f64::from(u32::try_from(bar + 6).unwrap_or(0)),
            y + 14,
            short(value),
        );
    }
}

/// Whether a figure is important enough for the chart; the table has all of them.
fn is_shown(key: Key) -> bool {
    match key {
        Key::Flow(Shape::Flood, Figure::P50) => false,
        Key::Flow(_, figure) => matches!(figure, Figure::Cpu | Figure::P50 | Figure::P99 | Figure::Rate),
        Key::IdleResident(_) | Key::ResumeCpu => false,
        _ => true,
    }
}

fn is_rate(key: Key) -> bool {
    matches!(key, Key::Flow(_, Figure::Rate) | Key::ResumeRate)
}
