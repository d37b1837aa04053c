//! Finds values of closed metric labels that no code counts: they would be exported at 0 for ever.
//!
//! A value is counted where an expression outside of tests names it (`LinkClose::Rescue`) in a file that imports the
//! enum. A value in a pattern or a comparison is only looked at, and does not count. The enum's own `impl` names values
//! as `Self::C2xx`: there they count if they stand in a constructor (a function that returns `Self`) that other code
//! calls, as `CodeClass::of` is called. `ALL` and the table of names are no constructors.
//!
//! Where code translates another enum into a label, the values of the other enum are checked too ([`TRANSLATED`]).

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Spacing, TokenTree};

use crate::architecture::paths::Source;

/// Enums that are translated, value by value, into a label: the file that declares each, and its name.
pub(crate) const TRANSLATED: [(&str, &str); 1] = [("link/scheduler/depth/mod.rs", "DepthLimit")];

/// An enum whose values must all be counted.
struct Enum {
    name: String,
    /// The file that declares it.
    file: String,
    /// The first segment of the path by which others import it.
    module: String,
    values: Vec<String>,
}

/// Values that no code counts, and entries of `translated` that are not there.
pub(crate) fn uncounted(sources: &[Source], translated: &[(&str, &str)]) -> Vec<String> {
    let parsed: Vec<_> = sources
        .iter()
        .filter(|source| !source.is_test())
        .map(|source| (source, source.tokens().into_iter().collect::<Vec<_>>()))
        .collect();
    let (mut enums, mut problems) = declared(&parsed);
    for (file, name) in translated {
        let found = parsed.iter().find(|(source, _)| source.name == *file);
        match found.and_then(|(source, tokens)| elsewhere(name, source, tokens)) {
            Some(found) => enums.push(found),
            None => problems.push(format!("{file}: has no enum `{name}`, which `TRANSLATED` names")),
        }
    }
    for each in &enums {
        let counted = counted(each, &parsed);
        let dead = each.values.iter().filter(|value| !counted.contains(*value));
        problems.extend(dead.map(|value| {
            let Enum { name, file, .. } = each;
            format!(
                "{file}: nothing counts `{name}::{value}`; remove it and write docs/metrics.md anew, or count it \
                 (what counts is said in proxy/tests/it/architecture/labels.rs)"
            )
        }));
    }
    problems
}

/// All enums that `labels!` and `label_elsewhere!` declare to be labels.
fn declared(parsed: &[(&Source, Vec<TokenTree>)]) -> (Vec<Enum>, Vec<String>) {
    let (mut enums, mut problems) = (Vec::new(), Vec::new());
    for (source, tokens) in parsed {
        for window in tokens.windows(3) {
            let [TokenTree::Ident(what), mark, TokenTree::Group(body)] = window else { continue };
            if !is(Some(mark), '!') {
                continue;
            }
            let body: Vec<_> = body.stream().into_iter().collect();
            if what == "labels" {
                enums.extend(assigned(&body).into_iter().map(|(name, values)| Enum {
                    name,
                    file: source.name.clone(),
                    module: source.module().swap_remove(0),
                    values,
                }));
            } else if what == "label_elsewhere" {
                let name = body[0].to_string();
                match parsed.iter().find_map(|(source, tokens)| elsewhere(&name, source, tokens)) {
                    Some(found) => enums.push(found),
                    None => problems.push(format!("{}: there is no enum `{name}`", source.name)),
                }
            }
        }
    }
    (enums, problems)
}

/// The names in `A = "a" { X = "x", }`, and the names in the braces of each, which are read in the same way.
fn assigned(tokens: &[TokenTree]) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if let TokenTree::Ident(name) = token
            && is(tokens.get(at + 1), '=')
        {
            let inner = match tokens.get(at + 3) {
                Some(TokenTree::Group(values)) => {
                    let values: Vec<_> = values.stream().into_iter().collect();
                    assigned(&values).into_iter().map(|(value, _)| value).collect()
                }
                _ => Vec::new(),
            };
            found.push((name.to_string(), inner));
        }
    }
    found
}

/// `enum Name { A, B, }` in a file.
fn elsewhere(name: &str, source: &Source, tokens: &[TokenTree]) -> Option<Enum> {
    let body = tokens.windows(3).find_map(|window| match window {
        [TokenTree::Ident(what), TokenTree::Ident(of), TokenTree::Group(body)] => {
            (what == "enum" && of == name).then(|| body.stream())
        }
        _ => None,
    })?;
    let values = body.into_iter().filter_map(|token| match token {
        TokenTree::Ident(value) => Some(value.to_string()),
        _ => None,
    });
    Some(Enum {
        name: name.to_owned(),
        file: source.name.clone(),
        module: source.module().swap_remove(0),
        values: values.collect(),
    })
}

/// The values that expressions name, and those that come out of constructors that are called.
fn counted(of: &Enum, parsed: &[(&Source, Vec<TokenTree>)]) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let mut constructors = BTreeMap::new();
    for (source, tokens) in parsed {
        if source.module().first() == Some(&of.module) || imports(source, of) {
            expressions(tokens, &of.name, false, &mut named);
        }
        for window in tokens.windows(3) {
            if let [TokenTree::Ident(what), TokenTree::Ident(name), TokenTree::Group(body)] = window
                && what == "impl"
                && *name == of.name
            {
                constructors.extend(made(&body.stream().into_iter().collect::<Vec<_>>()));
            }
        }
    }
    let called = constructors.into_iter().filter(|(name, _)| named.contains(name));
    let values: Vec<_> = called.flat_map(|(_, values)| values).collect();
    named.extend(values);
    named
}

fn imports(source: &Source, of: &Enum) -> bool {
    source.paths(false).iter().any(|named| named.path[0] == of.module && named.path.contains(&of.name))
}

/// The constructors in the body of an `impl`: the name of each function that returns `Self`, and the values in it.
fn made(body: &[TokenTree]) -> Vec<(String, BTreeSet<String>)> {
    let mut found = Vec::new();
    let mut function = None;
    for (at, token) in body.iter().enumerate() {
        match token {
            TokenTree::Ident(word) if word == "fn" => function = body.get(at + 1).map(ToString::to_string),
            TokenTree::Ident(word) if word == "Self" && at > 0 && is(body.get(at - 1), '>') => {
                if let (Some(name), Some(TokenTree::Group(body))) = (function.take(), body.get(at + 1)) {
                    let mut values = BTreeSet::new();
                    let body: Vec<_> = body.stream().into_iter().collect();
                    expressions(&body, "Self", false, &mut values);
                    found.push((name, values));
                }
            }
            _ => {}
        }
    }
    found
}

/// Collects `X` of each `name::X` that is neither a pattern nor one side of a comparison, outside of tests.
fn expressions(tokens: &[TokenTree], name: &str, pattern: bool, found: &mut BTreeSet<String>) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Ident(word) if word == "mod" && is_word(tokens.get(at + 1), "tests") => at += 2,
            TokenTree::Ident(word) if word == "matches" && is(tokens.get(at + 1), '!') => {
                if let Some(TokenTree::Group(group)) = tokens.get(at + 2) {
                    let all: Vec<_> = group.stream().into_iter().collect();
                    let comma = all.iter().position(|token| is(Some(token), ',')).unwrap_or(all.len());
                    expressions(&all[..comma], name, pattern, found); // what follows is a pattern
                }
                at += 2;
            }
            TokenTree::Ident(word) if *word == name && is(tokens.get(at + 2), ':') => {
                if let Some(TokenTree::Ident(value)) = tokens.get(at + 3)
                    && !pattern
                    && !compared(&tokens[..at])
                    && !looked_at(&tokens[at + 4..], Delimiter::None)
                {
                    found.insert(value.to_string());
                }
                at += 3;
            }
            TokenTree::Group(group) => {
                let inner: Vec<_> = group.stream().into_iter().collect();
                let pattern = pattern || looked_at(&tokens[at + 1..], group.delimiter());
                expressions(&inner, name, pattern, found);
            }
            _ => {}
        }
        at += 1;
    }
}

/// Whether `==` or `!=` stands before a path, whose first segments (`a::b::`) are passed over.
fn compared(mut before: &[TokenTree]) -> bool {
    while let [rest @ .., TokenTree::Ident(_), first, second] = before
        && is(Some(first), ':')
        && is(Some(second), ':')
    {
        before = rest;
    }
    matches!(before, [.., first, second] if (joins(first, '=') || joins(first, '!')) && is(Some(second), '='))
}

/// Whether what stands behind a value, or behind a group with values in it, says that it is a pattern or is compared.
fn looked_at(behind: &[TokenTree], group: Delimiter) -> bool {
    let arm = matches!(behind, [first, second, ..] if joins(first, '=') && is(Some(second), '>'));
    if group == Delimiter::Brace || group == Delimiter::Bracket {
        return arm; // `{ ... } if` and `[...] =` are statements
    }
    let Some(first) = behind.first() else { return false };
    let compared = matches!(behind, [first, second, ..] if joins(first, '!') && is(Some(second), '='));
    let alternative = is(Some(first), '|') && !joins(first, '|');
    arm || compared || alternative || is(Some(first), '=') || is_word(Some(first), "if")
}

fn is(token: Option<&TokenTree>, what: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == what)
}

fn joins(token: &TokenTree, what: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == what && punct.spacing() == Spacing::Joint)
}

fn is_word(token: Option<&TokenTree>, what: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(word)) if word == what)
}
