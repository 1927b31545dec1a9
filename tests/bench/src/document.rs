//! Writes the figures of a run into BENCHMARKS.md.

use anyhow::{Context, Result};

use crate::{aims, report::Report};

const BEGIN: &str = "<!-- figures: written by `cargo xtask bench --write` -->\n";
const END: &str = "<!-- end of the figures -->\n";

/// The run in a line, its table, the aims beside what was reached, and what went wrong.
#[must_use]
pub fn figures(run: &str, report: &Report) -> String {
    let parts = [run.to_owned(), report.table(), aims::table(report), report.notes().replace('\n', "\n\n")];
    let parts: Vec<_> = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
    parts.join("\n\n") + "\n"
}

/// Replaces the figures in the document.
///
/// # Errors
///
/// When the document lacks the lines between which they stand.
pub fn with_figures(document: &str, figures: &str) -> Result<String> {
    let (before, rest) = document.split_once(BEGIN).with_context(|| format!("the document has no line {BEGIN:?}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("the document has no line {END:?}"))?;
    Ok(format!("{before}{BEGIN}\n{figures}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_take_the_place_of_those_before() {
        let document = format!("# Title\n{BEGIN}\nold\n\n{END}more\n");
        let written = with_figures(&document, "new\n").unwrap();
        assert_eq!(written, format!("# Title\n{BEGIN}\nnew\n\n{END}more\n"));
        assert_eq!(with_figures(&written, "new\n").unwrap(), written);
        assert!(with_figures("# Title\n", "new\n").is_err());
    }

    #[test]
    fn benchmarks_md_has_the_lines_between_which_figures_stand() {
        assert!(with_figures(include_str!("../../../BENCHMARKS.md"), "").is_ok());
    }
}
