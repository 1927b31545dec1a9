//! `ARCHITECTURE.md` is correct: each function that it names exists, and leads to the next one.

use std::{collections::HashMap, fs, path::Path};

/// One line of a list: the function, its file, and the name that connects it with the step before, if that is not a
/// call.
#[derive(Debug)]
struct Step {
    line: usize,
    function: String,
    file: String,
    through: Option<String>,
    /// Whether it is the first step of its list.
    is_first: bool,
}

fn between<'t>(text: &'t str, open: &str, close: &str) -> Option<&'t str> {
    text.split_once(open)?.1.split_once(close).map(|(between, _)| between)
}

fn steps(text: &str) -> Vec<Step> {
    let step = |(index, line): (usize, &str)| {
        let (number, rest) = line.split_once(". [`")?;
        let number: usize = number.parse().ok()?;
        let (function, rest) = rest.split_once("`](")?;
        let (file, rest) = rest.split_once(')')?;
        let through = between(rest, "through `", "`").map(str::to_owned);
        let (function, file) = (function.to_owned(), file.to_owned());
        Some(Step { line: index + 1, function, file, through, is_first: number == 1 })
    };
    text.lines().enumerate().filter_map(step).collect()
}

/// Whether a line begins the definition of a function, in Rust or JavaScript.
fn defines(line: &str, function: &str) -> bool {
    let line = line.trim_start();
    let after = |rest: &str| rest.starts_with(['(', '<']);
    if let Some((_, rest)) = line.split_once("fn ") {
        return rest.strip_prefix(function).is_some_and(after);
    }
    let line = ["export ", "const ", "async ", "function "]
        .iter()
        .fold(line, |line, word| line.strip_prefix(word).unwrap_or(line));
    let Some(rest) = line.strip_prefix(function) else { return false };
    let is_arrow = (rest.starts_with(" = ") || rest.starts_with(": ")) && rest.contains('(');
    is_arrow || after(rest) && line.trim_end().ends_with('{')
}

/// The text of all functions with this name in a file, each up to its closing line.
fn body(text: &str, function: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.lines();
    let mut body = String::new();
    while let Some(line) = lines.next() {
        if !defines(line, function) {
            continue;
        }
        let end = line.trim_end();
        // In Rust, a function's bounds may stand between its head and its body.
        let is_one_line = if line.contains("fn ") { end.ends_with([';', '}']) } else { !end.ends_with(['{', '(']) };
        let depth = indent(line);
        body.extend([line, "\n"]);
        if is_one_line {
            continue;
        }
        for line in lines.by_ref() {
            body.extend([line, "\n"]);
            if indent(line) == depth && line.trim_start().starts_with('}') && !line.trim_end().ends_with('{') {
                break;
            }
        }
    }
    body
}

/// Whether a text contains a name, and not only as a part of another name.
fn names(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// The statements of a text like `ARCHITECTURE.md` that are wrong.
fn faults(text: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut bodies: HashMap<(String, String), String> = HashMap::new();
    let mut faults = Vec::new();
    let steps = steps(text);
    for step in &steps {
        let found = read(&step.file).map(|text| body(&text, &step.function)).unwrap_or_default();
        if found.is_empty() {
            faults.push(format!("line {}: {} has no function `{}`", step.line, step.file, step.function));
        }
        bodies.insert((step.file.clone(), step.function.clone()), found);
    }
    let body = |step: &Step| bodies[&(step.file.clone(), step.function.clone())].as_str();
    for pair in steps.windows(2) {
        let [step, next] = pair else { continue };
        if next.is_first || body(step).is_empty() || body(next).is_empty() {
            continue;
        }
        // The first line contains the function's own name, so it is left out.
        let inner = |step: &Step| body(step).split_once('\n').map_or(String::new(), |(_, rest)| rest.to_owned());
        let leads = match &next.through {
            Some(through) => names(body(step), through) && names(body(next), through),
            None => names(&inner(step), &next.function) || names(&inner(next), &step.function),
        };
        if !leads {
            faults.push(format!("line {}: `{}` does not lead to `{}`", next.line, step.function, next.function));
        }
    }
    faults
}

#[test]
fn every_function_is_there_and_leads_to_the_next() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let read = |file: &str| fs::read_to_string(root.join(file)).ok();
    let text = read("ARCHITECTURE.md").expect("ARCHITECTURE.md");
    assert!(steps(&text).len() > 50, "the lists are read");
    let faults = faults(&text, read);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_function_that_is_gone_or_calls_another_is_found() {
    let code = "fn one() {\n    two();\n}\n\nfn two() {\n    other();\n}\n\nfn three() {\n    done()\n}\n";
    let read = |file: &str| (file == "a.rs").then(|| code.to_owned());
    let text =
        "1. [`one`](a.rs) x\n2. [`two`](a.rs) x\n3. [`three`](a.rs) x\n1. [`four`](a.rs) x\n2. [`one`](b.rs) x\n";
    let faults = faults(text, read);
    assert_eq!(
        faults,
        [
            "line 4: a.rs has no function `four`",
            "line 5: b.rs has no function `one`",
            "line 3: `two` does not lead to `three`"
        ]
    );
}
