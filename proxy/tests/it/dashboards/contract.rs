//! Checks that a dashboard asks only for metrics, labels and label values that penstock exports, with the right units.
//!
//! Of PromQL it knows only words, strings and brackets.

use std::collections::BTreeMap;

use penstock::metrics::{Description, describe};
use serde_json::Value;

use crate::dashboards::promql::{Token, tokens};
use crate::dashboards::{list, text};

/// Labels that Prometheus adds.
const ADDED: [&str; 2] = ["job", "instance"];
/// What takes a range of a counter.
const RATES: [&str; 3] = ["rate", "irate", "increase"];
/// Words that are followed by label names in brackets.
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const OPERATORS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "atan2"];

type Metrics = BTreeMap<&'static str, Description>;

pub(crate) fn problems(dashboard: &Value) -> Vec<String> {
    let metrics: Metrics = describe().into_iter().map(|metric| (metric.name, metric)).collect();
    let mut found = Vec::new();
    for (place, expr) in expressions(dashboard) {
        found.extend(of_expression(&metrics, &expr).into_iter().map(|p| format!("{place}: {p}")));
    }
    for panel in list(dashboard, "/panels") {
        let unit = text(panel, "/fieldConfig/defaults/unit");
        let exprs = list(panel, "/targets").iter().map(|target| text(target, "/expr"));
        found.extend(exprs.filter_map(|expr| unit_problem(&metrics, unit, expr)));
    }
    found.extend(list(dashboard, "/templating/list").iter().filter_map(|v| of_variable(&metrics, v)));
    found
}

/// All expressions, with the place they stand at.
pub(crate) fn expressions(dashboard: &Value) -> Vec<(String, String)> {
    let panels = list(dashboard, "/panels").iter().flat_map(|panel| {
        let place = format!("panel {:?}", text(panel, "/title"));
        list(panel, "/targets").iter().map(move |t| (place.clone(), text(t, "/expr").to_owned()))
    });
    let annotations = list(dashboard, "/annotations/list").iter();
    let annotations = annotations.map(|a| (format!("annotation {}", a["name"]), text(a, "/expr").to_owned()));
    let variables = list(dashboard, "/templating/list").iter().filter_map(|variable| {
        let (selector, _) = label_values(variable)?;
        Some((format!("variable {}", variable["name"]), selector.to_owned()))
    });
    panels.chain(annotations).chain(variables).collect()
}

/// Selector and label of a variable's `label_values(selector, label)`.
fn label_values(variable: &Value) -> Option<(&str, &str)> {
    let inner = text(variable, "/query/query").strip_prefix("label_values(")?.strip_suffix(')')?;
    inner.rsplit_once(", ")
}

fn of_variable(metrics: &Metrics, variable: &Value) -> Option<String> {
    let (selector, label) = label_values(variable)?;
    let metric = metrics.get(selector.split('{').next()?)?;
    let known = bears(metric, label);
    (!known).then(|| format!("variable {}: {} has no label {label}", variable["name"], metric.name))
}

fn of_expression(metrics: &Metrics, expr: &str) -> Vec<String> {
    let tokens = tokens(expr);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let word = match &tokens[at] {
            Token::Word(word) => word.as_str(),
            _ => "",
        };
        let calls = tokens.get(at + 1) == Some(&Token::Sign('('));
        if GROUPING.contains(&word) && calls {
            let end = closing(&tokens, at + 1);
            found.extend(of_grouping(metrics, &tokens[at + 2..end], &tokens[end + 1..]));
            at = end;
        } else if !word.is_empty() && !calls && !OPERATORS.contains(&word) && !is_grouping(&tokens, at) {
            let end = selector_end(&tokens, at);
            found.extend(of_selector(metrics, word, function(&tokens, at), &tokens[at + 1..end]));
            at = end - 1;
        }
        at += 1;
    }
    found
}

/// `sum by (le) (...)` may follow the word `sum`, which stands without a bracket there.
fn is_grouping(tokens: &[Token], at: usize) -> bool {
    matches!(tokens.get(at + 1), Some(Token::Word(next)) if GROUPING.contains(&next.as_str()))
}

/// The function whose bracket opens right before `at`.
fn function(tokens: &[Token], at: usize) -> &str {
    match at.checked_sub(2).map(|before| &tokens[before..at]) {
        Some([Token::Word(function), Token::Sign('(')]) => function,
        _ => "",
    }
}

/// Where the bracket that opens at `open` closes; the end where it does not.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Sign('(' | '{') => depth += 1,
            Token::Sign(')' | '}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i;
        }
    }
    tokens.len() - 1
}

/// Where a metric with its matchers ends.
fn selector_end(tokens: &[Token], at: usize) -> usize {
    match tokens.get(at + 1) {
        Some(Token::Sign('{')) => closing(tokens, at + 1) + 1,
        _ => at + 1,
    }
}

fn of_selector(metrics: &Metrics, name: &str, function: &str, matchers: &[Token]) -> Vec<String> {
    let Some((metric, part)) = find(metrics, name) else {
        return vec![format!("there is no metric {name}")];
    };
    let rated = RATES.contains(&function);
    let mut found = Vec::new();
    match (metric.kind, part) {
        ("gauge", _) if rated => found.push(format!("{name} is a gauge and has no rate")),
        ("counter", _) if !rated => found.push(format!("{name} is a counter and wants a rate")),
        ("histogram", "") => found.push(format!("{name} is a histogram: say _bucket, _sum or _count")),
        ("histogram", _) if !rated => found.push(format!("{name} is a counter and wants a rate")),
        _ => {}
    }
    for pair in matchers.windows(2) {
        if let [Token::Word(label), Token::Text(value)] = pair {
            found.extend(of_matcher(metric, label, value));
        }
    }
    found
}

/// The metric a name in an expression stands for, and the part of a histogram it names.
fn find<'a>(metrics: &'a Metrics, name: &str) -> Option<(&'a Description, &'static str)> {
    if let Some(metric) = metrics.get(name) {
        return Some((metric, ""));
    }
    let parts = ["_bucket", "_sum", "_count"].into_iter();
    let mut named = parts.filter_map(|part| Some((metrics.get(name.strip_suffix(part)?)?, part)));
    named.find(|(metric, _)| metric.kind == "histogram")
}

fn of_matcher(metric: &Description, label: &str, value: &str) -> Option<String> {
    if !bears(metric, label) {
        return Some(format!("{} has no label {label}", metric.name));
    }
    let values = metric.labels.iter().find(|l| l.name == label)?.values?;
    let wrong = value.split('|').find(|value| !value.contains('$') && !values.contains(value))?;
    Some(format!("{label} of {} is never {wrong}", metric.name))
}

fn bears(metric: &Description, label: &str) -> bool {
    let bucket = label == "le" && metric.kind == "histogram";
    ADDED.contains(&label) || bucket || metric.labels.iter().any(|l| l.name == label)
}

/// The labels of a grouping, against every metric in the bracket that follows it.
fn of_grouping(metrics: &Metrics, labels: &[Token], rest: &[Token]) -> Vec<String> {
    if rest.first() != Some(&Token::Sign('(')) {
        return vec!["write the grouping before what it groups: sum by (label) (...)".to_owned()];
    }
    let words = |tokens: &[Token]| -> Vec<String> {
        let words = tokens.iter().filter_map(|token| match token {
            Token::Word(word) => Some(word.clone()),
            _ => None,
        });
        words.collect()
    };
    let grouped = words(&rest[..closing(rest, 0)]);
    let mut found = Vec::new();
    for (metric, _) in grouped.iter().filter_map(|word| find(metrics, word)) {
        let labels = words(labels).into_iter().filter(|label| !bears(metric, label));
        found.extend(labels.map(|label| format!("{} has no label {label}", metric.name)));
    }
    found
}

/// Where an expression divides nothing, its panel has the metric's unit.
fn unit_problem(metrics: &Metrics, unit: &str, expr: &str) -> Option<String> {
    if expr.contains(" / ") {
        return None;
    }
    let mut words = tokens(expr).into_iter().filter_map(|token| match token {
        Token::Word(word) => find(metrics, &word).map(|(metric, part)| (metric.unit, part)),
        _ => None,
    });
    let wanted: &[&str] = match words.next()? {
        ("seconds", "" | "_bucket") => &["s"],
        ("bytes", "") => &["bytes", "Bps"],
        _ => return None,
    };
    (!wanted.contains(&unit)).then(|| format!("this is in {wanted:?}, not in {unit}: {expr}"))
}
