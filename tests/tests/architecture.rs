//! `ARCHITECTURE.md` is correct: each function that it names exists, and leads to the next one.

use std::{fs, path::Path};

/// One step of a list: the function, its file, and the name that it shares with the step before, if one is given.
#[derive(Debug)]
struct Step {
    line: usize,
    /// The step that calls this one is the last one above it that is indented less.
    depth: usize,
    function: String,
    /// The type that the function belongs to, where the text names it.
    owner: Option<String>,
    file: String,
    through: Option<String>,
    /// Whether it is the first step of its list.
    is_first: bool,
}

fn between<'t>(text: &'t str, open: &str, close: &str) -> Option<&'t str> {
    text.split_once(open)?.1.split_once(close).map(|(between, _)| between)
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let indented = line.trim_start();
        let depth = (line.len() - indented.len()) / 3;
        let step = || {
            let (number, rest) = indented.split_once(". [`")?;
            let number: usize = number.parse().ok()?;
            let (name, rest) = rest.split_once("`](")?;
            let (file, rest) = rest.split_once(')')?;
            let (owner, function) = name.rsplit_once("::").map_or((None, name), |(owner, name)| (Some(owner), name));
            Some(Step {
                line: index + 1,
                depth,
                function: function.to_owned(),
                owner: owner.map(str::to_owned),
                file: file.to_owned(),
                through: between(rest, "through `", "`").map(str::to_owned),
                is_first: number == 1,
            })
        };
        match (step(), steps.last_mut()) {
            (Some(step), _) => steps.push(step),
            // A step that takes more than one line.
            (None, Some(last)) if depth > 0 && last.through.is_none() => {
                last.through = between(indented, "through `", "`").map(str::to_owned);
            }
            _ => {}
        }
    }
    steps
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
    let mut faults = Vec::new();
    let steps = steps(text);
    let mut bodies = Vec::new();
    for Step { line, function, owner, file, .. } in &steps {
        let text = read(file).unwrap_or_default();
        let found = body(&text, function);
        if found.is_empty() {
            faults.push(format!("line {line}: {file} has no function `{function}`"));
        }
        if let Some(owner) = owner.as_deref().filter(|owner| !names(&text, owner)) {
            faults.push(format!("line {line}: {file} does not name `{owner}`"));
        }
        bodies.push(found);
    }
    for (index, step) in steps.iter().enumerate() {
        let (line, function, above) = (step.line, &step.function, &steps[..index]);
        if step.depth > 0 {
            // The first line contains the function's own name, so it is left out.
            let calls =
                |caller: usize| bodies[caller].split_once('\n').is_some_and(|(_, inner)| names(inner, function));
            let caller = above.iter().rposition(|other| other.depth < step.depth);
            if let Some(caller) = caller.filter(|caller| !calls(*caller)) {
                faults.push(format!("line {line}: `{}` does not call `{function}`", above[caller].function));
            }
        } else if !step.is_first {
            // The step before, and all that it calls.
            let from = above.iter().rposition(|other| other.depth == 0).unwrap_or_default();
            let shares = |through: &str| {
                names(&bodies[index], through) && bodies[from..index].iter().any(|body| names(body, through))
            };
            if !step.through.as_deref().is_some_and(shares) {
                faults.push(format!("line {line}: `{function}` shares nothing with the step before"));
            }
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
    let code = "fn one() {\n    two();\n}\n\nfn two() {\n    self.shared;\n}\n\nfn three() {\n    shared.done()\n}\n";
    let read = |file: &str| (file == "a.rs").then(|| code.to_owned());
    let text = "1. [`one`](a.rs) x\n   1. [`two`](a.rs) x\n   2. [`three`](a.rs) x\n2. [`three`](a.rs) x,\n   through `shared`\n\
                3. [`one`](a.rs) through `shared`\n1. [`four`](a.rs) x\n1. [`Other::one`](b.rs) x\n";
    let faults = faults(text, read);
    assert_eq!(
        faults,
        [
            "line 7: a.rs has no function `four`",
            "line 8: b.rs has no function `one`",
            "line 8: b.rs does not name `Other`",
            "line 3: `one` does not call `three`",
            "line 6: `one` shares nothing with the step before",
        ]
    );
}
