//! PromQL, as far as the tests need it: a tokeniser, and Prometheus' own parser where it is installed.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::dashboards::contract::expressions;

/// A part of an expression that the contract looks at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    /// The name of a metric, a label, a function or an operator.
    Word(String),
    /// The content of a string.
    Text(String),
    /// A bracket.
    Sign(char),
}

/// Words, strings and brackets; numbers, ranges and operators are left out.
pub(crate) fn tokens(expr: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = expr;
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            'a'..='z' | 'A'..='Z' | '_' => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                found.push(Token::Word(rest[..end].to_owned()));
                end
            }
            '"' => {
                let end = rest[1..].find('"').map_or(rest.len(), |end| end + 2);
                found.push(Token::Text(rest[1..end].trim_end_matches('"').to_owned()));
                end
            }
            '[' => rest.find(']').map_or(rest.len(), |end| end + 1),
            '0'..='9' => rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len()),
            '(' | ')' | '{' | '}' => {
                found.push(Token::Sign(c));
                1
            }
            _ => c.len_utf8(),
        };
        rest = &rest[taken..];
    }
    found
}

/// Whether Prometheus' parser is installed; says so if not.
pub(crate) fn parser_is_here() -> bool {
    let here = Command::new("promtool").arg("--version").output().is_ok();
    if !here {
        eprintln!("SKIPPED: promtool is missing (Debian package prometheus)");
    }
    here
}

/// Has Prometheus parse every expression, as a recording rule with Grafana's variables filled in.
pub(crate) fn check(dashboard: &Value) -> Result<(), String> {
    let mut rules = String::from("groups:\n- name: dashboard\n  rules:\n");
    for (i, (place, expr)) in expressions(dashboard).into_iter().enumerate() {
        let expr = expr.replace("$__rate_interval", "1m").replace('$', "");
        rules += &format!("  # {place}\n  - record: dashboard:expression:{i}\n    expr: |\n      {expr}\n");
    }
    static FILES: AtomicUsize = AtomicUsize::new(0);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let file = std::env::temp_dir().join(format!("penstock-rules-{}-{number}.yml", std::process::id()));
    std::fs::write(&file, rules).map_err(|error| error.to_string())?;
    let output = Command::new("promtool").args(["check", "rules"]).arg(&file).output();
    std::fs::remove_file(&file).map_err(|error| error.to_string())?;
    let output = output.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said.into_owned()) }
}

#[test]
fn an_expression_falls_into_words_strings_and_brackets() {
    let word = |w: &str| Token::Word(w.to_owned());
    let found = tokens(r#"1000 * sum by (le) (rate(x_total{job="$job",code!="5xx"}[5m])) > 0.5"#);
    let text = |t: &str| Token::Text(t.to_owned());
    let sign = Token::Sign;
    let wanted = [
        vec![word("sum"), word("by"), sign('('), word("le"), sign(')'), sign('('), word("rate"), sign('(')],
        vec![word("x_total"), sign('{'), word("job"), text("$job"), word("code"), text("5xx"), sign('}')],
        vec![sign(')'), sign(')')],
    ];
    assert_eq!(found, wanted.concat());
}
