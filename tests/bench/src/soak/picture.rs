//! The soak's chart: memory and the 99th percentile, minute by minute.

use std::fmt::Write;

use super::{Course, Minute};

const COLOURS: [&str; 2] = ["#0b6e4f", "#c8553d"];
const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 220.0;
const MARGIN: f64 = 60.0;

/// The figure of a minute that is drawn.
type Value = fn(&Minute) -> f64;

/// Draws the curves.
#[must_use]
pub fn svg(courses: &[Course]) -> String {
    let plots: [(&str, Value); 2] =
        [("resident memory, MiB", |minute| minute.resident), ("latency p99, ms", |minute| minute.p99)];
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        WIDTH + 2.0 * MARGIN,
        2.0 * (HEIGHT + 2.0 * MARGIN),
    );
    for ((title, value), top) in plots.into_iter().zip([MARGIN, HEIGHT + 3.0 * MARGIN]) {
        plot(&mut text, title, courses, value, top);
    }
    text.push_str("</svg>\n");
    text
}

#[allow(clippy::cast_precision_loss, reason = "minutes")]
fn plot(text: &mut String, title: &str, courses: &[Course], value: Value, top: f64) {
    let all = || courses.iter().flat_map(|course| &course.minutes).map(value);
    let highest = all().fold(f64::MIN_POSITIVE, f64::max) * 1.1;
    let longest = courses.iter().map(|course| course.minutes.len()).max().unwrap_or(1).max(2) as f64;
    let (bottom, right) = (top + HEIGHT, MARGIN + WIDTH);
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "<text x=\"{MARGIN}\" y=\"{:.0}\" font-weight=\"bold\">{title}</text>\n\
         <path d=\"M{MARGIN} {top} V{bottom} H{right}\" fill=\"none\" stroke=\"#777\"/>\n\
         <text x=\"4\" y=\"{:.0}\">{highest:.0}</text>\n<text x=\"4\" y=\"{bottom}\">0</text>\n\
         <text x=\"{right}\" y=\"{:.0}\" text-anchor=\"end\">{longest:.0} minutes</text>",
        top - 12.0,
        top + 8.0,
        bottom + 18.0,
    );
    for (at, course) in courses.iter().enumerate() {
        let point = |(minute, value): (usize, f64)| {
            let x = MARGIN + minute as f64 / (longest - 1.0) * WIDTH;
            format!("{x:.1},{:.1}", bottom - value / highest * HEIGHT)
        };
        let points: Vec<_> = course.minutes.iter().map(value).enumerate().map(point).collect();
        let colour = COLOURS[at % COLOURS.len()];
        let _ = writeln!(
            text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
             <text x=\"{:.0}\" y=\"{:.0}\" fill=\"{colour}\">{}</text>",
            points.join(" "),
            MARGIN + 200.0 + 100.0 * at as f64,
            top - 12.0,
            course.engine,
        );
    }
}
